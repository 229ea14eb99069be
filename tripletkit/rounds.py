"""Mine with the encoder just trained, train, and again, while validation rises; the output folder is that of the best round.

OUTPUT/rounds/1, 2, … keep each round's triplets and validation scores, and how they were made. Every round trains the base
encoder: a book is small, and training the last round's encoder on would be one more epoch on the same passages. So weights are
always one training away from known ones, an encoder can be made again from its round's triplets alone, and no more than two
are ever on disk: the best, in OUTPUT, and the one in training.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from tripletkit.encoding.resolve import EncoderFolder, fingerprint_of, resolve_encoder
from tripletkit.errors import ConfigError, EncoderError, TableError
from tripletkit.pipeline import STAGES, Report, Runner, find_stage
from tripletkit.settings import Settings
from tripletkit.stage import Stage
from tripletkit.store import ENCODER, VALIDATION, Manifest, Store, replace_folder, write_atomically

log = logging.getLogger(__name__)

#: What a round does, in order; what it makes lies in its own folder, all else in the output folder.
REPEATED = ("mine", "train")
_TABLES = ("triplets.parquet", "dropped.parquet")
_OWN = {*_TABLES, ENCODER, VALIDATION, *(f"manifests/{name}.json" for name in REPEATED)}


class RoundStore(Store):
    """One round's folder, over the output folder. Its encoder counts as there by its hash: the next one took its room."""

    def __init__(self, output: Path, number: int) -> None:
        super().__init__(output / "rounds" / str(number))
        self.output, self.number = output, number

    def place(self, file: str) -> Path:
        """In the round's folder what a round makes, in the output folder what it reads."""
        return (self.folder if file in _OWN else self.output) / file

    def sha(self, file: str) -> str:
        """As any folder's, but an encoder that is not there has the hash that it had when it was made."""
        made = self.manifest("train") if file == ENCODER and not self.place(file).exists() else None
        return made.outputs.get(file, "") if made else super().sha(file)

    def scores(self) -> dict[str, tuple[float, float]]:
        """Validation term→passage nDCG@10 and passage→term MAP of "base" and "fine-tuned"; empty where nothing was asked."""
        found = json.loads(self.place(VALIDATION).read_text(encoding="utf-8"))
        return {name: (of["term→passage"]["nDCG@10"], of["passage→term"]["MAP"]) for name, of in found.items() if of}

    def rose(self) -> bool:
        """Whether this round's encoder scores higher than the one that mined for it: the last round's, or the untouched."""
        scores = self.scores()
        before = (
            RoundStore(self.output, self.number - 1).scores()["fine-tuned"] if self.number > 1 else scores.get("base")
        )
        return before is not None and scores["fine-tuned"][0] > before[0]


class Round(Runner):
    """Runs one round's stages."""

    def __init__(self, runner: Runner, number: int) -> None:
        super().__init__(runner.settings, progress=runner.progress, force=runner.force)
        self.store: RoundStore = RoundStore(runner.settings.output, number)
        self.runner, self.round = runner, number

    @cached_property
    def place(self) -> EncoderFolder:
        """The base encoder, looked for once."""
        return self.runner.place

    def _mines(self, stage: Stage) -> bool:
        """Whether the stage is for the last round's encoder, not the base."""
        return stage.name == "mine" and self.round > 1

    def locate(self, stage: Stage) -> EncoderFolder:
        """The last round's encoder mines: it is the best so far, so it lies in the output folder."""
        return resolve_encoder(str(self.settings.output / ENCODER)) if self._mines(stage) else self.place

    def fingerprint(self, stage: Stage) -> str:
        """As recorded when it was trained."""
        if not self._mines(stage):
            return super().fingerprint(stage)
        return fingerprint_of(RoundStore(self.settings.output, self.round - 1).sha(ENCODER))


def run_rounds(runner: Runner) -> Iterator[Report]:
    """Every stage in order, mining and training up to ``settings.rounds`` times. Raises ConfigError for random negatives."""
    settings = runner.settings
    if not settings.mine.hard_negatives:
        raise ConfigError(
            f"rounds = {settings.rounds} with random negatives: no encoder chooses them, so a round would change nothing",
            "Set mine.hard_negatives = true, or leave rounds at 1.",
        )
    yield from runner.run(STAGES[: STAGES.index("mine")])
    started, number, done = time.monotonic(), 0, list[Report]()
    while number < settings.rounds and (number == 0 or RoundStore(settings.output, number).rose()):
        number += 1
        for report in _run_round(runner, number):
            done.append(report)
            yield report
    kept = number if number == 1 or RoundStore(settings.output, number).rose() else number - 1
    fresh = not _put_in_place(runner, kept) and all(report.fresh for report in done)
    # What is left is the encoder of a round that is not kept.
    for each in range(1, number + 1):
        shutil.rmtree(RoundStore(settings.output, each).place(ENCODER), ignore_errors=True)
    yield _report(settings, number, kept, fresh=fresh, seconds=time.monotonic() - started)
    yield from runner.run(("publish", "evaluate"), lenient=True)


def _run_round(runner: Runner, number: int) -> Iterator[Report]:
    """Mine and train, unless that is done. Whether the encoder is good enough is asked of the round that is kept."""
    current = Round(runner, number)
    for name in REPEATED:
        stage = find_stage(name)
        if number == 1 and not current.fresh(stage) and runner.fresh(stage):
            _hand_over(name, runner.store, current.store)  # a run of one round has done it
        if not current.fresh(stage):
            _remove_rounds_after(runner.settings.output, number)
            if name == "mine" and number > 1:
                _put_in_place(runner, number - 1)
        report = current.run_stage(stage)
        made = tuple(path for path in report.made if path.name != ENCODER)  # it does not stay there
        yield replace(report, round=number, failed=None, made=made)


def _remove_rounds_after(output: Path, number: int) -> None:
    """Their encoders followed from what is made anew now."""
    for folder in (output / "rounds").glob("*"):
        if folder.name.isdecimal() and int(folder.name) > number:
            shutil.rmtree(folder)


def _put_in_place(runner: Runner, number: int) -> bool:
    """Make the triplets, encoder and validation scores in the output folder those of a round. False if they are already."""
    output, source = runner.store, RoundStore(runner.settings.output, number)
    made = {name: source.manifest(name) for name in REPEATED}
    if all(of and _same(output.manifest(name), of) and runner.still_there(name, of) for name, of in made.items()):
        return False
    encoder = source.place(ENCODER)
    if not encoder.exists() and output.sha(ENCODER) != source.sha(ENCODER):
        log.warning("the encoder of round %d is gone; it is trained again from the round's triplets", number)
        source.forget("train")
        Round(runner, number).run_stage(find_stage("train"))
    for name in REPEATED:
        output.forget(name)
    if encoder.exists():
        replace_folder(encoder, output.place(ENCODER))
    for name in REPEATED:
        _hand_over(name, source, output)
    return True


def _same(one: Manifest | None, other: Manifest) -> bool:
    """Whether both tell of one result, whenever it was made."""
    return one is not None and (one.key, one.outputs) == (other.key, other.outputs)


def _hand_over(stage: str, source: Store, target: Store) -> None:
    """Copy what a stage made, all but the encoder, and last the manifest by which it counts."""
    made = source.manifest(stage)
    if made is None:
        raise TableError(
            f"{source.folder}: {stage} was not finished", "This is a fault in tripletkit; please report it."
        )
    target.forget(stage)
    for file in made.outputs:
        if file != ENCODER:
            write_atomically(target.place(file), source.place(file).read_bytes())
    target.write_dropped(stage, source.read("dropped").filter(stage=stage).to_dicts())
    target.write_manifest(made)


def _report(settings: Settings, number: int, kept: int, *, fresh: bool, seconds: float) -> Report:
    output = settings.output
    last, best = RoundStore(output, number), RoundStore(output, kept)
    made = best.manifest("train")
    summary = f"{number} of {settings.rounds} rounds, round {kept} is kept"
    if not last.scores():
        summary += ": no validation passage has an answer, so no round can be told from another"
    elif not last.rose():
        before = "the untouched encoder" if number == 1 else f"round {number - 1}"
        summary += f"; stopped, as round {number} scored no higher on validation than {before}"
    return Report(
        "rounds",
        fresh,
        summary,
        {"rounds": number, "kept": kept},
        {},
        seconds,
        tuple(output / file for file in ("triplets.parquet", ENCODER, VALIDATION)),
        tuple(rounds_lines(output)),
        EncoderError(made.failed) if made and made.failed else None,
        forgivable=True,
    )


def rounds_lines(output: Path) -> Iterator[str]:
    """A table of the rounds in an output folder, for a person; nothing where there was but one run of one round."""
    stores = [RoundStore(output, number) for number in range(1, len(list((output / "rounds").glob("*"))) + 1)]
    rounds = [
        (store, mined, trained)
        for store in stores
        if (mined := store.manifest("mine")) and (trained := store.manifest("train"))
    ]
    if not rounds:
        return
    yield f"{'':10}{'round':>9}{'triplets':>10}{'nDCG@10':>9}{'MAP':>7}   on validation, term→passage and passage→term"
    yield _line("untouched", "", rounds[0][0].scores().get("base"))
    in_place = Store(output).manifest("train")
    for store, mined, trained in rounds:
        kept = "   kept" if _same(in_place, trained) else ""
        yield _line(f"{store.number}", f"{mined.counts['triplets']:,}", store.scores().get("fine-tuned")) + kept


def _line(name: str, triplets: str, scores: tuple[float, float] | None) -> str:
    told = f"{scores[0]:>9.3f}{scores[1]:>7.3f}" if scores else f"{'–':>9}{'–':>7}"
    return f"{'':10}{name:>9}{triplets:>10}{told}"
