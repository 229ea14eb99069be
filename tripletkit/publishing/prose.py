"""The sections of a card that are mostly words."""

from __future__ import annotations

import re

from tripletkit.publishing.facts import CardContent, public_settings
from tripletkit.publishing.figures import BookFigures
from tripletkit.publishing.markdown import count, details, plain, table
from tripletkit.publishing.rights import license_cell, parse_license


def intro(content: CardContent) -> str:
    """What it is, and what it lacks."""
    facts = content.facts
    text = (
        f"# {plain(facts.pretty_name)}\n\n{count(content.triplets, 'triplet')} for training text encoders: "
        "a passage from a textbook, a technical term it is about, and another term of the glossary that does not "
        "belong there.\n"
        f"Made from {count(len(content.figures.books), 'book')} by tripletkit {facts.version}."
    )
    if content.redacted:
        text += (
            "\n\n**This is the redacted edition: ids, pages, offsets, scores and hashes, without the books' text.**\n"
            f"Who has a book fills it in with `tripletkit fill {facts.repo} BOOK.pdf`, which checks every passage "
            "against its hash."
        )
    if facts.local_only:
        text += (
            "\n\n**Filled on one machine from a redacted edition. The text is the books' owners'; do not pass it on.**"
        )
    return text


def use(content: CardContent) -> str:
    """The lines that load it and train on it; they run as they stand."""
    repo = content.facts.repo
    if content.redacted:
        return f'## Use\n\n```python\nfrom datasets import load_dataset\n\ndata = load_dataset("{repo}", "full")\n```'
    return f"""## Use

```python
from datasets import load_dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.losses import TripletDistanceMetric, TripletLoss

data = load_dataset("{repo}", "triplet")
model = SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2")
loss = TripletLoss(model, distance_metric=TripletDistanceMetric.COSINE, triplet_margin={content.facts.margin:g})
trainer = SentenceTransformerTrainer(model, train_dataset=data["train"], loss=loss)
trainer.train()
```

Keep the distance and the margin together: with the loss's defaults, Euclidean distance and margin 5, unit vectors can
never be far enough apart, and the encoder gets worse. Judge by retrieval on text that was not trained on, never by
accuracy on triplets that an encoder chose."""


def sources(content: CardContent) -> str:
    """Every book with its licence and authors, and what that makes of the dataset's licence."""
    heads = (
        "book",
        "by",
        "licence",
        "pages",
        "passages",
        "terms kept",
        "triplets",
        "splits",
        "id, from the file's sha256",
    )
    rows = [_book(book, content.facts.credits.get(book.book_id, "")) for book in content.figures.books]
    under = (
        "No text of a book is in this dataset. The licences above are the books' own and say what may be done with a "
        "filled copy."
        if content.redacted
        else f"The dataset's licence is `{content.license.hub}` ({plain(content.license.note)})."
    )
    changes = (
        "What was changed: passages were cut from the books, line breaks and hyphens undone, and in masked triplets "
        "the term hidden."
    )
    return "\n\n".join(
        filter(None, ("## Sources, licences, attribution", table(heads, rows), f"{under}\n{changes}", _claim(content)))
    )


def _book(book: BookFigures, credit: str) -> tuple[str, ...]:
    numbers = (book.pages, book.passages, book.kept_terms, book.triplets)
    credited = (plain(book.title), plain(credit) or "see the book", license_cell(book.license))
    return (*credited, *(f"{n:,}" for n in numbers), ", ".join(book.splits) or "–", f"`{book.book_id}`")


def _claim(content: CardContent) -> str:
    unfree = [
        plain(book.title) for book in content.figures.books if not book.license or parse_license(book.license).objection
    ]
    claimed = content.facts.have_the_right and not content.redacted and unfree
    return (
        f"The publisher states that they have the right to publish the text of: {', '.join(unfree)}." if claimed else ""
    )


def making(content: CardContent) -> str:
    """Stages, encoder, rules, versions and settings."""
    facts, figures = content.facts, content.figures
    versions = "".join(f", {name} {version}" for name, version in sorted(facts.libraries.items()))
    others = ", ".join(f"`{one}`" for one in figures.encoders if one != facts.fingerprint)
    if facts.fingerprint in figures.encoders:
        encoder = f"Mined in {count(figures.rounds, 'round')} by `{facts.encoder}`, fingerprint `{facts.fingerprint}`."
        encoder += f" Rounds by other weights: {others}." if others else ""
    else:
        encoder = f"Mined by weights tuned from `{facts.encoder}` on an earlier round's triplets, fingerprint {others}."
    rules = f" Rules: `{facts.rules}`." if facts.rules else ""
    settings = [(f"`{name}`", f"`{value}`") for name, value in sorted(public_settings(facts.settings).items())]
    text = f"""## How it was made

1. `extract` read the pages and cut them into passages that fit the encoder.
2. `glossary` took terms from each book's index, glossary, bold type and acronyms; `tag` found where they are said.
3. `split` set whole books, or sections of one book, aside for validation and test.
4. `mine` chose, for each passage and each term it is about, negatives among the split's own terms: none said in the
   passage under any of its forms, none that the book's index cites there, none that the encoder holds to be as close as
   the positive (bounds: see the settings).

{encoder}{rules} Versions: tripletkit {facts.version}{versions}."""
    return text + (f"\n\n{details('Settings', table(('setting', 'value'), settings))}" if settings else "")


def limits(content: CardContent) -> str:
    """What it is for, and what not to expect."""
    hashes = "\n- Hashes of short texts can be guessed by trying words: they keep the book's wording out, not a secret."
    hashes = hashes if content.redacted else ""
    return f"""## Intended use and limits

For tuning text encoders to find technical terms in passages and passages for terms, in the subjects of the books above,
and for studying hard negatives.

- Labels are machine-made: a book's index says what a page is about, not every term on it, and a negative is one that no
  rule spoke against.
- Positives are mostly said in their passage, so a string matcher does well here; judge also on masked passages and on
  definitions.
- The text is of textbooks in few subjects and one style; expect less elsewhere. Formulas, tables and code are as the
  PDF gives them.
- The accuracy of the mining encoder on these triplets means nothing: they were chosen by it.{hashes}"""


def citation(content: CardContent) -> str:
    """BibTeX; without a year, so that the same data has the same card."""
    facts = content.facts
    key = re.sub(r"[^a-z0-9]+", "-", facts.pretty_name.lower()).strip("-") or "tripletkit-dataset"
    title = re.sub(r"[{}\\]", "", facts.pretty_name)
    return f"""## Citation

```bibtex
@misc{{{key},
  title = {{{title}}},
  howpublished = {{Dataset, {facts.repo}}},
  note = {{Made with tripletkit {facts.version}, encoder {facts.fingerprint}}}
}}
```

Cite the books above too; their text is their authors' work."""
