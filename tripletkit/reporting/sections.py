"""The sections of a report: what each shows of one output folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tripletkit.errors import SourceError, TripletkitError
from tripletkit.evaluation.report import (
    FINE_TUNED,
    LEADING_METRIC,
    PASSAGE_TO_TERM,
    TABLE_METRICS,
    TASKS,
    TERM_TO_PASSAGE,
    TermScore,
)
from tripletkit.figures import plots
from tripletkit.figures.drawing import Picture
from tripletkit.figures.forest import forest
from tripletkit.figures.plots import PageCounts, Step, most_frequent
from tripletkit.mining.relations import cited_pages
from tripletkit.publishing.cards import public_settings
from tripletkit.reporting.page import Grid, Part
from tripletkit.reporting.run import Run, flattened
from tripletkit.schemas import section_titles
from tripletkit.settings import Settings
from tripletkit.store import ENCODER
from tripletkit.summaries import report_rows

#: Terms in each list of the best and the worst, and words of a passage that are quoted.
LISTED_TERMS, QUOTED_WORDS = 10, 40
#: Tables with more rows are folded, and books beyond so many have no picture of their own.
UNFOLDED_ROWS, DRAWN_BOOKS = 15, 12
SPLITS = ("train", "validation", "test")


class Section(NamedTuple):
    """A heading, what stands below it, and how one folder's part is made."""

    name: str
    title: str
    about: str
    make: Callable[[Run], Part]


def _flow(run: Run) -> Part:
    bands = [band for make in (_pages, _passages, _terms, _matches) for band in [_band(make, run)] if band]
    rows = report_rows(run.store)
    stages = [
        (row["stage"], row.get("summary", "not made yet"), sum(row["dropped"].values()))
        for row in rows
        if "stage" in row
    ]
    dropped = [(row["stage"], reason, n) for row in rows if "stage" in row for reason, n in row["dropped"].items()]
    return Part(
        pictures=[plots.flow(bands)] if bands else [],
        tables=[
            Grid("What each stage made", ("stage", "result", "rows dropped"), stages),
            *(
                [long_grid("What was dropped, by stage and reason", ("stage", "reason", "rows"), dropped)]
                if dropped
                else []
            ),
        ],
    )


def _band(make: Callable[[Run], Sequence[Step]], run: Run) -> Sequence[Step]:
    try:
        return make(run)
    except TripletkitError:
        return ()  # a table that was not made yet


def _pages(run: Run) -> Sequence[Step]:
    roles = Counter(run.table("pages")["role"].to_list())
    others = {f"of role {role}": n for role, n in roles.items() if role != "body"}
    body = Step("pages of the body, read for passages", roles["body"], most_frequent(others))
    return [Step("pages", roles.total()), body] if roles else ()


def _passages(run: Run) -> Sequence[Step]:
    passages, repeated = run.table("passages").height, run.store.dropped("extract")["repeated text"]
    steps = [
        Step("passages cut", passages + repeated),
        Step("passages with a text of their own", passages, most_frequent({"repeated text": repeated})),
    ]
    if run.store.has("splits"):
        placed, left_out = run.table("splits").height, run.store.dropped("split")
        steps.append(_step("passages in a split", placed, passages, left_out))
    counts = run.manifests["mine"].counts if "mine" in run.manifests else {}
    for name, label, reason in (
        ("passages", "passages that may be anchors", "of a kind that is not mined"),
        ("with_positive", "passages with a positive", "no kept term is mentioned"),
        ("with_triplet", "passages with a triplet", "no candidate passed the guards"),
    ):
        if name in counts:
            steps.append(_step(label, counts[name], steps[-1].count, {}, reason))
    return steps


def _terms(run: Run) -> Sequence[Step]:
    terms = run.table("terms")
    kept, reasons = terms.filter("kept"), Counter(terms.filter(~pl.col("kept"))["reason"].to_list())
    steps = [Step("terms found", terms.height), Step("terms kept", kept.height, most_frequent(reasons))]
    if run.store.has("mentions"):
        mentioned = run.table("mentions")["term_id"].n_unique()
        steps.append(_step("terms mentioned", mentioned, kept.height, {}, "not mentioned in a tagged passage"))
    if run.store.has("triplets"):
        positives = run.table("triplets")["positive_id"].n_unique()
        steps.append(_step("terms that are a positive", positives, steps[-1].count, {}, "positive of no triplet"))
    return steps


def _matches(run: Run) -> Sequence[Step]:
    mentions, rejected = run.table("mentions"), run.table("dropped").filter(stage="tag")
    counts = rejected.with_columns(n=pl.col("detail").str.extract(r"^(\d+) ").cast(pl.Int64)).drop_nulls("n")
    reasons = dict(counts.group_by("reason").agg(pl.col("n").sum()).iter_rows())
    return [
        Step("matches of terms in passages", mentions.height + sum(reasons.values())),
        Step("mentions", mentions.height, most_frequent(reasons)),
    ]


def _step(label: str, count: int, before: int, reasons: Mapping[str, int], other: str = "for other reasons") -> Step:
    """A step whose ``reasons`` may not account for all that is lost."""
    rest = max(before - count - sum(reasons.values()), 0)
    return Step(label, count, most_frequent({**reasons, other: rest}))


def _scores(run: Run) -> Part:
    report = run.scores
    rankers, labels = report.row_labels(report.labels), report.labels
    rows = [
        (f"{task} ({of.queries:,}), {metric}", *(report.rankers[name].scores[task][metric] for name in rankers))
        for task, of in report.resampling.items()
        if task in TASKS
        for metric in TABLE_METRICS
    ]
    lines = [
        f"{report.split or 'all passages'}: {report.terms:,} terms, {report.passages:,} passages, gold labels by {report.gold}"
        + (f"; {report.promise}" if report.promise else ""),
        *(f"{label} is {name}" for name, label in labels.items() if label != name),
        *(f"Where {verdict}" for verdict in report.verdicts),
        *(str(ahead) for ahead in report.ahead),
        *(f"{task}: left out, {reason}" for task, reason in report.left_out.items()),
    ]
    return Part(
        lines=lines,
        pictures=[forest(report)] if len(report.rankers) > 1 else [],
        tables=[Grid("Scores of every ranker", ("task (queries), metric", *rankers.values()), rows)],
    )


def _term_scores(run: Run) -> Part:
    scores = list(run.scores.term_scores.items())
    if not scores:
        return Part(
            note="These scores are of an earlier version, without single terms. Run `tripletkit evaluate --force`."
        )
    (first, before), (last, after) = scores[0], scores[-1]
    quote = _quoter(run)
    pairs = sorted(zip(before, after, strict=True), key=lambda pair: (pair[1].score - pair[0].score, pair[0].term))
    worst = sorted(pairs, key=lambda pair: (pair[1].score, -pair[1].rank, pair[1].term))
    lists = {
        "Terms that gained most": [pair for pair in pairs[::-1] if pair[1].score > pair[0].score],
        "Terms that lost most": [pair for pair in pairs if pair[1].score < pair[0].score],
        f"Terms that {last} finds worst": worst,
    }
    heads = ("term", f"{LEADING_METRIC}, {first}", last, "first relevant passage", "its rank", f"{last} ranks first")
    tables = [
        Grid(caption, heads, [_term_row(*pair, quote) for pair in of[:LISTED_TERMS]])
        for caption, of in lists.items()
        if of
    ]
    points = [(a.term, a.score, b.score) for a, b in pairs]
    return Part(
        pictures=[plots.scatter(points, (first, last), LEADING_METRIC)] if len(scores) > 1 else [], tables=tables
    )


def _term_row(before: TermScore, after: TermScore, quote: Callable[[str, str], str]) -> tuple[object, ...]:
    preferred = "the same" if after.preferred_id == after.relevant_id else quote(after.preferred_id, after.term_id)
    return after.term, before.score, after.score, quote(after.relevant_id, after.term_id), after.rank, preferred


def _quoter(run: Run) -> Callable[[str, str], str]:
    """A function that quotes a passage, with its printed page, around its first mention of a term."""
    passages = {row["passage_id"]: row for row in run.table("passages").iter_rows(named=True)}
    starts = run.table("mentions").group_by("passage_id", "term_id").agg(pl.col("start").min())
    first = {(passage, term): start for passage, term, start in starts.iter_rows()}

    def quote(passage_id: str, term_id: str) -> str:
        row = passages.get(passage_id)
        if row is None:
            return f"{passage_id}, which is no longer there"
        words = row["text"].split()
        begin = max(len(row["text"][: first.get((passage_id, term_id), 0)].split()) - QUOTED_WORDS // 2, 0)
        text = " ".join(words[begin : begin + QUOTED_WORDS])
        before, after = "… " * (begin > 0), " …" * (begin + QUOTED_WORDS < len(words))
        return f"p. {row['label_first'] or row['page_first']}: {before}{text}{after}"

    return quote


def _cosines(run: Run) -> Part:
    rules = plots.cosines_by_rule(run.table("triplets"))
    return Part(pictures=[plots.cosines(rules)]) if rules else Part(note="There is no triplet.")


def _training(run: Run) -> Part:
    path, made = run.store.local(f"{ENCODER}.training.jsonl"), run.manifests.get("train")
    if not path.is_file() or made is None:
        return Part(note="No training yet. `tripletkit train` trains the encoder.")
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise SourceError(
            f"{path}: not a training log ({error})", "Make it again with `tripletkit train --force`"
        ) from None
    known = [row for row in rows if "step" in row and row.keys() & plots.CURVES.keys()]
    return Part(lines=[made.summary], pictures=[plots.training(known)] if known else [], tables=list(_rounds(run)))


def _rounds(run: Run) -> Iterator[Grid]:
    """Each round of mining and training, if there were several."""
    rounds = [row for row in report_rows(run.store) if "round" in row]
    scores = [row["scores"].get(FINE_TUNED, (None, None)) for row in rounds]
    rows = [(row["round"], row["triplets"], *of, row["kept"]) for row, of in zip(rounds, scores, strict=True)]
    heads = ("round", "triplets", f"validation, {TERM_TO_PASSAGE} nDCG@10", f"{PASSAGE_TO_TERM} MAP", "kept")
    yield from [Grid("Rounds", heads, rows)] if rows else []


def _coverage(run: Run) -> Part:
    pages = run.table("pages")
    cited = {
        (row["book_id"], page, row["term_id"])
        for row in run.table("terms").filter("kept").to_dicts()
        for page in cited_pages(row)
    }
    if not cited:
        return Part(note="No index cites a page.")
    mentioned = _on_pages(run, run.table("mentions").select("passage_id", "term_id"), "term_id")
    split_of = {(book, page): split for book, page, split in sorted(_on_pages(run, run.table("splits"), "split"))}
    found: Counter[tuple[str, int]] = Counter((book, page) for book, page, _ in cited & mentioned)
    missed: Counter[tuple[str, int]] = Counter((book, page) for book, page, _ in cited - mentioned)
    pictures, rows = list[Picture](), list[tuple[object, ...]]()
    for (book,), of in pages.group_by("book_id", maintain_order=True):
        places = [(book, page) for page in of["page"]]
        counts = PageCounts(
            [found[place] for place in places],
            [missed[place] for place in places],
            [split_of.get(place, "none") for place in places],
        )
        if total := sum(counts.mentioned) + sum(counts.unmentioned):
            pictures.append(plots.coverage(run.titles[book], counts))
            rows.append((run.titles[book], total, sum(counts.mentioned), f"{sum(counts.mentioned) / total:.1%}"))
    heads = ("book", "citations of kept terms", "of a page that mentions the term", "share")
    more = f"The first {DRAWN_BOOKS} of {len(pictures)} books are drawn." if len(pictures) > DRAWN_BOOKS else ""
    return Part(
        lines=[more] if more else (),
        pictures=pictures[:DRAWN_BOOKS],
        tables=[long_grid("Coverage of the index", heads, rows)],
    )


def _on_pages(run: Run, rows: pl.DataFrame, column: str) -> set[tuple[str, int, str]]:
    """(book, page, value) for each page of each passage in ``rows``."""
    places = run.table("passages").select(
        "passage_id", "book_id", pl.int_ranges("page_first", pl.col("page_last") + 1).alias("page")
    )
    return set(
        rows.join(places, on="passage_id").explode("page").select("book_id", "page", column).unique().iter_rows()
    )


def _frequency(run: Run) -> Part:
    counts = dict(run.table("mentions").group_by("term_id").len().iter_rows())
    kept = run.table("terms").filter("kept").select("term_id", "term").sort("term", "term_id").rows()
    if not kept:
        return Part(note="No term is kept.")
    most = sorted(((name, counts.get(term_id, 0)) for term_id, name in kept), key=lambda pair: -pair[1])
    return Part(
        pictures=[plots.frequency([n for _, n in most])],
        tables=[Grid("The most frequent terms", ("term", "mentions"), most[:LISTED_TERMS])],
    )


def _splits(run: Run) -> Part:
    splits = run.table("splits")
    passages = run.table("passages").join(splits, on="passage_id")
    units = {"passages": splits["split"]}
    if run.store.has("triplets"):
        triplets = run.table("triplets")
        units |= {"triplets": triplets["split"], "positives": triplets.select("split", "positive_id").unique()["split"]}
    counts = {unit: {name: n for name in SPLITS if (n := int((of == name).sum()))} for unit, of in units.items()}
    chapters = passages.with_columns(
        chapter=pl.Series([section_titles(of)[0] for of in passages["section"]], dtype=pl.String)
    )
    grouped = (
        chapters.group_by("book_id", "chapter", "split")
        .agg(pl.len(), pl.col("page_first").min())
        .sort("book_id", "page_first", "split")
    )
    rows = [
        (run.titles.get(book, book), chapter or "–", split, n) for book, chapter, split, n, _ in grouped.iter_rows()
    ]
    return Part(
        pictures=[plots.splits(counts)],
        tables=[long_grid("Chapters", ("book", "chapter", "split", "passages"), rows)],
    )


def _costs(run: Run) -> Part:
    costs = {stage: (made.seconds, made.peak_memory_mb) for stage, made in run.manifests.items()}
    unknown = [stage for stage, (_, mb) in costs.items() if not mb]
    lines = [f"All stages together: {sum(seconds for seconds, _ in costs.values()):,.1f} s."]
    lines += [f"Memory was not recorded for: {', '.join(unknown)}."] if unknown else []
    return Part(lines=lines, pictures=[plots.costs(costs)])


def _settings(run: Run) -> Part:
    defaults = public_settings(flattened(Settings().model_dump(mode="json")))
    changed = [
        (name, in_words(value), in_words(defaults.get(name)))
        for name, value in run.settings.items()
        if value != defaults.get(name)
    ]
    every = [(name, in_words(value)) for name, value in run.settings.items()]
    return Part(
        lines=() if changed else ["Every setting has its default."],
        tables=[
            *(
                [Grid("Settings that differ from their defaults", ("setting", "value", "default"), changed)]
                if changed
                else []
            ),
            Grid("All settings", ("setting", "value"), every, folded=True),
            Grid("Fingerprints", ("of", "value"), list(dict.fromkeys(_fingerprints(run)))),
            Grid("Files that the stages made", ("stage", "file", "sha256"), list(_files(run)), folded=True),
        ],
    )


def _fingerprints(run: Run) -> Iterator[tuple[str, str]]:
    """Of everything that the results depend on."""
    names = {
        "tokenizer": "tokenizer",
        "rules": "rules",
        "encoder": "encoder that mined",
        "encoder_name": "base encoder",
        "teacher": "teacher",
    }
    for stage, made in run.manifests.items():
        yield from (
            (names[key], str(value))
            for key, value in made.key.items()
            if key in names and stage in ("extract", "mine", "teach")
        )
        if stage == "train":
            yield "fine-tuned encoder", made.outputs.get(ENCODER, "")[:16]
    yield from ((f"code of {stage}", made.key.get("code", "")) for stage, made in run.manifests.items())
    if run.store.has("books"):
        yield from ((f"book {title}", book_id) for book_id, title in run.titles.items())


def _files(run: Run) -> Iterator[tuple[str, str, str]]:
    for stage, made in run.manifests.items():
        yield from ((stage, Path(file).name, sha[:16]) for file, sha in made.outputs.items())


def long_grid(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Grid:
    """Folded if it is long."""
    held = list(rows)
    return Grid(caption, heads, held, folded=len(held) > UNFOLDED_ROWS)


def in_words(value: object) -> str:
    """A setting's value as JSON writes it, a string without its quotes."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


SECTIONS = (
    Section("flow", "Flow", "What each stage found, kept and dropped, and why.", _flow),
    Section(
        "scores",
        "Evaluation",
        "Each ranker on held-out passages, and its gain over the base encoder with 95 % intervals.",
        _scores,
    ),
    Section(
        "terms",
        "Terms, before and after",
        "How well the vectors of each encoder find the passages of each term.",
        _term_scores,
    ),
    Section(
        "cosines",
        "Cosines",
        "How close positives and negatives are to their anchors, by the rule that chose the negative.",
        _cosines,
    ),
    Section("training", "Training", "The training log.", _training),
    Section(
        "coverage",
        "Index and pages",
        "Pages that the index cites, and whether a passage there mentions the term.",
        _coverage,
    ),
    Section("frequency", "Term frequency", "How often the kept terms are mentioned.", _frequency),
    Section("splits", "Splits", "Which passages train, choose and judge.", _splits),
    Section("costs", "Time and memory", "Of each stage, when it last ran.", _costs),
    Section(
        "settings",
        "Settings and fingerprints",
        "What the results depend on. Equal fingerprints give equal results.",
        _settings,
    ),
)
