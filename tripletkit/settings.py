"""Settings: one TOML file, checked by pydantic, overridden by options. An error names the file, the setting and its value."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from tripletkit.addresses import Place, as_place
from tripletkit.errors import ConfigError

#: The base encoder where the Hub or its cache can be reached.
DEFAULT_ENCODER = "sentence-transformers/all-mpnet-base-v2"

#: Kinds of passage in which terms are tagged by default, and all kinds (column `kind` of the table `passages`).
TaggedKind = Literal["prose", "list", "exercise", "summary", "box", "footnote", "caption"]
PassageKind = Literal[TaggedKind, "code", "table", "equation", "figure", "heading", "margin", "glossary"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
#: A path, or an address such as s3://bucket/folder.
AnyPlace = Annotated[Place, PlainValidator(as_place), PlainSerializer(str)]
#: Stands for the last page of any book in a range without an end.
LAST_PAGE = 1_000_000
#: What a page can be set to hold.
PageRole = Literal["front", "toc", "body", "glossary", "index", "bibliography"]


def setting(default: Any, meaning: str, **limits: Any) -> Any:  # noqa: ANN401 - the type stands at the setting
    """A setting's default, what it means, and the limits of its values as in pydantic's Field."""
    return Field(default, description=meaning, **limits)


class Section(BaseModel):
    """A group of settings. It cannot be changed once made, and refuses names that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _local(cls, value: object) -> object:
        if isinstance(value, Path) and re.match(r"[a-z][a-z\d+.-]+:/", value.as_posix()):
            raise ValueError("only books and output may be at an address, as text; copy it here and name the copy")
        return value


class PromptSettings(Section):
    """What is put before a text that is encoded: a text, or the name of one of the encoder's own prompts."""

    query: str | None = setting(None, "before a term; by default, the encoder's own prompt for queries")
    document: str | None = setting(None, "before a passage; by default, the encoder's own prompt for documents")


#: The encoder's own prompts.
OWN_PROMPTS = PromptSettings()


class ExtractSettings(Section):
    """How books are read and cut into passages."""

    target_tokens: int = setting(160, "length of a passage to aim for, in tokens", ge=16)
    min_tokens: int = setting(24, "passages shorter than this are joined to a neighbour if there is one", ge=1)
    max_tokens: int | None = setting(None, "longest passage; by default, what the encoder can read", ge=16)
    backend: Literal["pdfium", "pdfplumber"] = setting("pdfium", "library that reads the PDF")
    roles: dict[str, PageRole | dict[str, PageRole]] = setting(
        {}, "page roles that override the detected ones, by physical pages, or by book: see the FAQ"
    )
    raised_signs: Literal["unicode", "caret"] = setting(
        "unicode", "raised and lowered numbers: unicode (10¹², x₁), or caret (10^12, x_1) for tokenizers that fold them"
    )
    book_seconds: float = setting(600, "time limit for reading one book", gt=0)
    page_seconds: float = setting(60, "time limit for reading one page; a page over it is left out", gt=0)
    book_memory_mb: int = setting(4096, "memory limit for reading one book (not on Windows)", ge=256)

    @field_validator("roles")
    @classmethod
    def _ranges_of_pages(cls, roles: dict[str, Any]) -> dict[str, Any]:
        for key, value in roles.items():
            for pages in value if isinstance(value, dict) else (key,):
                if page_range(pages) is None:
                    raise ValueError(f'{pages!r} is no range of pages: write "7", "1-20" or "300-"')
        return roles

    def roles_of(self, book: str) -> tuple[tuple[int, int, str], ...]:
        """(first page, last page, role) set for the book with this file name; what names the book comes last."""
        own = self.roles.get(book, {})
        held = {key: role for key, role in self.roles.items() if isinstance(role, str)}
        ranges = ((page_range(key), role) for of in (held, own) if isinstance(of, dict) for key, role in of.items())
        return tuple((*pages, role) for pages, role in ranges if pages is not None)


def page_range(text: str) -> tuple[int, int] | None:
    """First and last page of "7", "1-20" or "300-" (to the end); None for anything else."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*(?:([-–])\s*(\d{1,6})?\s*)?", text)
    if match is None:
        return None
    first = int(match[1])
    last = int(match[3]) if match[3] else LAST_PAGE if match[2] else first
    return (first, last) if 1 <= first <= last else None


class GlossarySettings(Section):
    """Where terms come from, beside the books' own indexes and glossaries."""

    terms: Path | None = setting(None, "your own terms: CSV with a column 'term', JSONL or TXT")
    bold: bool = setting(False, "also take terms in bold or italics where the text defines them")
    headings: bool = setting(False, "also take terms from section headings if they also occur in the body text")
    automatic: int = setting(0, "extract this many terms by C-value when the book has no index or glossary", ge=0)


class TagSettings(Section):
    """Which passages are searched for terms."""

    kinds: tuple[PassageKind, ...] = setting(get_args(TaggedKind), "kinds of passage that are tagged", min_length=1)
    nlp: str = setting(
        "auto",
        "spaCy pipeline that finds words used as verbs; auto: a small English one if installed; none: rules only",
    )


class SplitSettings(Section):
    """Train / validation / test split of passages."""

    by: Literal["auto", "book", "chapter", "pages"] = setting(
        "auto", "auto: chapters of one book, books of several; pages: a book's first pages train, its last ones test"
    )
    validation: Fraction = setting(0.15, "fraction of passages in the validation split")
    test: Fraction = setting(0.25, "fraction of passages in the test split")

    @model_validator(mode="after")
    def _leaves_training_passages(self) -> SplitSettings:
        if self.validation + self.test >= 1:
            sizes = f"validation = {self.validation:g} and test = {self.test:g}"
            raise ValueError(f"{sizes} leave no passages to train on: their sum must be below 1")
        return self


class MineSettings(Section):
    """How triplets are chosen."""

    hard_negatives: bool = setting(
        True, "mine hard negatives by embedding similarity (mine.strategy), or sample random ones"
    )
    strategy: Literal["mix", "top", "weighted"] = setting(
        "mix",
        "mix: nearest, sibling (head, parent, chapter), window in turn; top: nearest; weighted: sampled by similarity",
    )
    kinds: tuple[PassageKind, ...] = setting(("prose", "box"), "kinds of passage that become anchors", min_length=1)
    positives: int = setting(3, "positives per passage, the most salient first", ge=1)
    negatives: int = setting(6, "negatives per positive", ge=1)
    weak_positives: bool = setting(
        True, "false: reject far positives and single words mentioned once, unless cited by the index or defined there"
    )
    mask: float = setting(0.0, "fraction of anchors in which the positive is masked", ge=0, le=1)
    passages_per_term: int = setting(12, "anchors per positive; more only where a passage has no other positive", ge=1)
    max_negative_share: float = setting(
        0.01, "largest share of triplets per negative (or 1/number of terms, if larger)", gt=0, le=1
    )
    window: tuple[NonNegativeInt, int] = setting((5, 50), "rank range [first, last) of the window rule, 0-based")
    other_books: float = setting(0.2, "fraction of negatives from other books of the split", ge=0, le=1)
    relative_margin: Fraction = setting(0.05, "a negative's cosine is at most (1 − margin) times the positive's")
    synonym_threshold: float = setting(0.85, "terms with at least this cosine to the positive are synonyms", gt=0, le=1)
    page_margin: int = setting(1, "a term cited within this many pages is not used as a negative", ge=0)
    cross_encoder: str | None = setting(None, "folder or Hub id of a CrossEncoder to filter likely false negatives")
    cross_encoder_margin: Fraction = setting(
        0.05, "minimum relative gap between the cross-encoder's scores of positive and negative"
    )
    memory_mb: int = setting(256, "memory for the cosines of passages and terms, without their embeddings", ge=1)

    @field_validator("window")
    @classmethod
    def _first_below_last(cls, window: tuple[int, int]) -> tuple[int, int]:
        if window[0] >= window[1]:
            raise ValueError(f"the first rank, {window[0]}, must be below the last, {window[1]}")
        return window


#: What a teacher's score is made of, and how much each part counts (for how they were chosen, see docs/results.md).
TEACHER_WEIGHTS = {"cosine": 0.0, "maxsim": 1.0, "bm25": 0.0, "structure": 1.0, "label": 3.0}


#: Settings of the losses that need no teacher.
_WITHOUT_TEACHER = ("loss", "in_batch_negatives", "distance", "mini_batch_size")


class TrainSettings(Section):
    """How the encoder is trained."""

    teacher: str = setting(
        "self",
        "whose scores the encoder learns: self (the base encoder's own token vectors and the structure of the book), none "
        "(triplets only), or the folder or Hub id of another encoder, MultiVectorEncoder or CrossEncoder",
    )
    text: Literal["own", "train"] = setting(
        "own",
        "passages that the teacher scores: own (your whole corpus, with the labels of the training split only) or train "
        "(the training split, to measure the encoder on unseen text)",
    )
    teacher_weights: dict[str, float] = setting(
        TEACHER_WEIGHTS, "weights of the parts of the teacher's score: cosine, maxsim, bm25, structure, label"
    )
    list_passages: int = setting(24, "teacher: passages in a list, which is a training step", ge=2)
    list_terms: int = setting(120, "teacher: terms in a list", ge=2)
    triplet_weight: float = setting(0.1, "teacher: weight of the triplet loss beside the teacher's loss", ge=0)
    recipe: Literal["default", "model-card"] = setting(
        "default", "model-card: a widely copied recipe (Euclidean distance, margin 5, lr 5e-5, 3 epochs)"
    )
    loss: Literal["triplet", "mnrl"] = setting(
        "triplet", "no teacher; triplet: TripletLoss; mnrl: MultipleNegativesRankingLoss with known positives masked"
    )
    in_batch_negatives: bool = setting(
        True, "triplet: all in-batch terms and anchors as negatives, hardest weighted most; false: plain TripletLoss"
    )
    distance: Literal["cosine", "euclidean"] = setting("cosine", "no teacher; distance metric of TripletLoss")
    margin: float = setting(
        0.15,
        "triplet: margin in units of train.distance; softened with in_batch_negatives; with a teacher, the largest margin",
        gt=0,
    )
    scale: float = setting(
        20, "teacher, mnrl and in_batch_negatives: factor of cosines or distances (1 / temperature)", gt=0
    )
    mini_batch_size: int = setting(0, "mnrl: rows encoded at a time, to save memory; 0: the whole batch", ge=0)
    learning_rate: float | None = setting(
        None, "peak learning rate; default: 5e-5 with a teacher, 3e-5 for triplets alone", gt=0
    )
    warmup_ratio: Fraction = setting(0.1, "fraction of the steps for warm-up")
    batch_size: int = setting(
        16,
        "no teacher; rows per process: triplets, or pairs with all negatives (see train.in_batch_negatives)",
        ge=1,
    )
    gradient_accumulation_steps: int = setting(1, "batches, or lists of a teacher, per optimiser step", ge=1)
    epochs: float | None = setting(
        None, "passes over the lists or rows; default: 1; for triplets alone up to 4, to reach 150 steps", gt=0
    )
    positives: Literal["auto", "cited", "all"] = setting(
        "auto",
        "no teacher; cited: cited on the anchor's pages; auto: cited if at least 100 (passage, positive) pairs remain, else all",
    )
    max_steps: int | None = setting(None, "stop after this many steps", ge=1)
    gradient_checkpointing: bool = setting(False, "recompute activations in the backward pass: slower, less memory")
    lora_rank: int = setting(
        0, "rank of merged LoRA adapters (try --lr 1e-4; needs the lora extra); 0: train all weights", ge=0
    )
    eval_steps: int | None = setting(
        None, "steps between validation runs; default: 4 runs, at least 25 steps apart", ge=1
    )
    eval_passages: int = setting(300, "validation passages per run, at most; 0: no validation runs", ge=0)
    multi_vector: bool = setting(
        False,
        "also save the token vectors of the fine-tuned encoder: OUTPUT/encoder-multi-vector, a MultiVectorEncoder",
    )
    keep_best: bool = setting(
        True, "keep the last checkpoint within one standard error of the best validation nDCG@10; false: the last one"
    )
    patience: int = setting(
        3, "stop after this many validation runs more than one standard error below the best; 0: never", ge=0
    )
    blend: float | Literal["auto"] | None = setting(
        None,
        "mix base (0) and fine-tuned (1) weights after training; auto: the best mix from 0.5 to 1 on validation that keeps "
        "99 % of the general similarity (see evaluate.max_general_drop)",
    )
    report_to: str = setting("none", "also log to tensorboard, wandb or another integration of transformers")

    @field_validator("teacher_weights")
    @classmethod
    def _known_parts(cls, weights: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(weights.keys() - TEACHER_WEIGHTS.keys()):
            raise ValueError(f"{unknown[0]!r} is no part of a teacher's score: {', '.join(TEACHER_WEIGHTS)}")
        if not any(weight > 0 for weight in weights.values()):
            raise ValueError("at least one weight must be above 0")
        return weights

    @field_validator("blend", mode="before")
    @classmethod
    def _share_or_auto(cls, blend: object) -> object:
        number = isinstance(blend, int | float) and not isinstance(blend, bool)
        if blend not in (None, "auto") and not (number and 0 <= blend <= 1):  # type: ignore[operator]
            raise ValueError('expected "auto" or a number from 0 (base encoder) to 1 (fine-tuned)')
        return blend

    @model_validator(mode="after")
    def _has_effect(self) -> TrainSettings:
        """With a teacher, settings of the losses without one would be ignored."""
        changed = [of for of in _WITHOUT_TEACHER if getattr(self, of) != type(self).model_fields[of].default]
        if self.has_teacher and changed:
            value = json.dumps(getattr(self, changed[0]))
            raise ValueError(
                f'train.{changed[0]} = {value} has no effect with a teacher: set train.teacher = "none" (--teacher none)'
            )
        return self

    @property
    def has_teacher(self) -> bool:
        """Whether the encoder learns a teacher's scores, not triplets alone."""
        return self.teacher != "none"

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate after warm-up."""
        return self.learning_rate or (5e-5 if self.has_teacher else 3e-5)

    @property
    def uses_batch(self) -> bool:
        """Whether the loss takes negatives from the whole batch."""
        return self.in_batch_negatives or self.loss == "mnrl"


class EvaluateSettings(Section):
    """How encoders are evaluated."""

    split: Literal["validation", "test"] = setting("test", "split to evaluate on")
    compare: tuple[str, ...] = setting((), "encoders to compare with the base encoder; by default OUTPUT/encoder")
    max_general_drop: Fraction = setting(
        0.01, "warn if Spearman's rho on everyday sentences falls by a larger fraction"
    )
    pairs: Path | None = setting(
        None, "your own pairs for this check: CSV or TSV with text1, text2 (or sentence1, sentence2) and score"
    )


class PublishSettings(Section):
    """What is published, and under which licence."""

    to: Path | None = setting(None, "dataset folder; OUTPUT/dataset by default")
    name: str | None = setting(None, "the dataset's name on its card")
    license: str | None = setting(None, "licence for books with no licence specified")
    authors: dict[str, str] = setting({}, "authors of a book, by its file name; default: the PDF's metadata")
    redact: bool = setting(False, "publish without the book text (ids, pages, offsets only)")
    i_have_the_right: bool = setting(False, "publish although a book's licence is missing or forbids publication")


class Settings(Section):
    """All settings of a run."""

    books: tuple[AnyPlace, ...] = setting(
        (), "PDF files, folders or patterns, also at addresses (s3://…); or files of your own passages"
    )
    licenses: dict[str, str] = setting({}, "licence of a book, by its file name")
    output: AnyPlace = setting(Path("output"), "folder for everything that is made, or an address (s3://…)")
    tables: Literal["files", "by_book"] = setting(
        "files", "how tables are kept: files, one each; by_book, a folder each with a Parquet file for each book"
    )
    encoder: str = setting(
        "auto", "base encoder: a folder, Hub id or 'embedded' (MiniLM); auto: all-mpnet-base-v2, or embedded if offline"
    )
    rules: Path | None = setting(
        None,
        "folder of word lists and patterns (stop terms, titles, aliases …) that replace or extend the packaged ones",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "number format; auto: bfloat16 where the hardware is faster with it, float16 on older GPUs"
    )
    seed: int = setting(0, "seed of all random draws", ge=0)
    workers: int = setting(0, "processes that read books; 0: one per core", ge=0)
    cluster: str | None = setting(
        None,
        "do the work on a Ray cluster: local (this machine alone), auto (the one this machine is in) or ray://HOST:PORT; needs "
        "the extra 'ray'",
        pattern=r"^(local|auto|ray://\S+)$",
    )
    rounds: int = setting(1, "maximum rounds of mining and training in `run`, while validation nDCG@10 improves", ge=1)
    allow_worse: bool = setting(False, "exit with 0 even if the fine-tuned encoder is not better")
    extract: ExtractSettings = ExtractSettings()
    glossary: GlossarySettings = GlossarySettings()
    tag: TagSettings = TagSettings()
    split: SplitSettings = SplitSettings()
    mine: MineSettings = MineSettings()
    publish: PublishSettings = PublishSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    prompts: PromptSettings = OWN_PROMPTS


#: The sections by name, such as "mine".
SECTIONS = {
    name: type(info.default) for name, info in Settings.model_fields.items() if isinstance(info.default, Section)
}
#: What `--recipe model-card` sets: a widely copied recipe, kept so that its effect can be measured.
MODEL_CARD_RECIPE: dict[str, Any] = {"teacher": "none", "loss": "triplet", "distance": "euclidean", "margin": 5.0}
MODEL_CARD_RECIPE |= {"positives": "all", "batch_size": 16, "epochs": 3, "learning_rate": 5e-5, "warmup_ratio": 0.0}
MODEL_CARD_RECIPE |= {"in_batch_negatives": False, "keep_best": False, "patience": 0}


def describe_loss(recipe: Mapping[str, Any]) -> str:
    """The loss of a training and what defines it, for cards. ``recipe``: the values of TrainSettings by name."""
    scale, margin = (f"{of:g}" if isinstance(of, float) else of for of in map(recipe.get, ("scale", "margin")))
    if recipe.get("teacher", "none") != "none":
        weight = recipe.get("triplet_weight") or 0
        triplets = f", and {weight:g} × TripletLoss (cosine distance, the teacher's margins up to {margin})"
        return (
            f"KL divergence from the scores of the teacher {recipe['teacher']!r} ({_teacher_weights(recipe)}) in both "
            f"directions (scale {scale}){triplets if weight else ''}"
        )
    if recipe.get("loss") == "mnrl":
        return f"MultipleNegativesRankingLoss (scale {scale}, known positives masked)"
    text = f"TripletLoss ({recipe.get('distance')} distance, margin {margin})"
    return f"{text} with in-batch negatives" if recipe.get("in_batch_negatives") else text


def _teacher_weights(recipe: Mapping[str, Any]) -> str:
    return ", ".join(f"{part} {weight:g}" for part, weight in recipe["teacher_weights"].items() if weight)


def describe_training(recipe: Mapping[str, Any], steps: int) -> str:
    """The loss, the number of steps and their size, and the learning rate, for cards; ``recipe`` as in describe_loss."""
    batch = (recipe.get("batch_size") or 0) * (recipe.get("gradient_accumulation_steps") or 1)
    pairs = recipe.get("in_batch_negatives") or recipe.get("loss") == "mnrl"
    size = f"{batch} {'pair' if pairs else 'triplet'}{'' if batch == 1 else 's'}"
    if recipe.get("teacher", "none") != "none":
        lists = recipe.get("gradient_accumulation_steps") or 1
        many = "" if lists == 1 else f"{lists} × "
        size = f"{many}{recipe.get('list_passages')} passages × {recipe.get('list_terms')} terms"
    rate = recipe.get("learning_rate")
    rate = f"{rate:g}" if isinstance(rate, float) else "?"
    text = f"{describe_loss(recipe)}, {steps:,} step{'' if steps == 1 else 's'} of {size}, learning rate {rate}"
    return text + ("" if recipe.get("blend") is None else f", then mixed: {describe_blend(recipe['blend'])}")


def describe_blend(weight: float) -> str:
    """The mix of weights that an encoder has, in words. ``weight``: the share of the fine-tuned."""
    return f"{weight:.0%} fine-tuned weights, {1 - weight:.0%} base weights"


def describe_text(recipe: Mapping[str, Any]) -> str:
    """What text the encoder has seen, and so what its scores promise, for cards; ``recipe`` as in describe_loss."""
    if recipe.get("teacher", "none") != "none" and recipe.get("text") == "own":
        return (
            "Own corpus: the text of all passages was seen in training, and labels (index citations, triplets) of the "
            "training split only. Scores on held-out passages hold for this corpus, not for unseen text."
        )
    return (
        "Unseen text: only the training split was seen in training, so scores on held-out passages hold for new text."
    )


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
    """Settings from a TOML file (none: the defaults), then ``overrides``: {"mine.negatives": 3} or {"mine": {"negatives": 3}}.

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


def settings_lines(settings: Section) -> Iterator[str]:
    """A TOML file with exactly these settings and their meanings."""
    values, fields = settings.model_dump(mode="json"), type(settings).model_fields
    sections = [name for name in fields if isinstance(getattr(settings, name), Section)]
    for name in (name for name in fields if name not in sections):
        # JSON's strings, numbers, lists and booleans are valid TOML; TOML has no null.
        text = f"# {name} =" if values[name] is None else f"{name} = {_toml(values[name])}"
        yield f"{text}  # {fields[name].description}"
    for name in sections:
        yield f"\n[{name}]"
        yield from settings_lines(getattr(settings, name))


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
    # Relative paths start from the file's folder, except the output folder, which starts from the working directory.
    if isinstance(values.get("books"), list):
        values["books"] = [
            str(file.parent / book) if isinstance(book, str) and "://" not in book else book for book in values["books"]
        ]
    for section, name in ((values, "rules"), (values.get("glossary"), "terms"), (values.get("evaluate"), "pairs")):
        if isinstance(section, dict) and isinstance(section.get(name), str) and "://" not in section[name]:
            section[name] = str(file.parent / section[name])
    return values


def _set(values: dict[str, Any], dotted: str, value: Any) -> None:  # noqa: ANN401 - any TOML value
    value = value.model_dump(exclude_unset=True) if isinstance(value, Section) else value
    if dotted in SECTIONS and isinstance(value, Mapping):  # a section's other settings stay
        for name, inner in value.items():
            _set(values, f"{dotted}.{name}", inner)
        return
    *sections, key = dotted.split(".")
    for name in sections:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise ConfigError(f"setting {dotted!r}: {name!r} is not a section", f"Sections: {', '.join(SECTIONS)}")
    values[key] = value


def _explain(error: ValidationError, file: Path | None) -> ConfigError:
    first = error.errors()[0]
    given, place = first["input"], [str(part) for part in first["loc"]]
    dotted, source = ".".join(place), f"{file}: " if file is not None else ""
    fields = (SECTIONS.get(place[0], Settings) if len(place) > 1 else Settings).model_fields
    if first["type"] == "extra_forbidden":
        close = get_close_matches(place[-1], sorted(fields), n=1, cutoff=0.5)
        cure = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(sorted(fields))}."
        cure = f"It is now called {RENAMED[dotted]}." if dotted in RENAMED else cure
        return ConfigError(f"{source}no setting is called {dotted!r}", cure)
    cure = "`tripletkit settings` lists every setting with its meaning and default."
    if isinstance(given, str) and place[-1] in fields and get_origin(fields[place[-1]].annotation) is tuple:
        cure = f"It takes a list: {place[-1]} = [{json.dumps(given, ensure_ascii=False)}]"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch" and place[-1] in fields:  # the description lists the values
        message, cure = "not one of its values", f"{dotted}: {fields[place[-1]].description}."
    value = "" if isinstance(given, dict) else f" = {given!r}" if isinstance(given, str) else f" = {json.dumps(given)}"
    return ConfigError(f"{source}{dotted}{value}: {message[:1].lower()}{message[1:]}", cure)
