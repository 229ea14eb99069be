"""The stages in order; which are stale; running one, or all."""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tripletkit
from tripletkit.books import REFUSED, find_books
from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.errors import EncoderError, SourceError, TableError, TripletkitError
from tripletkit.ids import file_sha256
from tripletkit.language.normalise import normalised_by
from tripletkit.launch import is_first_process
from tripletkit.progress import Progress
from tripletkit.publishing.rights import RightsError
from tripletkit.rules import Rules, load_rules
from tripletkit.schemas import DROPPED, make_table
from tripletkit.settings import Settings
from tripletkit.stage import Job, Stage, StageResult
from tripletkit.store import Manifest, Store

if TYPE_CHECKING:
    from tripletkit.encoding.encoder import Encoder

#: In order.
STAGES = ("extract", "glossary", "tag", "split", "mine", "publish", "train", "evaluate")


def find_stage(name: str) -> Stage:
    """The stage called ``name``. Its module is loaded here: reading a book needs no numpy, tagging no PDFium."""
    stage: Stage = importlib.import_module(f"tripletkit.stages.{name}").STAGE
    return stage


@dataclass(frozen=True)
class Report:
    """How one stage went."""

    stage: str
    fresh: bool  # nothing had changed, nothing was done
    summary: str
    counts: dict[str, int]
    dropped: dict[str, int]
    seconds: float
    made: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    failed: TripletkitError | None = None
    forgivable: bool = False  # --allow-worse accepts it
    round: int | None = None  # of several

    def lines(self) -> list[str]:
        """For a person: the summary, what was dropped, where it lies."""
        name = self.stage if self.round is None else f"{self.stage} {self.round}"
        time = "fresh, skipped" if self.fresh else f"{self.seconds:.1f} s"
        told = ", ".join(f"{reason} {count:,}" for reason, count in self.dropped.items())
        # One folder, then the names in it.
        folder = self.made[0].parent if self.made else Path()
        made = f"{folder}/ " + " ".join(path.name if path.parent == folder else str(path) for path in self.made)
        return (
            [f"{name:9} {self.summary}  [{time}]"]
            + ([f"          dropped: {told}"] if told else [])
            + ([f"          → {made}"] if self.made else [])
        )

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "stage": self.stage,
            "fresh": self.fresh,
            "summary": self.summary,
            "counts": self.counts,
            "dropped": self.dropped,
            "seconds": round(self.seconds, 2),
            "made": [str(path) for path in self.made],
            "notes": list(self.notes),
            "failed": str(self.failed) if self.failed else None,
        } | ({} if self.round is None else {"round": self.round})


class Runner:
    """Runs stages on one output folder with one set of settings. Tools are made once, when first used."""

    round = 1

    def __init__(self, settings: Settings, *, progress: Progress, force: bool = False) -> None:
        self.settings, self.progress, self.force = settings, progress, force
        self.store = Store(settings.output)
        self._encoders: dict[str, Encoder] = {}

    @cached_property
    def rules(self) -> Rules:
        """The rules in force."""
        return load_rules(self.settings.rules)

    @cached_property
    def books(self) -> tuple[Path, ...]:
        """The books to read: those named now, else those that this output folder was made from."""
        if self.settings.books:
            return find_books(self.settings.books)
        made = self.store.manifest("extract")
        if made is None:
            return find_books(())
        return tuple(Path(path) for path in made.key["books"])

    @cached_property
    def place(self) -> EncoderFolder:
        """The base encoder. "auto" stays with the encoder that this output folder was begun with."""
        name = self.settings.encoder
        made = self.store.manifest("extract")
        if name == "auto" and made is not None and not self.force:
            name = str(made.key.get("encoder_name", name))
        return resolve_encoder(name)

    def locate(self, stage: Stage) -> EncoderFolder:
        """The encoder that a stage begins with."""
        return self.place

    def fingerprint(self, stage: Stage) -> str:
        """That encoder's, whether or not it lies there now."""
        return self.place.fingerprint

    def encoder(self, place: EncoderFolder) -> Encoder:
        """Vectors by the encoder in ``place``, cached in the output folder."""
        from tripletkit.encoding.encoder import SentenceEncoder

        if place.fingerprint not in self._encoders:
            cache = self.settings.output / "cache" / "embeddings"
            self._encoders[place.fingerprint] = SentenceEncoder(
                place, cache=cache, progress=self.progress, precision=self.settings.precision
            )
        return self._encoders[place.fingerprint]

    def run(self, stages: Iterable[str], *, lenient: bool = False) -> Iterator[Report]:
        """Run each stage that is not fresh, and report it when it is done.

        ``lenient``: a dataset that may not be published is said, and the stages after it go on: training needs no licence.
        """
        refused = False
        names = list(stages)
        for name in names:
            try:
                yield self.run_stage(find_stage(name))
            except RightsError as error:
                if not lenient:
                    raise
                refused = True
                yield Report(name, False, "not written: no licence allows it", {}, {}, 0.0, (), (f"{error}",))
        # The dataset is there before the long training; its card tells the scores when there are any.
        if {"publish", "evaluate"} <= set(names) and not refused and not self.fresh(publish := find_stage("publish")):
            yield self.run_stage(publish)

    def run_stage(self, stage: Stage) -> Report:
        """Run one stage unless it is fresh. Its manifest goes first and comes last, so that a killed stage runs again."""
        started = time.monotonic()
        # Read first: a missing or stale input is the user's first question, before any hash or encoder.
        self.store.check_current(stage.reads)
        for name in stage.reads:
            if not self.store.has(name):
                self.store.read(name)
        key = self._key(stage)
        made = self._fresh(stage, key)
        if made is not None:
            failed = EncoderError(made.failed) if made.failed else None
            return self._report(
                stage, StageResult(counts=made.counts, summary=made.summary, failed=failed), 0.0, fresh=True
            )
        tables = {
            name: self.store.read(name) for name in stage.reads + (("dropped",) if "dropped" in stage.uses else ())
        }
        if is_first_process():
            self.store.forget(stage.name)
        with normalised_by(self.rules):
            result = stage.run(
                Job(
                    tables,
                    self.settings,
                    self.rules,
                    self.store.folder,
                    self.progress,
                    self.books if "books" in stage.uses else (),
                    self.force,
                    lambda: self.locate(stage),
                    self.encoder,
                    self.round,
                )
            )
        seconds = time.monotonic() - started
        if not is_first_process():  # the first writes
            return self._report(stage, result, seconds, fresh=False)
        return self._keep(stage, result, key, seconds)

    def fresh(self, stage: Stage) -> bool:
        """Whether nothing that the stage depends on has changed since it ran, and all that it made is there."""
        return self._fresh(stage, self._key(stage)) is not None

    def _fresh(self, stage: Stage, key: dict[str, Any]) -> Manifest | None:
        made = self.store.manifest(stage.name)
        return made if made and made.key == key and not self.force and self.still_there(stage.name, made) else None

    def _keep(self, stage: Stage, result: StageResult, key: dict[str, Any], seconds: float) -> Report:
        make_table(DROPPED, list(result.dropped))
        for name in stage.writes:
            self.store.write(name, result.tables[name])
        self.store.write_dropped(stage.name, list(result.dropped))
        outputs = {file: self.store.sha(file) for file in self._files(stage)}
        failed = str(result.failed) if result.failed else ""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.store.write_manifest(
            Manifest(stage.name, key, outputs, result.counts, result.summary, round(seconds, 2), now, failed)
        )
        return self._report(stage, result, seconds, fresh=False)

    def _report(self, stage: Stage, result: StageResult, seconds: float, *, fresh: bool) -> Report:
        dropped = self._dropped(stage.name)
        failed = result.failed
        if failed is None and REFUSED in dropped:
            failed = SourceError(
                f"{dropped[REFUSED]} of the books could not be read; the others are done",
                "See `tripletkit report`, or the table `dropped`.",
            )
        return Report(
            stage.name,
            fresh,
            result.summary,
            result.counts,
            dropped,
            seconds,
            self._made(stage),
            result.notes,
            failed,
            forgivable=result.failed is not None,
        )

    def _key(self, stage: Stage) -> dict[str, Any]:
        """Everything that the stage's result depends on."""
        settings = self.settings.model_dump(mode="json")
        key: dict[str, Any] = {
            "code": f"{tripletkit.__version__}/{stage.version}",
            "settings": {name: settings[name] for name in stage.settings},
            "inputs": {f"{name}.parquet": self.store.sha(f"{name}.parquet") for name in stage.reads}
            | {f: self.store.sha(f) for f in stage.files_in},
        }
        if "rules" in stage.uses:
            key["rules"] = self.rules.fingerprint
        if "word_rules" in stage.uses:
            key["word_rules"] = self.rules.word_fingerprint
        if "books" in stage.uses:
            key["books"] = {str(path): file_sha256(path) if path.is_file() else "" for path in self.books}
        if "tokenizer" in stage.uses:
            key["tokenizer"], key["encoder_name"] = self.place.tokenizer_fingerprint, self.place.name
        if "encoder" in stage.uses:
            key["encoder"] = self.fingerprint(stage)
        if "round" in stage.uses:
            key["round"] = self.round
        if "against" in stage.uses:
            key["against"] = [resolve_encoder(name).fingerprint for name in self.settings.evaluate.against]
        terms = self.settings.glossary.terms
        if "user_terms" in stage.uses and terms is not None:
            key["user_terms"] = file_sha256(terms) if terms.is_file() else ""
        return key

    def still_there(self, stage: str, made: Manifest) -> bool:
        """Whether all that the stage made lies as it left it. What somebody changed is not overwritten without being told."""
        for file, sha in made.outputs.items():
            now = self.store.sha(file)
            if now and now != sha:
                raise TableError(
                    f"{self.store.folder / file} is not what `tripletkit {stage}` made: it was changed since",
                    "Keep a copy if you need it, then remove it, or add --force to make everything again.",
                )
            if not now:
                return False
        return True

    def _files(self, stage: Stage) -> list[str]:
        files = [f"{name}.parquet" for name in stage.writes]
        to = self.settings.publish.to
        return files + ([str(to.absolute())] if stage.name == "publish" and to is not None else list(stage.files_out))

    def _dropped(self, stage: str) -> dict[str, int]:
        if not self.store.has("dropped"):
            return {}
        rows = self.store.read("dropped").filter(stage=stage)
        return dict(sorted(Counter(rows["reason"].to_list()).items()))

    def _made(self, stage: Stage) -> tuple[Path, ...]:
        return tuple(self.store.folder / file for file in self._files(stage))
