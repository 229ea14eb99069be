"""The tuned encoder's card: base, data, recipe and scores, and no word of any book's text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tripletkit.publishing.facts import PLACEHOLDER, Setting, public_settings
from tripletkit.publishing.figures import BookFigures
from tripletkit.publishing.frontmatter import Yaml, front_matter
from tripletkit.publishing.markdown import count, details, plain, table
from tripletkit.publishing.rights import DatasetLicense, license_cell, parse_license
from tripletkit.publishing.scores import Score, Scores, scores_in_words, scores_table
from tripletkit.settings import describe_loss

TAGS = (
    "sentence-transformers",
    "sentence-similarity",
    "feature-extraction",
    "textbook",
    "hard-negatives",
    "tripletkit",
)


@dataclass(frozen=True)
class ModelContent:
    """Everything that a model card is made of."""

    title: str  # of the data: a book's title, or "3 textbooks"
    version: str  # tripletkit's
    base: str
    base_fingerprint: str
    fingerprint: str
    steps: int
    recipe: Mapping[str, Setting]  # the settings of [train]
    books: tuple[BookFigures, ...]  # those it was trained on
    credits: Mapping[str, str]
    license: DatasetLicense
    triplets: int  # of the training split
    scores: Scores | None = None
    validation: tuple[Score, ...] = ()
    have_the_right: bool = False
    language: tuple[str, ...] = ("en",)

    @property
    def name(self) -> str:
        """The model's own name."""
        return f"{self.base.rpartition('/')[2]} tuned on {self.title}"


def make_model_card(content: ModelContent) -> str:
    """The README.md; equal content gives an equal card."""
    sections = (_intro, _use, _scores, _data, _recipe, _limits, _citation)
    return front_matter(metadata(content)) + "\n" + "\n\n".join(section(content) for section in sections) + "\n"


def metadata(content: ModelContent) -> Mapping[str, Yaml]:
    """What the Hub's search and its table of evaluations read."""
    license_ = content.license
    named: dict[str, Yaml] = {
        key: value for key, value in (("license_name", license_.name), ("license_link", license_.link)) if value
    }
    results: list[Yaml] = list(_results(content))
    return {
        "language": list(content.language),
        "license": license_.hub,
        **named,
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        # A folder's own name would be taken for somebody's repository.
        **({"base_model": content.base} if re.fullmatch(r"[\w.-]+/[\w.-]+", content.base) else {}),
        "tags": list(TAGS),
        **({"model-index": [{"name": content.name, "results": results}]} if results else {}),
    }


def _results(content: ModelContent) -> Iterator[Mapping[str, Yaml]]:
    split, rows = _judged(content)
    for row in rows:
        yield {
            "task": {"type": "information-retrieval", "name": row.task},
            "dataset": {"name": f"{content.title}, {split} split", "type": "textbook-passages", "split": split},
            "metrics": [
                {"type": row.metric.lower().replace("@", "_at_"), "value": round(row.tuned[0], 6), "name": row.metric}
            ],
        }


def _judged(content: ModelContent) -> tuple[str, Sequence[Score]]:
    """The scores to tell: the test split's, else validation's."""
    return (content.scores.split, content.scores.rows) if content.scores else ("validation", content.validation)


def _intro(content: ModelContent) -> str:
    return (
        f"# {plain(content.name)}\n\n"
        f"`{content.base}`, tuned by tripletkit {content.version} to find the technical terms of a passage and the "
        f"passages for a term.\nTrained on {count(content.triplets, 'triplet')} from "
        f"{count(len(content.books), 'textbook')}: passage, a term in it, a near term that is not."
    )


def _use(content: ModelContent) -> str:
    return f"""## Use

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{PLACEHOLDER}")
passages = model.encode(["a passage of your text"])
terms = model.encode(["one term", "another term"])
print(model.similarity(passages, terms))
```"""


def _scores(content: ModelContent) -> str:
    split, rows = _judged(content)
    if not rows:
        return "## Scores\n\nNone: no held-out passage could be asked."
    told = (
        scores_in_words(content.scores)
        if content.scores
        else f"On the {split} split, by which settings may have been chosen; no test split has been scored."
    )
    return f"## Scores\n\n{told}\nThe passages are of chapters or books that were not trained on.\n\n{scores_table(tuple(rows))}"


def _data(content: ModelContent) -> str:
    heads = ("book", "by", "licence", "pages", "triplets of it")
    rows = [
        (
            plain(book.title),
            plain(content.credits.get(book.book_id, "")) or "see the book",
            license_cell(book.license),
            f"{book.pages:,}",
            f"{book.triplets:,}",
        )
        for book in content.books
    ]
    text = (
        f"The weights are published under `{content.license.hub}`, taken from the books ({plain(content.license.note)}); "
        "the base model's\nlicence holds beside it. No text of the books is in this repository. Training read the training split only."
    )
    unfree = [plain(book.title) for book in content.books if not book.license or parse_license(book.license).objection]
    if content.have_the_right and unfree:
        text += f"\nThe publisher states that they have the right to publish weights trained on: {', '.join(unfree)}."
    return "\n\n".join(("## Training data, licences, attribution", table(heads, rows), text))


def _recipe(content: ModelContent) -> str:
    recipe = public_settings(content.recipe)
    batch = int(recipe.get("batch_size") or 0) * int(recipe.get("gradient_accumulation_steps") or 1)
    rows = [(f"`{name}`", f"`{value}`") for name, value in sorted(recipe.items())]
    text = (
        f"{describe_loss(recipe)}, {count(content.steps, 'step')} of {count(batch, _row(recipe))}, "
        f"learning rate {recipe.get('learning_rate', '?')}.\n"
        f"Base `{content.base}`, fingerprint `{content.base_fingerprint}`; tuned weights, fingerprint "
        f"`{content.fingerprint}`."
    )
    return "\n\n".join(("## Recipe", text, details("Settings", table(("setting", "value"), rows))))


def _row(recipe: Mapping[str, Setting]) -> str:
    """What a batch counts."""
    return "pair" if recipe.get("in_batch_negatives") or recipe.get("loss") == "mnrl" else "triplet"


def _limits(content: ModelContent) -> str:
    return """## Limits

- The subjects are those of the books above, the language that of textbooks. Elsewhere the untouched base may do better:
  measure before you change over.
- Most terms are said in their passages, so compare with a plain string match or BM25 on your own text.
- Labels came from the books' indexes by machine; nobody checked them all."""


def _citation(content: ModelContent) -> str:
    key = re.sub(r"[^a-z0-9]+", "-", content.name.lower()).strip("-") or "tripletkit-encoder"
    title = re.sub(r"[{}\\]", "", content.name)
    return f"""## Citation

```bibtex
@misc{{{key},
  title = {{{title}}},
  howpublished = {{Model, {PLACEHOLDER}}},
  note = {{Made with tripletkit {content.version}, weights {content.fingerprint}}}
}}
```

Cite the base model and the books above too."""
