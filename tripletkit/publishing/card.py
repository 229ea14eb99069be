"""The dataset card: everything a reader should know before trusting the data, with every figure counted from the tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from tripletkit.publishing.figures import BookFigures, Figures, Leakage, Spread, SplitFigures
from tripletkit.publishing.frontmatter import Yaml, front_matter
from tripletkit.publishing.rights import DatasetLicense, parse_license

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))
TAGS = ("sentence-transformers", "sentence-similarity", "triplets", "hard-negatives", "textbook", "glossary", "tripletkit")
BAR_WIDTH = 30
MOST_REASONS = 60


@dataclass(frozen=True)
class FalseNegatives:
    """How many negatives a check found to be positives after all."""

    share: float
    sample: int
    method: str  # who judged, by what


@dataclass(frozen=True)
class CardFacts:
    """What a card says that is not in the tables."""

    pretty_name: str
    version: str  # tripletkit's
    encoder: str  # name of the encoder that mined
    fingerprint: str  # hash of its weights, tokenizer, pooling, length and prompt
    repo: str = "OWNER/NAME"
    license: str | None = None  # the dataset's own; None: what the books' licences allow
    language: tuple[str, ...] = ("en",)
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)  # "mine.negatives": 2
    rules: str = ""  # fingerprint of the rules folder
    libraries: Mapping[str, str] = field(default_factory=dict)  # name: version
    credits: Mapping[str, str] = field(default_factory=dict)  # book_id: authors, as the licence wants them named
    false_negatives: FalseNegatives | None = None
    scores: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # measure: untouched and tuned encoder
    margin: float = 0.15  # of the loss in the example; cosine distance
    have_the_right: bool = False  # the publisher answers for books whose licence does not allow it
    local_only: bool = False  # filled from a redacted set: for whoever has the book, not for the Hub


@dataclass(frozen=True)
class Shards:
    """One split of one configuration as it lies in the folder."""

    split: str
    rows: int
    memory_bytes: int
    file_bytes: int
    pattern: str


@dataclass(frozen=True)
class Configuration:
    """One configuration as it lies in the folder."""

    name: str
    meaning: str
    columns: Mapping[str, str]
    features: Sequence[Yaml]
    shards: tuple[Shards, ...]


def make_card(facts: CardFacts, figures: Figures, configurations: Sequence[Configuration], license_: DatasetLicense,
              *, notes: Sequence[str] = (), redacted: bool = False) -> str:
    """The README.md. Equal arguments give an equal card."""
    sections = (
        _intro(facts, figures, redacted), _use(facts, redacted), _configurations(configurations, notes), _sources(facts, figures, license_, redacted),
        _making(facts, figures), _counts(figures), _similarities(figures), _dropped(figures), _splits(figures.leakage, len(figures.books)),
        _quality(facts), _limits(redacted), _citation(facts),
    )
    return front_matter(_metadata(facts, figures, configurations, license_)) + "\n" + "\n\n".join(sections) + "\n"


def _metadata(facts: CardFacts, figures: Figures, configurations: Sequence[Configuration], license_: DatasetLicense) -> Mapping[str, Yaml]:
    triplets = sum(split.triplets for split in figures.splits)
    named: dict[str, Yaml] = {"license_name": license_.name} if license_.name else {}
    linked: dict[str, Yaml] = {"license_link": license_.link} if license_.link else {}
    return {
        "pretty_name": facts.pretty_name, "language": list(facts.language), "license": license_.hub, **named, **linked,
        "size_categories": [next((name for bound, name in SIZES if triplets < bound), "n>10M")],
        "task_categories": ["sentence-similarity", "feature-extraction", "text-retrieval"],
        "annotations_creators": ["machine-generated"], "multilinguality": ["monolingual" if len(facts.language) == 1 else "multilingual"],
        "source_datasets": ["original"], "tags": list(TAGS),
        "configs": [_config(one, default=one is configurations[0]) for one in configurations],
        "dataset_info": [_info(one) for one in configurations],
    }


def _config(one: Configuration, *, default: bool) -> Mapping[str, Yaml]:
    files: list[Yaml] = [{"split": shards.split, "path": shards.pattern} for shards in one.shards]
    return {"config_name": one.name, **({"default": True} if default else {}), "data_files": files}


def _info(one: Configuration) -> Mapping[str, Yaml]:
    splits: list[Yaml] = [{"name": s.split, "num_bytes": s.memory_bytes, "num_examples": s.rows} for s in one.shards]
    return {"config_name": one.name, "features": one.features, "splits": splits,
            "download_size": sum(s.file_bytes for s in one.shards), "dataset_size": sum(s.memory_bytes for s in one.shards)}


def _intro(facts: CardFacts, figures: Figures, redacted: bool) -> str:
    triplets = sum(split.triplets for split in figures.splits)
    text = (f"# {_plain(facts.pretty_name)}\n\n{triplets:,} triplets for training text encoders: a passage from a textbook, a technical term it is about, and a term of "
            f"the same glossary that is near to it and does not belong there. Made from {len(figures.books)} book(s) by tripletkit {facts.version}.")
    if redacted:
        text += ("\n\n**This is the redacted edition: ids, pages, offsets, scores and hashes, without the text of the books.** Who has a book fills it in "
                 f"with `tripletkit fill {facts.repo} BOOK.pdf`, which checks every passage against its hash.")
    if facts.local_only:
        text += "\n\n**Filled on one machine from a redacted edition. The text is the books' owners'; do not pass it on.**"
    return text


def _use(facts: CardFacts, redacted: bool) -> str:
    if redacted:
        return f'## Use\n\n```python\nfrom datasets import load_dataset\n\ndata = load_dataset("{facts.repo}", "full")\n```'
    return f"""## Use

```python
from datasets import load_dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.losses import TripletDistanceMetric, TripletLoss

data = load_dataset("{facts.repo}", "triplet")
model = SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2")
loss = TripletLoss(model, distance_metric=TripletDistanceMetric.COSINE, triplet_margin={facts.margin:g})
trainer = SentenceTransformerTrainer(model, train_dataset=data["train"], loss=loss)
trainer.train()
```

Keep the distance and the margin together: with the loss's default, Euclidean distance and margin 5, unit vectors can never be far enough apart, and
the encoder gets worse. Judge by retrieval on text that was not trained on, never by accuracy on triplets chosen by an encoder."""


def _configurations(configurations: Sequence[Configuration], notes: Sequence[str]) -> str:
    names = [shards.split for shards in max(configurations, key=lambda one: len(one.shards)).shards]
    rows = [(f"`{one.name}`", one.meaning, *(_rows(one, split) for split in names)) for one in configurations]
    empty = [f"{one.name}: no row in {', '.join(missing)}, so `load_dataset` has no such split." for one in configurations
             if (missing := [split for split in ("train", "validation", "test") if split not in {s.split for s in one.shards}])]
    columns = [f"<details><summary><code>{one.name}</code>: columns</summary>\n\n" + _table(("column", "type", "meaning"), _columns(one)) + "\n\n</details>"
               for one in configurations]
    lines = "\n".join(f"- {line}" for line in (*notes, *empty))
    return "## Configurations\n\n" + "\n\n".join(filter(None, [_table(("name", "one row is", *names), rows), lines, *columns]))


def _rows(one: Configuration, split: str) -> str:
    return next((f"{shards.rows:,}" for shards in one.shards if shards.split == split), "–")


def _columns(one: Configuration) -> Iterable[tuple[str, str, str]]:
    for feature in one.features:
        if isinstance(feature, Mapping):
            name, inner = str(feature["name"]), feature.get("list")
            kind = feature.get("dtype", "list of " + (inner if isinstance(inner, str) else "records"))
            yield f"`{name}`", str(kind), one.columns[name]


def _sources(facts: CardFacts, figures: Figures, license_: DatasetLicense, redacted: bool) -> str:
    rows = [_book(book, facts.credits.get(book.book_id, "")) for book in figures.books]
    claim = ("\n\nThe publisher states that they have the right to publish the text of: "
             + ", ".join(_plain(book.title) for book in figures.books if _unfree(book)) + "."
             if facts.have_the_right and not redacted and any(map(_unfree, figures.books)) else "")
    under = (f"The dataset's licence is `{license_.hub}` ({_plain(license_.note)})." if not redacted else
             "No text of a book is in this dataset. The licences above are the books' own and say what may be done with a filled copy.")
    return ("## Sources, licences, attribution\n\n"
            + _table(("book", "by", "licence", "pages", "passages", "terms kept", "triplets", "in", "id, from the file's sha256"), rows)
            + f"\n\n{under} Passages were cut from the books, line breaks and hyphens undone, and in masked triplets the term hidden; that is all that was changed."
            + claim)


def _unfree(book: BookFigures) -> bool:
    return not book.license or bool(parse_license(book.license).objection)


def _book(book: BookFigures, credit: str) -> tuple[str, ...]:
    license_ = parse_license(book.license) if book.license else None
    named = "none given" if license_ is None else f"[{_plain(book.license)}]({license_.link})" if license_.link else _plain(book.license)
    return (_plain(book.title), _plain(credit) or "see the book", named, f"{book.pages:,}", f"{book.passages:,}", f"{book.kept_terms:,}", f"{book.triplets:,}",
            ", ".join(book.splits) or "–", f"`{book.book_id}`")


def _making(facts: CardFacts, figures: Figures) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(facts.libraries.items()))
    settings = _table(("setting", "value"), [(f"`{name}`", f"`{value}`") for name, value in sorted(public_settings(facts.settings).items())])
    text = f"""## How it was made

1. `extract` read the pages and cut them into passages that fit the encoder.
2. `glossary` took terms from each book's index, glossary, bold type and acronyms; `tag` found where they are said.
3. `split` set whole books, or chapters of one book, aside for validation and test.
4. `mine` chose, for each passage and each term it is about, negatives among the split's own terms: none said in the passage under any of its forms, none
   that the book's index cites there, none whose cosine to the passage comes near the positive's.

Mined by `{facts.encoder}`, fingerprint `{facts.fingerprint}`, in {figures.rounds} round(s)."""
    others = [f"`{one}`" for one in figures.encoders if one != facts.fingerprint]
    text += f" Some rounds used other weights: {', '.join(others)}." if others else ""
    text += f" Rules: `{facts.rules}`." if facts.rules else ""
    text += f" Versions: tripletkit {facts.version}{', ' + versions if versions else ''}."
    return text + (f"\n\n<details><summary>Settings</summary>\n\n{settings}\n\n</details>" if facts.settings else "")


def _counts(figures: Figures) -> str:
    columns = ("split", "passages", "triplets", "of these masked", "anchors", "positives", "negatives", "tokens of the anchor's passage", "characters of the positive",
               "characters of the negative")
    rules = _table(("rule that chose the negative", "triplets"), [(_plain(rule), f"{n:,}") for rule, n in figures.rules])
    return ("## Counts\n\n" + _table(columns, [_split(one) for one in figures.splits])
            + "\n\nLengths are least / mean / most; anchors, positives and negatives are counted once per different text.\n\n" + rules)


def _split(one: SplitFigures) -> tuple[str, ...]:
    numbers = (one.passages, one.triplets, one.masked, one.anchors, one.positives, one.negatives)
    return (one.split, *(f"{n:,}" for n in numbers), *(_spread(s) for s in (one.anchor_tokens, one.positive_chars, one.negative_chars)))


def _spread(lengths: Spread) -> str:
    return f"{lengths.least} / {lengths.mean:.1f} / {lengths.most}"


def _similarities(figures: Figures) -> str:
    rows = [(split.split, name, *(f"{value:.3f}" for value in quantiles)) for split in figures.splits if split.triplets for name, quantiles in split.cosines]
    most = max((max(ap, an) for _, ap, an in figures.histogram), default=1)
    bars = "\n".join(f"{edge:5.1f} │ {_bar(ap, most)} │ {_bar(an, most)}" for edge, ap, an in figures.histogram)
    head = f"{'from':>5} │ {'anchor–positive':<{BAR_WIDTH + 8}} │ anchor–negative"
    return ("## Similarities\n\nCosines by the mining encoder.\n\n" + _table(("split", "cosine of", "5 %", "25 %", "50 %", "75 %", "95 %"), rows)
            + f"\n\n```text\n{head}\n{bars}\n```")


def _bar(count: int, most: int) -> str:
    return f"{'█' * round(BAR_WIDTH * count / most):<{BAR_WIDTH}} {count:>7,}"


def _dropped(figures: Figures) -> str:
    shown = figures.dropped[:MOST_REASONS]
    rest = sum(n for _, _, n in figures.dropped[MOST_REASONS:])
    rows = [(stage, _plain(reason), f"{n:,}") for stage, reason, n in shown] + ([("", "other reasons", f"{rest:,}")] if rest else [])
    return "## Left out, and why\n\n" + (_table(("stage", "reason", "rows"), rows) if rows else "Nothing was left out.")


def _splits(leak: Leakage, books: int) -> str:
    unit = "whole books" if leak.books == 0 and books > 1 else "chapters"
    rows = [("books with passages in more than one split", leak.books), ("passages that another split has too, word for word", leak.copies),
            ("held-out passages half of whose 8-word runs an earlier split has", leak.near_copies), ("anchors in more than one split", leak.anchors),
            ("distinct positives of validation and test", leak.held_out_positives), ("… that are positives of training too", leak.seen_positives)]
    return (f"## Splits and leakage\n\nSplit by {unit}; negatives come from the split's own terms. Counted on the published passages:\n\n"
            + _table(("check", "count"), [(name, f"{n:,}") for name, n in rows])
            + "\n\nTerms and definitions stand in the earliest split that says the term, so no definition of the test split belongs to a term that training passages say.")


def _quality(facts: CardFacts) -> str:
    wrong = facts.false_negatives
    text = (f"Measured false-negative share: {wrong.share:.2%} of {wrong.sample:,} triplets ({_plain(wrong.method)})." if wrong else
            "The share of false negatives has not been measured for this dataset.")
    rows = [(_plain(name), f"{before:.3f}", f"{after:.3f}") for name, (before, after) in sorted(facts.scores.items())]
    trained = "\n\nWhat training on it did, on the held-out split:\n\n" + _table(("measure", "untouched encoder", "tuned encoder"), rows) if rows else ""
    return f"## Quality\n\n{text}{trained}"


def _limits(redacted: bool) -> str:
    hashes = ("\n- Hashes of short texts can be guessed by whoever tries words; they hide no secret, they only leave the book's wording out." if redacted else "")
    return f"""## Intended use and limits

For tuning text encoders to find technical terms in passages and passages for terms, in the subjects of the books above, and for studying hard negatives.

- Labels are machine-made: a book's index says what a page is about, not every term on it, and a negative is one that no rule spoke against.
- Positives are mostly said in their passage, so a string matcher does well here; judge also on masked passages and on definitions.
- The text is of textbooks in few subjects and one style; expect less elsewhere. Formulas, tables and code are kept as the PDF gives them.
- The accuracy of the mining encoder on these triplets means nothing: they were chosen by it.{hashes}"""


def _citation(facts: CardFacts) -> str:
    key = re.sub(r"[^a-z0-9]+", "-", facts.pretty_name.lower()).strip("-") or "tripletkit-dataset"
    return (f"## Citation\n\n```bibtex\n@misc{{{key},\n  title = {{{_plain(facts.pretty_name)}}},\n  howpublished = {{Dataset, {facts.repo}}},\n"
            f"  note = {{Made with tripletkit {facts.version}, encoder {facts.fingerprint}}}\n}}\n```\n\nCite the books above too; their text is their authors' work.")


def public_settings(settings: Mapping[str, str | int | float | bool | None]) -> dict[str, str | int | float | bool | None]:
    """Settings that may be shown to anybody: no secrets, and of a path on this machine only its name."""
    secret = re.compile(r"token|secret|password|credential|api_?key", re.IGNORECASE)
    return {name: _file_name(value) for name, value in settings.items() if not secret.search(name.rpartition(".")[2]) or not isinstance(value, str)}


def _file_name(value: str | int | float | bool | None) -> str | int | float | bool | None:
    return PurePath(value).name if isinstance(value, str) and (PurePath(value).is_absolute() or value.startswith("~")) else value


def _plain(text: str) -> str:
    """One line that Markdown shows as it is."""
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", " ".join(text.split()))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
