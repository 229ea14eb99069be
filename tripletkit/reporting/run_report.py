"""The report of one or more output folders as one page of HTML: what went in, what came out, what it is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from tripletkit.addresses import Place
from tripletkit.errors import TripletkitError
from tripletkit.evaluation.report import LEADING_METRIC, TASKS, EvaluationReport
from tripletkit.figures.drawing import check_matplotlib
from tripletkit.pipeline import STAGES
from tripletkit.reporting.page import Grid, Part, render
from tripletkit.reporting.run import Run
from tripletkit.reporting.sections import SECTIONS, Section, in_words, long_grid
from tripletkit.store import Store, write_atomically
from tripletkit.summaries import report_rows


def write_report(folders: Sequence[Place], to: Path) -> None:
    """Write the page. Raises TableError for a folder in which nothing was made, ConfigError without matplotlib."""
    write_atomically(to, report_page([Run(str(folder), Store(folder)) for folder in folders]).encode())


def report_page(runs: Sequence[Run]) -> str:
    """The page of these folders, side by side if there are several."""
    check_matplotlib()
    for run in runs:
        report_rows(run.store)  # raises TableError if nothing was made there
    sections = [
        {"name": of.name, "title": of.title, "about": of.about, "parts": [_guarded(of, run) for run in runs]}
        for of in SECTIONS
    ]
    if len(runs) > 1:
        parts = [Part(tables=list(_comparison(runs)))]
        about = "The counts, the scores and the settings in which these output folders differ."
        sections.insert(0, {"name": "comparison", "title": "Comparison", "about": about, "parts": parts})
    title = "tripletkit report: " + " · ".join(dict.fromkeys(_title(run) for run in runs))
    return render(
        "report.html.jinja",
        title=title,
        lines=[line for run in runs for line in _made(run)],
        names=[run.name for run in runs],
        sections=sections,
    )


def _guarded(section: Section, run: Run) -> Part:
    """A part that cannot be made is said in one line; the others are shown."""
    try:
        return section.make(run)
    except TripletkitError as error:
        return Part(note=f"{error.problem}. {error.hint}")


def _title(run: Run) -> str:
    try:
        titles = list(run.titles.values())
    except TripletkitError:
        return run.name
    return titles[0] if len(titles) == 1 else f"{len(titles)} books"


def _made(run: Run) -> Iterator[str]:
    """How far the folder is, and why what was made is not good enough, where a stage says so."""
    last = max((made.made for made in run.manifests.values()), default="")
    at = f", the last at {last.replace('T', ' ')[:16]} UTC" if last else ""
    yield f"{run.name}: {len(run.manifests)} of {len(STAGES)} stages are done{at}."
    yield from (f"{run.name}, {stage}: {made.failed}" for stage, made in run.manifests.items() if made.failed)


def _comparison(runs: Sequence[Run]) -> Iterator[Grid]:
    """The counts of stages, the scores of the last encoder, and the settings that are not alike."""
    heads = [run.name for run in runs]
    counts = {
        f"{stage}: {name}": [run.manifests[stage].counts.get(name) if stage in run.manifests else None for run in runs]
        for stage in STAGES
        for name in dict.fromkeys(
            name for run in runs if stage in run.manifests for name in run.manifests[stage].counts
        )
    }
    yield Grid("Scores", ("score", *heads), list(_compared_scores(runs)))
    yield long_grid("Counts", ("count", *heads), [(name, *values) for name, values in counts.items()])
    names = dict.fromkeys(name for run in runs for name in run.settings)
    values = {name: [in_words(run.settings[name]) if name in run.settings else None for run in runs] for name in names}
    differing = [(name, *of) for name, of in values.items() if any(a != b for a, b in pairwise(of))]
    yield Grid("Settings that differ", ("setting", *heads), differing or [("none", *[None] * len(runs))])


def _compared_scores(runs: Sequence[Run]) -> Iterator[tuple[object, ...]]:
    reports = [_report_of(run) for run in runs]
    yield "scored on", *(f"{of.split}, {of.terms:,} terms" if of else None for of in reports)
    for task in TASKS[:2]:
        for place, which in ((0, "first encoder"), (-1, "last encoder")):
            yield f"{task} {LEADING_METRIC}, {which}", *(_score(of, place, task) for of in reports)


def _report_of(run: Run) -> EvaluationReport | None:
    try:
        return run.scores
    except TripletkitError:
        return None


def _score(report: EvaluationReport | None, place: int, task: str) -> float | None:
    if report is None or task not in report.resampling:
        return None
    return float([*report.encoders.values()][place].scores[task][LEADING_METRIC])
