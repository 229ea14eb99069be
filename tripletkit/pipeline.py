"""The stages in order, which of them are out of date, and running one or all."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import tripletkit
from tripletkit.addresses import Place, as_place, remove_folder
from tripletkit.books import REFUSED, find_books
from tripletkit.cluster.mapper import InProcess, Mapper
from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.errors import EncoderError, RightsError, SourceError, TableError
from tripletkit.ids import stable_id
from tripletkit.language.normalise import normalised_by
from tripletkit.memory import PeakMemory
from tripletkit.pdf.workers import UNREAD_PAGE
from tripletkit.progress import Progress, is_first_process
from tripletkit.reviews import REVIEWS, Decisions
from tripletkit.rules import Rules, load_rules
from tripletkit.schemas import DROPPED, TABLES, make_table
from tripletkit.settings import Settings
from tripletkit.stage import Input, Job, Stage, StageReport, StageResult
from tripletkit.store import MULTI_VECTOR, Manifest, Store, known_sha256, sha256_if_there
from tripletkit.tagging.part_of_speech import NONE, find_pipeline
from tripletkit.teaching.place import resolve_teacher
from tripletkit.user_rows import BAD_ROW, counted

if TYPE_CHECKING:
    import polars as pl

    from tripletkit.encoding.encoder import Encoder

#: In order.
STAGES = ("extract", "glossary", "tag", "split", "mine", "teach", "publish", "train", "evaluate")


def find_stage(name: str) -> Stage:
    """The stage called ``name``. Its module is imported lazily so that each stage loads only its own dependencies."""
    stage: Stage = importlib.import_module(f"tripletkit.stages.{name}").STAGE
    return stage


class Tools:
    """Rules, books and encoders: each is loaded when first used, then shared by all stages and rounds."""

    def __init__(self, settings: Settings, *, progress: Progress, force: bool = False) -> None:
        self.settings, self.progress, self.force = settings, progress, force
        self._encoders: dict[str, Encoder] = {}

    @cached_property
    def rules(self) -> Rules:
        """The packaged rules merged with the user's."""
        return load_rules(self.settings.rules)

    @cached_property
    def books(self) -> tuple[Place, ...]:
        """The books to read: those in the settings, else those that this output folder was made from."""
        made = None if self.settings.books else Store(self.settings.output).manifest("extract")
        return find_books(self.settings.books) if made is None else tuple(map(as_place, made.key["books"]))

    @property
    def cache(self) -> Place:
        """Where work is kept that need not be done again."""
        return self.settings.output / "cache"

    @cached_property
    def mapper(self) -> Mapper:
        """Where work is done: in this process, or on the cluster of the settings."""
        if self.settings.cluster is None:
            return InProcess()
        from tripletkit.cluster.ray_mapper import RayMapper  # Ray is for clusters only

        return RayMapper(self.settings.cluster, workers=self.settings.workers, progress=self.progress)

    @cached_property
    def base_encoder(self) -> EncoderFolder:
        """The encoder of the settings. For "auto", the encoder that the output folder was first created with."""
        name = self.settings.encoder
        made = Store(self.settings.output).manifest("extract")
        if name == "auto" and made is not None and not self.force:
            name = str(made.key.get("encoder_name", name))
        return resolve_encoder(name, self.settings.prompts)

    @cached_property
    def reviews(self) -> Decisions:
        """What people decided about triplets, terms and passages of this output folder."""
        return Decisions.read(Store(self.settings.output).local(REVIEWS).parent)

    @cached_property
    def teacher(self) -> EncoderFolder | None:
        """The model that `train.teacher` names, if any."""
        return resolve_teacher(self.settings.train.teacher)

    def encoder(self, place: EncoderFolder) -> Encoder:
        """Vectors by the encoder in ``place``, cached in the output folder."""
        from tripletkit.encoding.encoder import SentenceEncoder

        if place.fingerprint not in self._encoders:
            self._encoders[place.fingerprint] = SentenceEncoder(
                place,
                cache=self.cache / "embeddings",
                progress=self.progress,
                precision=self.settings.precision,
                mapper=self.mapper if self.settings.cluster else None,
            )
        return self._encoders[place.fingerprint]


class Tables(Mapping[str, "pl.DataFrame"]):
    """Tables of a store by name, each read and checked when it is first used."""

    def __init__(self, store: Store, names: Iterable[str]) -> None:
        self._store, self._names, self._read = store, tuple(names), dict[str, "pl.DataFrame"]()

    def __getitem__(self, name: str) -> pl.DataFrame:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = self._store.read(name)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class MiningEncoder(NamedTuple):
    """The encoder that mines a later round: lazily located; its fingerprint is known even if the files are gone."""

    locate: Callable[[], EncoderFolder]
    fingerprint: Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs stages with one set of tools, keeping what they make in one store."""

    tools: Tools
    store: Store
    round: int = 1
    miner: MiningEncoder | None = None  # None: the base encoder mines

    def run(self, stages: Iterable[str], *, lenient: bool = False) -> Iterator[StageReport]:
        """Run stages that are out of date; yield each report. ``lenient``: go on if no licence allows the dataset."""
        refused = False
        names = list(stages)
        for name in names:
            try:
                yield self.run_stage(find_stage(name))
            except RightsError as error:
                if not lenient:  # training needs no licence
                    raise
                refused = True
                yield StageReport(stage=name, summary="not written: no licence allows it", notes=(f"{error}",))
        # The dataset is written before the long training, and its card again once there are scores.
        if {"publish", "evaluate"} <= set(names) and not refused and not self.fresh(publish := find_stage("publish")):
            yield self.run_stage(publish)

    def run_stage(self, stage: Stage) -> StageReport:
        """Run one stage unless it is up to date. Its manifest is removed first and written last: a killed stage runs again."""
        started, memory = time.monotonic(), PeakMemory()
        # Before any hashing or encoding, so that a missing or stale table is reported at once.
        self.store.check_current(stage.reads)
        for name in stage.reads:
            if not self.store.has(name):
                self.store.read(name)
        key = self._key(stage)
        for name in stage.reads:
            if not key["inputs"][f"{name}.parquet"]:  # one of its parts is gone
                self.store.read(name)
        made = self._fresh(stage, key)
        if made is not None:
            failed = EncoderError(made.failed) if made.failed else None
            notes = (f"{stage.name}: its tables keep their form until they are made again: --force",)
            kept = StageResult(
                counts=made.counts,
                summary=made.summary,
                failed=failed,
                notes=notes if self.store.keeps_other_form(stage.name) else (),
            )
            return self._report(stage, kept, fresh=True)
        tables = Tables(self.store, stage.reads + stage.also_reads)
        for file in (*stage.files_in, *stage.files_out):
            self.store.local(file)
        if is_first_process():
            self.store.forget(stage.name)
        if self.tools.force:
            self._remove_results(stage)
        try:
            with normalised_by(self.tools.rules):
                result = stage.run(self._job(stage, tables, key))
        finally:
            self.tools.mapper.release()
        seconds = time.monotonic() - started
        if is_first_process():  # non-zero ranks do not write
            self._keep(stage, result, key, (seconds, memory.megabytes()))
            self._remove_results(stage)
        return self._report(stage, result, seconds)

    def fresh(self, stage: Stage) -> bool:
        """Whether nothing that the stage depends on has changed since it ran, and all that it made is there."""
        return self._fresh(stage, self._key(stage)) is not None

    def touched_by_reviews(self, before: str) -> list[str]:
        """The stages before ``before`` that verdicts, directly or through other tables, put out of date, and nothing else did.

        Raises TableError where verdicts concern a stage that other settings or another version put out of date as well.
        """
        touched, changed = list[str](), set[str]()
        for stage in map(find_stage, (name for name in STAGES[: STAGES.index(before)] if name in _BY_REVIEW)):
            made, key = self.store.manifest(stage.name), self._key(stage)
            if made is None or (made.key == key and not changed & key["inputs"].keys()):
                continue
            if _without_reviews(made.key, changed) == _without_reviews(key, changed):
                touched.append(stage.name)
                changed |= {f"{name}.parquet" for name in stage.writes}
            elif any(made.key.get(name) != key.get(name) for name in _REVIEW_KEYS):
                problem = f"verdicts of `tripletkit review` concern {stage.name}, which other settings or another version made"
                raise TableError(
                    problem, f"Run `tripletkit {stage.name}` with the options that you want, then try again."
                )
        return touched

    def still_there(self, stage: str, made: Manifest) -> bool:
        """Whether all that the stage made is there. Raises TableError for a file that was changed since."""
        for file, sha in made.outputs.items():
            now = self.store.sha(file)
            if now and now != sha:
                problem = f"{self.store.folder / file} is not what `tripletkit {stage}` made: it was changed since"
                hint = "Keep a copy if you need it, then remove it, or add --force to make everything again."
                raise TableError(problem, hint)
            if not now:
                return False
        return True

    def _encoder(self, stage: Stage) -> MiningEncoder:
        """The encoder that a stage starts from."""
        base = MiningEncoder(lambda: self.tools.base_encoder, lambda: self.tools.base_encoder.fingerprint)
        return self.miner if self.miner and stage.name == "mine" else base

    def _job(self, stage: Stage, tables: Tables, key: dict[str, Any]) -> Job:
        tools = self.tools
        return Job(
            tables=tables,
            settings=tools.settings,
            rules=tools.rules,
            store=self.store,
            progress=tools.progress,
            books=tools.books if Input.BOOKS in stage.inputs else (),
            force=tools.force,
            # What was kept for tables of the other form names parts, or does not.
            results=self._results(stage)
            / stable_id("key", json.dumps([key, self.store.by_book], sort_keys=True, default=str)),
            locate=self._encoder(stage).locate,
            encoder=tools.encoder,
            mapper=tools.mapper,
            round=self.round,
            reviews=tools.reviews,
        )

    def _results(self, stage: Stage) -> Place:
        return self.store.place(f"cache/by_book/{stage.name}")

    def _remove_results(self, stage: Stage) -> None:
        remove_folder(self._results(stage))

    def _fresh(self, stage: Stage, key: dict[str, Any]) -> Manifest | None:
        made = self.store.manifest(stage.name)
        if self.tools.force or made is None or made.key != key or not self.still_there(stage.name, made):
            return None
        return made if all(self.store.has_current_columns(name) for name in stage.writes) else None

    def _keep(self, stage: Stage, result: StageResult, key: dict[str, Any], cost: tuple[float, int]) -> None:
        make_table(DROPPED, list(result.dropped))  # checked before anything is written
        told = {part.table for part in result.parts}
        tables = {name: result.tables[name] for name in stage.writes if name in result.tables or name not in told}
        self.store.write_stage(stage.name, tables, result.dropped, result.parts)
        self.store.push()
        self.store.write_manifest(
            Manifest(
                stage=stage.name,
                key=key,
                outputs={file: self.store.sha(file) for file in self._files(stage)},
                counts=result.counts,
                summary=result.summary,
                seconds=round(cost[0], 2),
                peak_memory_mb=cost[1],
                made=datetime.now(UTC).isoformat(timespec="seconds"),
                failed=str(result.failed) if result.failed else "",
            )
        )

    def _report(self, stage: Stage, result: StageResult, seconds: float = 0.0, *, fresh: bool = False) -> StageReport:
        dropped = dict(self.store.dropped(stage.name))
        return StageReport(
            stage=stage.name,
            fresh=fresh,
            summary=result.summary,
            counts=result.counts,
            dropped=dropped,
            seconds=seconds,
            made=tuple(map(self._shown, self._files(stage))),
            notes=result.notes,
            failed=result.failed or _unread(dropped),
            forgivable=result.failed is not None,
        )

    def _shown(self, file: str) -> Place:
        name = file.removesuffix(".parquet")
        return self.store.path(name) if name in TABLES else self.store.folder / file

    def _key(self, stage: Stage) -> dict[str, Any]:
        """Everything that the stage's result depends on. Equal keys mean equal results."""
        settings, files = self.tools.settings.model_dump(mode="json"), map("{}.parquet".format, stage.reads)
        key: dict[str, Any] = {
            "code": f"{tripletkit.__version__}/{stage.version}",
            "settings": {name: _setting(settings, name) for name in stage.settings},
            "inputs": {file: self.store.sha(file) for file in (*files, *stage.files_in)},
        }
        for one in sorted(stage.inputs):
            key |= _INPUT_KEYS[one](self.tools)
        return key | ({"encoder": self._encoder(stage).fingerprint()} if Input.ENCODER in stage.inputs else {})

    def _files(self, stage: Stage) -> list[str]:
        files, settings = [f"{name}.parquet" for name in stage.writes], self.tools.settings
        if stage.name == "publish" and settings.publish.to is not None:
            return [*files, str(settings.publish.to.absolute())]
        more = [MULTI_VECTOR] if stage.name == "train" and settings.train.multi_vector else []
        return [*files, *stage.files_out, *more]


def _without_reviews(key: dict[str, Any], changed: set[str]) -> dict[str, Any]:
    """A stage's key without what people decided, and without tables that are made again."""
    inputs = {file: sha for file, sha in key.get("inputs", {}).items() if file not in changed}
    return {name: of for name, of in key.items() if name not in _REVIEW_KEYS} | {"inputs": inputs}


#: The stages that are quick to run again where a verdict changed: none of them trains, and vectors are cached.
_BY_REVIEW = frozenset(("glossary", "tag", "split", "mine"))
#: What verdicts add to the key of a stage.
_REVIEW_KEYS = frozenset(
    (
        *("joins", "kept_or_dropped", "splits", "not_meant", "not_prose", "on_triplets"),
        *("known_positives", "bad_positives", "allowed_negatives", "allowed_positives"),
    )
)


def _setting(settings: dict[str, Any], name: str) -> object:
    """The values of a section, or the value of one setting, as in "train.teacher"."""
    section, _, one = name.partition(".")
    return settings[section][one] if one else settings[section]


def _unread(dropped: dict[str, int]) -> SourceError | None:
    """The error of a stage that could not read a book, a page or a row."""
    books, pages = dropped.get(REFUSED, 0), dropped.get(UNREAD_PAGE, 0)
    rows = sum(count for reason, count in dropped.items() if reason.startswith(BAD_ROW))
    if not (books or pages or rows):
        return None
    what = [f"{books} of the books"] * bool(books) + [counted(pages, "page")] * bool(pages)
    what += [f"{counted(rows, 'row')} of your passages"] * bool(rows)
    cure = "The table `dropped` has file, line and reason of each; mend or remove them and run again."
    cure = cure if rows else "See `tripletkit report`, or the table `dropped`."
    return SourceError(f"{' and '.join(what)} could not be read; the others are done", cure)


#: What each input adds to a stage's key. The encoder depends on the round too, so the runner adds it.
_INPUT_KEYS: dict[Input, Callable[[Tools], dict[str, Any]]] = {
    Input.BOOKS: lambda of: {"books": {str(path): known_sha256(path, of.cache) for path in of.books}},
    Input.RULES: lambda of: {"rules": of.rules.fingerprint},
    Input.WORD_RULES: lambda of: {"word_rules": of.rules.word_fingerprint},
    Input.PIPELINE: lambda of: {"pipeline": str(find_pipeline(of.settings.tag.nlp) or NONE)},
    Input.TOKENIZER: lambda of: {"tokenizer": (at := of.base_encoder).tokenizer_fingerprint, "encoder_name": at.name},
    Input.ENCODER: lambda _: {},
    Input.COMPARED_ENCODERS: lambda of: {
        "compared_encoders": [resolve_encoder(name).fingerprint for name in of.settings.evaluate.compare]
    },
    Input.TEACHER: lambda of: {"teacher": of.teacher.fingerprint} if of.teacher else {},
    Input.USER_TERMS: lambda of: {"user_terms": sha256_if_there(at)} if (at := of.settings.glossary.terms) else {},
    Input.USER_PAIRS: lambda of: _user_pairs(of.settings),
    Input.REVIEWED_TERMS: lambda of: of.reviews.key("joins", "kept_or_dropped", "splits"),
    Input.REVIEWED_MENTIONS: lambda of: of.reviews.key("not_meant"),
    Input.REVIEWED_PASSAGES: lambda of: of.reviews.key("not_prose"),
    Input.REVIEWED_PAIRS: lambda of: of.reviews.key(
        "known_positives", "bad_positives", "allowed_negatives", "allowed_positives"
    ),
    Input.KNOWN_POSITIVES: lambda of: of.reviews.key("known_positives"),
    Input.REVIEW_RATES: lambda of: of.reviews.key("on_triplets"),
    Input.BLEND_CHECK: lambda of: (
        {"max_general_drop": of.settings.evaluate.max_general_drop, **_user_pairs(of.settings)}
        if of.settings.train.blend == "auto"
        else {}
    ),
}


def _user_pairs(settings: Settings) -> dict[str, Any]:
    at = settings.evaluate.pairs
    return {"user_pairs": sha256_if_there(at)} if at else {}
