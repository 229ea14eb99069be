"""Rounds: mine with the encoder just trained, train again, while validation nDCG@10 improves. The best round is kept.

OUTPUT/rounds/1, 2, … hold each round's triplets, validation scores and manifests. Every round trains the base encoder, not the
last round's: more training on the same passages would only be more epochs. So an encoder can be trained again from its
round's triplets alone, and at most two are on disk: the best so far, in OUTPUT, and the one in training.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tripletkit.addresses import Place
from tripletkit.encoding.resolve import fingerprint_of, resolve_encoder
from tripletkit.errors import REPORT, ConfigError, EncoderError, TableError
from tripletkit.evaluation.report import BASE, FINE_TUNED, read_validation
from tripletkit.pipeline import STAGES, MiningEncoder, Runner, find_stage
from tripletkit.settings import Settings
from tripletkit.stage import StageReport
from tripletkit.store import ENCODER, MULTI_VECTOR, VALIDATION, Manifest, Store, replace_folder

log = logging.getLogger(__name__)

#: The stages of a round, in order. What they make goes into the round's folder, all else into the output folder.
REPEATED = ("mine", "teach", "train")
#: The folders that training makes.
ENCODERS = (ENCODER, MULTI_VECTOR)
_OF_A_ROUND = {"triplets", "triplets.parquet", "teacher", "teacher.parquet", "dropped.parquet", *ENCODERS, VALIDATION}


class RoundStore(Store):
    """One round's folder on top of the output folder. An encoder that is no longer there keeps the hash it was made with."""

    def __init__(self, output: Path, number: int, *, by_book: bool = False) -> None:
        self.round = output / "rounds" / str(number)
        super().__init__(self.round, by_book=by_book)
        self.output, self.number = output, number

    def place(self, file: str) -> Path:
        """In the round's folder if a round makes the file, else in the output folder."""
        first, _, rest = file.partition("/")
        of_its_stage = first in ("manifests", "dropped") and rest.removeprefix("stage=").startswith(REPEATED)
        return (self.round if first in _OF_A_ROUND or of_its_stage else self.output) / file

    def sha(self, file: str) -> str:
        """As in ``Store``, but an encoder that is gone has the hash that it had when it was trained."""
        made = self.manifest("train") if file in ENCODERS and not self.place(file).exists() else None
        return made.outputs.get(file, "") if made else super().sha(file)

    def scores(self) -> dict[str, tuple[float, float]]:
        """By encoder, term→passage nDCG@10 and passage→term MAP, if any. Raises TableError for an old file."""
        found = read_validation(self.place(VALIDATION)).to_dict()
        return {name: (of["term→passage"]["nDCG@10"], of["passage→term"]["MAP"]) for name, of in found.items() if of}

    def improved(self) -> bool:
        """Whether this round's encoder scores higher than the one that mined for it: the last round's, or the base encoder."""
        scores = self.scores()
        before = RoundStore(self.output, self.number - 1).scores()[FINE_TUNED] if self.number > 1 else scores.get(BASE)
        return before is not None and scores[FINE_TUNED][0] > before[0]


def round_runner(runner: Runner, number: int) -> Runner:
    """A runner for one round. From round 2 on, the last round's encoder mines; it is the best so far, so it is in OUTPUT."""
    output = local_output(runner.tools.settings)
    miner = MiningEncoder(
        locate=lambda: resolve_encoder(str(output / ENCODER), runner.tools.settings.prompts),
        fingerprint=lambda: fingerprint_of(RoundStore(output, number - 1).sha(ENCODER)),
    )
    store = RoundStore(output, number, by_book=runner.store.by_book)
    return replace(runner, store=store, round=number, miner=miner if number > 1 else None)


def run_rounds(runner: Runner) -> Iterator[StageReport]:
    """Every stage in order, mining and training at most ``settings.rounds`` times. Raises ConfigError for random negatives."""
    settings, output = runner.tools.settings, local_output(runner.tools.settings)
    if not settings.mine.hard_negatives:
        problem = "no encoder chooses them, so another round would change nothing"
        hint = "Set mine.hard_negatives = true, or rounds = 1."
        raise ConfigError(f"rounds = {settings.rounds} with random negatives: {problem}", hint)
    yield from runner.run(STAGES[: STAGES.index("mine")])
    started, done = time.monotonic(), list[StageReport]()
    for number in range(1, settings.rounds + 1):
        for report in _run_round(runner, number):
            done.append(report)
            yield report
        if not (improved := RoundStore(output, number).improved()):
            break
    kept = number if number == 1 or improved else number - 1
    fresh = not _put_in_place(runner, kept) and all(report.fresh for report in done)
    # Only a round that is not kept still has its encoder in its own folder.
    for each in range(1, number + 1):
        for name in ENCODERS:
            shutil.rmtree(RoundStore(output, each).place(name), ignore_errors=True)
    yield _report(settings, number, kept, fresh=fresh, seconds=time.monotonic() - started)
    yield from runner.run(("publish", "evaluate"), lenient=True)


def local_output(settings: Settings) -> Path:
    """The output folder. Raises ConfigError for one at an address, where folders cannot be moved."""
    if isinstance(settings.output, Path):
        return settings.output
    problem = f"rounds = {settings.rounds} with output {str(settings.output)!r}: rounds need a folder on this machine"
    raise ConfigError(problem, "Set rounds = 1, or name a local --output and copy it afterwards.")


def _run_round(runner: Runner, number: int) -> Iterator[StageReport]:
    """Mine and train unless that is done. A round may fail to improve; only the kept round has to be good enough."""
    current = round_runner(runner, number)
    rounds = local_output(runner.tools.settings) / "rounds"
    for name in REPEATED:
        stage = find_stage(name)
        if number == 1 and not current.fresh(stage) and runner.fresh(stage):
            _copy_results(name, runner.store, current.store)  # from an earlier run of one round
        if not current.fresh(stage):
            # Later rounds were mined by an encoder that is now trained again.
            for folder in [one for one in rounds.glob("*") if one.name.isdecimal() and int(one.name) > number]:
                shutil.rmtree(folder)
            if name == "mine" and number > 1:
                _put_in_place(runner, number - 1)
        report = current.run_stage(stage)
        made = tuple(path for path in report.made if path.name not in ENCODERS)  # it is moved later
        yield replace(report, round=number, failed=None, made=made)


def _put_in_place(runner: Runner, number: int) -> bool:
    """Make a round's triplets, encoder and validation scores those of the output folder. False if they are already."""
    output, source = runner.store, RoundStore(local_output(runner.tools.settings), number)
    made = {name: source.manifest(name) for name in REPEATED}
    if all(of and _same(output.manifest(name), of) and runner.still_there(name, of) for name, of in made.items()):
        return False
    gone = (name for name in ENCODERS if not source.place(name).exists())
    if any(source.sha(name) not in ("", output.sha(name)) for name in gone):
        log.warning("the encoder of round %d is gone; it is trained again from the round's triplets", number)
        source.forget("train")
        round_runner(runner, number).run_stage(find_stage("train"))
    for name in REPEATED:
        output.forget(name)
    for name in ENCODERS:
        if source.place(name).exists():
            replace_folder(source.place(name), output.local(name))
        elif not source.sha(name):
            shutil.rmtree(output.local(name), ignore_errors=True)
    for name in REPEATED:
        _copy_results(name, source, output)
    return True


def _same(one: Manifest | None, other: Manifest) -> bool:
    """Whether both manifests describe the same result, whenever it was made."""
    return one is not None and (one.key, one.outputs) == (other.key, other.outputs)


def _copy_results(stage: str, source: Store, target: Store) -> None:
    """Copy all that a stage made except the encoder. The manifest comes last: without it nothing copied counts."""
    made = source.manifest(stage)
    if made is None:
        raise TableError(f"{source.folder}: {stage} was not finished", f"This is a fault in tripletkit. {REPORT}")
    target.copy_stage(source, made, leave=ENCODERS)


def _report(settings: Settings, number: int, kept: int, *, fresh: bool, seconds: float) -> StageReport:
    output, last = local_output(settings), RoundStore(local_output(settings), number)
    made = RoundStore(output, kept).manifest("train")
    summary = f"{number} of {settings.rounds} rounds, round {kept} is kept"
    if not last.scores():
        summary += ": no validation passage has an answer, so rounds cannot be compared"
    elif not last.improved():
        before = "the base encoder" if number == 1 else f"round {number - 1}"
        summary += f"; stopped, as round {number} scored no higher on validation than {before}"
    return StageReport(
        stage="rounds",
        fresh=fresh,
        summary=summary,
        counts={"rounds": number, "kept": kept},
        seconds=seconds,
        made=tuple(output / file for file in ("triplets.parquet", ENCODER, VALIDATION)),
        notes=tuple(rounds_lines(round_rows(output))),
        failed=EncoderError(made.failed) if made and made.failed else None,
        forgivable=True,
    )


def round_rows(output: Place) -> list[dict[str, Any]]:
    """Each finished round: its number, triplets, validation scores, and whether it is the one kept. Empty without rounds."""
    if not isinstance(output, Path):
        return []
    in_place = Store(output).manifest("train")
    rows = []
    for number in range(1, len(list((output / "rounds").glob("*"))) + 1):
        store = RoundStore(output, number)
        if (mined := store.manifest("mine")) and (trained := store.manifest("train")):
            row = {"round": number, "triplets": mined.counts["triplets"], "scores": store.scores()}
            rows.append({**row, "kept": _same(in_place, trained)})
    return rows


def rounds_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """``round_rows`` as a printed table."""
    if not rows:
        return
    yield f"{'':10}{'round':>10}{'triplets':>10}{'nDCG@10':>9}{'MAP':>7}   on validation, term→passage and passage→term"
    cells = [(BASE, "", rows[0]["scores"].get(BASE), "")]
    for row in rows:
        kept = "   kept" if row["kept"] else ""
        cells.append((f"{row['round']}", f"{row['triplets']:,}", row["scores"].get(FINE_TUNED), kept))
    for name, triplets, scores, kept in cells:
        told = f"{scores[0]:>9.3f}{scores[1]:>7.3f}" if scores else f"{'–':>9}{'–':>7}"
        yield f"{'':10}{name:>10}{triplets:>10}{told}{kept}"
