"""Settings: one TOML file, checked by pydantic, overridden by options. An error names the file, the setting and its value."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from tripletkit.errors import ConfigError

#: The base encoder where the Hub or its cache can be reached.
DEFAULT_ENCODER = "sentence-transformers/all-mpnet-base-v2"

#: Kinds of passage in which terms are tagged by default, and all kinds (column `kind` of the table `passages`).
TaggedKind = Literal["prose", "list", "exercise", "summary", "box", "footnote", "caption"]
PassageKind = Literal[TaggedKind, "code", "table", "equation", "figure", "heading", "glossary"]


class Section(BaseModel):
    """A group of settings. It cannot be changed once made, and refuses names that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PromptSettings(Section):
    """What is put before a text that is encoded: a text, or the name of one of the encoder's own prompts."""

    query: str | None = Field(None, description="before a term; by default, the encoder's own prompt for queries")
    document: str | None = Field(
        None, description="before a passage; by default, the encoder's own prompt for documents"
    )


#: The encoder's own prompts.
OWN_PROMPTS = PromptSettings()


class ExtractSettings(Section):
    """How books are read and cut into passages."""

    target_tokens: int = Field(160, ge=16, description="length of a passage to aim for, in tokens")
    min_tokens: int = Field(
        24, ge=1, description="passages shorter than this are joined to a neighbour if there is one"
    )
    max_tokens: int | None = Field(None, ge=16, description="longest passage; by default, what the encoder can read")
    backend: Literal["pdfium", "pdfplumber"] = Field("pdfium", description="library that reads the PDF")
    book_seconds: float = Field(600, gt=0, description="time limit for reading one book")
    book_memory_mb: int = Field(4096, ge=256, description="memory limit for reading one book (not on Windows)")


class GlossarySettings(Section):
    """Where terms come from, beside the books' own indexes and glossaries."""

    terms: Path | None = Field(None, description="your own terms: CSV with a column 'term', JSONL or TXT")
    bold: bool = Field(False, description="also take terms in bold or italics where the text defines them")
    headings: bool = Field(False, description="also take terms from section headings if the text uses them too")
    automatic: int = Field(
        0, ge=0, description="extract this many terms by C-value when the book has no index or glossary"
    )


class TagSettings(Section):
    """Which passages are searched for terms."""

    kinds: tuple[PassageKind, ...] = Field(
        get_args(TaggedKind), min_length=1, description="kinds of passage in which terms are tagged"
    )
    nlp: str | None = Field(
        None, description="spaCy pipeline, such as en_core_web_sm, to leave out words used as verbs"
    )


class SplitSettings(Section):
    """Train / validation / test split of passages."""

    by: Literal["auto", "book", "chapter", "pages"] = Field(
        "auto",
        description="unit of the split; auto: chapters of one book, whole books of several; "
        "pages: the first pages of each book train, the last ones test",
    )
    validation: float = Field(0.15, ge=0, lt=1, description="fraction of passages in the validation split")
    test: float = Field(0.25, ge=0, lt=1, description="fraction of passages in the test split")

    @model_validator(mode="after")
    def _leaves_training_passages(self) -> SplitSettings:
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation = {self.validation:g} and test = {self.test:g} leave no passages to train on: "
                "their sum must be below 1"
            )
        return self


class MineSettings(Section):
    """How triplets are chosen."""

    hard_negatives: bool = Field(
        True, description="negatives near the passage by the encoder, as the strategy says; false: random allowed terms"
    )
    strategy: Literal["mix", "top", "weighted"] = Field(
        "mix",
        description="mix: nearest, sibling (same head word, parent or chapter) and rank window in turn; top: the nearest; "
        "weighted: drawn at random, nearer terms more often",
    )
    kinds: tuple[PassageKind, ...] = Field(
        ("prose", "box"), min_length=1, description="kinds of passage that become anchors"
    )
    positives: int = Field(3, ge=1, description="positives per passage, the most salient first")
    negatives: int = Field(6, ge=1, description="negatives per positive")
    weak_positives: bool = Field(
        True,
        description="false: reject positives that are far from their passage and single words that it mentions once, "
        "unless the index cites them or the passage defines them",
    )
    mask: float = Field(0.0, ge=0, le=1, description="fraction of anchors in which the positive is masked")
    passages_per_term: int = Field(
        12,
        ge=1,
        description="anchors per positive term, so that none dominates; more only where a passage has no other positive",
    )
    max_negative_share: float = Field(
        0.01,
        gt=0,
        le=1,
        description="largest fraction of triplets that one negative may take; its even share if that is more",
    )
    window: tuple[NonNegativeInt, PositiveInt] = Field(
        (5, 50), description="ranks among the allowed terms that the window rule draws from: first (from 0), last"
    )
    other_books: float = Field(0.2, ge=0, le=1, description="fraction of negatives from other books of the split")
    relative_margin: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="a negative's cosine with the passage is below its positive's by at least this fraction of it",
    )
    synonym_threshold: float = Field(
        0.85, gt=0, le=1, description="terms with this cosine with the positive, or more, count as its synonyms"
    )
    page_margin: int = Field(1, ge=0, description="a term that the index cites within so many pages is no negative")
    cross_encoder: str | None = Field(
        None,
        description="folder or hub id of a CrossEncoder that reads passage and negative together and may reject it",
    )
    cross_encoder_margin: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="its score of a negative is below its positive's by at least this fraction of it",
    )
    memory_mb: int = Field(256, ge=1, description="memory for cosines of passages and terms; vectors come on top")

    @field_validator("window")
    @classmethod
    def _first_below_last(cls, window: tuple[int, int]) -> tuple[int, int]:
        if window[0] >= window[1]:
            raise ValueError(f"the first rank, {window[0]}, must be below the last, {window[1]}")
        return window


class TrainSettings(Section):
    """How the encoder is trained."""

    recipe: Literal["default", "model-card"] = Field(
        "default",
        description="model-card: the settings of the original model card (Euclidean distance, margin 5, learning rate 5e-5, 3 epochs)",
    )
    loss: Literal["triplet", "mnrl"] = Field(
        "triplet", description="triplet: TripletLoss; mnrl: MultipleNegativesRankingLoss with known positives masked"
    )
    in_batch_negatives: bool = Field(
        True,
        description="triplet: use all in-batch terms and anchors as negatives, hardest weighted most, known positives masked; "
        "false: TripletLoss as it is, one triplet per row",
    )
    distance: Literal["cosine", "euclidean"] = Field("cosine", description="triplet: the distance in TripletLoss")
    margin: float = Field(
        0.15,
        gt=0,
        description="triplet: the margin of TripletLoss, in that distance; a soft one with in_batch_negatives",
    )
    scale: float = Field(
        20, gt=0, description="mnrl and in_batch_negatives: factor of cosines or distances (1 / temperature)"
    )
    mini_batch_size: int = Field(
        0, ge=0, description="mnrl: rows encoded at a time, so that a large batch fits into memory; 0: the whole batch"
    )
    learning_rate: float = Field(3e-5, gt=0, description="peak learning rate")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="fraction of the steps for warm-up")
    batch_size: int = Field(
        16,
        ge=1,
        description="rows per batch and process; a row is (anchor, positive) with all its negatives, or one triplet "
        "without in_batch_negatives",
    )
    gradient_accumulation_steps: int = Field(1, ge=1, description="batches per optimiser step")
    epochs: float | None = Field(
        None, gt=0, description="passes over the rows; by default one, or up to four where one has under 150 steps"
    )
    positives: Literal["auto", "cited", "all"] = Field(
        "auto",
        description="cited: in books with an index, only positives that the index cites on the pages of the anchor; "
        "auto: cited if that leaves 100 pairs of passage and positive, else all",
    )
    max_steps: int | None = Field(None, ge=1, description="stop after this many steps")
    gradient_checkpointing: bool = Field(
        False, description="recompute activations in the backward pass, which is slower and saves memory"
    )
    lora_rank: int = Field(
        0,
        ge=0,
        description="rank of LoRA adapters, which are merged into the weights when saved (try learning_rate = 1e-4); "
        "0: train all weights",
    )
    eval_steps: int | None = Field(
        None, ge=1, description="steps between validation runs; by default four runs, at least 25 steps apart"
    )
    eval_passages: int = Field(300, ge=0, description="validation passages per run, at most; 0: no validation runs")
    keep_best: bool = Field(
        True, description="keep the checkpoint with the best validation nDCG@10; false: the last one"
    )
    patience: int = Field(3, ge=0, description="stop after this many validation runs without a new best; 0: never")
    report_to: str = Field("none", description="also log to tensorboard, wandb or another integration of transformers")

    @property
    def uses_batch(self) -> bool:
        """Whether the loss takes negatives from the whole batch."""
        return self.in_batch_negatives or self.loss == "mnrl"


class EvaluateSettings(Section):
    """How encoders are evaluated."""

    split: Literal["validation", "test"] = Field("test", description="the split whose passages are used")
    compare: tuple[str, ...] = Field(
        (), description="encoders to compare with the base encoder; by default OUTPUT/encoder, which train made"
    )
    max_general_drop: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="warn if the Spearman correlation on everyday sentences drops by more than this fraction",
    )


class PublishSettings(Section):
    """What is published, and under which licence."""

    to: Path | None = Field(None, description="dataset folder; OUTPUT/dataset by default")
    name: str | None = Field(None, description="the dataset's name on its card")
    license: str | None = Field(None, description="licence of every book that has none of its own")
    authors: dict[str, str] = Field(
        default_factory=dict,
        description="authors of a book by its file name, as the cards name them; without, those in the PDF's metadata",
    )
    redact: bool = Field(False, description="publish ids, pages and offsets, no text")
    i_have_the_right: bool = Field(False, description="publish although a book's licence is missing or forbids it")


class Settings(Section):
    """All settings of a run."""

    books: tuple[Path, ...] = Field((), description="PDF files, folders or patterns; or files of your own passages")
    licenses: dict[str, str] = Field(default_factory=dict, description="licence of a book, by its file name")
    output: Path = Field(Path("output"), description="folder for everything that is made")
    encoder: str = Field(
        "auto",
        description="base encoder: a SentenceTransformer folder, a Hub id or 'embedded' (MiniLM as a package); "
        "auto: all-mpnet-base-v2, or embedded without a network",
    )
    rules: Path | None = Field(None, description="folder of rules that replace or extend the packaged ones")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="number format; auto: bfloat16 where the hardware is faster with it, float16 on older GPUs"
    )
    seed: int = Field(0, ge=0, description="seed of all random draws")
    workers: int = Field(0, ge=0, description="processes that read books; 0: one per core")
    rounds: int = Field(
        1,
        ge=1,
        description="maximum rounds of mining and training in `run`; stops when validation nDCG@10 no longer improves",
    )
    allow_worse: bool = Field(False, description="succeed even if the fine-tuned encoder is not better")
    prompts: PromptSettings = OWN_PROMPTS
    extract: ExtractSettings = ExtractSettings()
    glossary: GlossarySettings = GlossarySettings()
    tag: TagSettings = TagSettings()
    split: SplitSettings = SplitSettings()
    mine: MineSettings = MineSettings()
    publish: PublishSettings = PublishSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


#: What `--recipe model-card` means: the settings of the original model card, kept so that their effect can be measured.
MODEL_CARD_RECIPE: dict[str, Any] = {
    "loss": "triplet",
    "in_batch_negatives": False,
    "distance": "euclidean",
    "margin": 5.0,
    "learning_rate": 5e-5,
    "warmup_ratio": 0.0,
    "batch_size": 16,
    "epochs": 3,
    "positives": "all",
    "keep_best": False,
    "patience": 0,
}


def describe_loss(recipe: Mapping[str, Any]) -> str:
    """The loss of a training and what defines it, for cards. ``recipe``: the values of TrainSettings by name."""
    scale, margin = (f"{of:g}" if isinstance(of, float) else of for of in map(recipe.get, ("scale", "margin")))
    if recipe.get("loss") == "mnrl":
        return f"MultipleNegativesRankingLoss (scale {scale}, known positives masked)"
    text = f"TripletLoss ({recipe.get('distance')} distance, margin {margin})"
    return f"{text} with in-batch negatives" if recipe.get("in_batch_negatives") else text


#: Settings of earlier versions: old name → new name.
RENAMED = {
    "mine.synonym_bound": "mine.synonym_threshold",
    "mine.negative_cap": "mine.max_negative_share",
    "mine.relative_bound": "mine.relative_margin, which is 1 - relative_bound",
    "mine.cross_encoder_bound": "mine.cross_encoder_margin, which is 1 - cross_encoder_bound",
    "train.accumulate": "train.gradient_accumulation_steps",
    "train.warmup": "train.warmup_ratio",
    "train.cached": "train.mini_batch_size",
    "train.lora": "train.lora_rank",
    "train.in_batch": "train.in_batch_negatives",
    "train.best": "train.keep_best",
    "evaluate.general_loss": "evaluate.max_general_drop",
    "evaluate.against": "evaluate.compare",
}


def load_settings(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from a TOML file (none: the defaults), then ``overrides`` by dotted name, such as "mine.negatives".

    Relative paths in the file start from the file's folder, those in ``overrides`` from the working directory.
    Raises ConfigError for a file that cannot be read, a name that is not known, and a value that cannot be used.
    """
    values = _read(file) if file is not None else {}
    for dotted, value in (overrides or {}).items():
        _set(values, dotted, value)
    train = values.get("train", {})
    if isinstance(train, dict) and train.get("recipe") == "model-card":
        values["train"] = {**MODEL_CARD_RECIPE, **train}
    try:
        # As JSON, because only there pydantic's strict mode still takes a list for a tuple and a string for a path.
        return Settings.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        raise _explain(error, file) from None


def settings_lines(settings: Settings) -> Iterator[str]:
    """A TOML file with exactly these settings and their meanings."""
    flat = [name for name in Settings.model_fields if not isinstance(getattr(settings, name), Section)]
    yield from _toml_lines(settings, flat)
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, Section):
            yield f"\n[{name}]"
            yield from _toml_lines(section, list(type(section).model_fields))


def _toml_lines(section: Section, names: list[str]) -> Iterator[str]:
    values = section.model_dump(mode="json")
    for name in names:
        meaning, value = type(section).model_fields[name].description, values[name]
        # JSON's strings, numbers, lists and booleans are valid TOML; TOML has no null.
        text = f"# {name} =" if value is None else f"{name} = {_toml(value)}"
        yield f"{text}  # {meaning}"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _read(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # some editors put a byte order mark first
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such settings file", "Leave --config out to use the defaults.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{file}: not a readable TOML file ({error})", "See examples/tripletkit.toml for one that works."
        ) from None
    return _paths_from(file.parent, values)


def _paths_from(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Make relative paths start from ``folder``, except the output folder, which starts from the working directory."""
    if isinstance(values.get("books"), list):
        values["books"] = [str(folder / book) if isinstance(book, str) else book for book in values["books"]]
    if isinstance(values.get("rules"), str):
        values["rules"] = str(folder / values["rules"])
    glossary = values.get("glossary")
    if isinstance(glossary, dict) and isinstance(glossary.get("terms"), str):
        glossary["terms"] = str(folder / glossary["terms"])
    return values


def _set(values: dict[str, Any], dotted: str, value: Any) -> None:  # noqa: ANN401 - any TOML value
    *sections, key = dotted.split(".")
    for name in sections:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"setting {dotted!r}: {name!r} is not a section", "Sections: " + ", ".join(section_names())
            )
        values = inner
    values[key] = value


def section_names() -> list[str]:
    """The names of the sections, such as "mine"."""
    return [name for name, info in Settings.model_fields.items() if _is_section(info.annotation)]


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _explain(error: ValidationError, file: Path | None) -> ConfigError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    source = f"{file}: " if file is not None else ""
    if first["type"] == "extra_forbidden":
        return ConfigError(f"{source}no setting is called {place!r}", _suggest(first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = first.get("input")
    shown = repr(given) if isinstance(given, str) else json.dumps(given)
    value = "" if isinstance(given, dict) else f" = {shown}"
    return ConfigError(f"{source}{place}{value}: {message}", _cure(first["loc"], given))


def _suggest(place: tuple[int | str, ...]) -> str:
    if new := RENAMED.get(".".join(map(str, place))):
        return f"It is now called {new}."
    known = sorted(_section_of(place).model_fields)
    close = get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."


def _cure(place: tuple[int | str, ...], given: object) -> str:
    info = _section_of(place).model_fields.get(str(place[-1]))
    if info is not None and get_origin(info.annotation) is tuple and isinstance(given, str):
        return f"It takes a list: {place[-1]} = [{json.dumps(given, ensure_ascii=False)}]"
    return "`tripletkit settings` lists every setting with its meaning and default."


def _section_of(place: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = Settings
    for part in place[:-1]:
        info = model.model_fields.get(str(part))
        if info is not None and isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            model = info.annotation
    return model
