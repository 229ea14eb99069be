"""Shared parts of both cards: escaping, tables, templates, and an encoder's scores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from huggingface_hub import DatasetCard, ModelCard

from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.evaluation import report as reports
from tripletkit.evaluation.report import (
    BASE,
    FINE_TUNED,
    PASSAGE_TO_TERM,
    PROMISES,
    TABLE_METRICS,
    TERM_TO_PASSAGE,
    EvaluationReport,
    RankerScores,
)
from tripletkit.figures.drawing import Picture, has_matplotlib
from tripletkit.publishing.rights import DatasetLicense, objection, parse_license
from tripletkit.store import ENCODER, VALIDATION, Store, write_atomically

CARD = "README.md"
TEMPLATES = Path(__file__).parent / "templates"
#: Used in a card for the repository's name; a push replaces it.
PLACEHOLDER = "OWNER/NAME"
SCORES = "scores.json"
#: Where the pictures of a card are, beside it.
PICTURES = "figures"
#: The tasks on a card; the Hub is told the fine-tuned encoder's scores in the metrics of HUB_RESULTS.
SHOWN = (TERM_TO_PASSAGE, PASSAGE_TO_TERM)
HUB_RESULTS = tuple(zip(SHOWN, TABLE_METRICS, strict=True))
_SECRET = re.compile(r"token$|secret|password|credential|api_?key", re.IGNORECASE)


def plain(text: str) -> str:
    """``text`` in one line, with everything escaped that Markdown or HTML would read as mark-up."""
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", " ".join(text.split()))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table. Cells are escaped by the caller; whole numbers get thousands separators."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    cells = ((f"{value:,}" if isinstance(value, int) else str(value) for value in row) for row in rows)
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)])


def count(number: int, unit: str) -> str:
    """``1 book``, ``2 books``."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def citation(kind: str, title: str, note: str) -> str:
    """A BibTeX entry. It has no year, so that the same data always get the same card."""
    key = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or f"tripletkit-{kind.lower()}"
    fields = {"title": re.sub(r"[{}\\]", "", title), "howpublished": f"{kind}, {PLACEHOLDER}", "note": note}
    return f"@misc{{{key},\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items()) + "\n}"


def license_cell(text: str | None) -> str:
    """A book's licence in a card's table, with a link to it where that is known."""
    name, link = plain(text or ""), parse_license(text).link if text else ""
    return f"[{name}]({link})" if link else name or "none given"


def license_head(license_: DatasetLicense) -> dict[str, Any]:
    """The licence in a card's YAML head."""
    return {"license": license_.hub, "license_name": license_.name or None, "license_link": license_.link or None}


def unlicensed_titles(books: Iterable[Mapping[str, Any]]) -> list[str]:
    """Titles, for Markdown, of the books whose licence is missing or forbids that their text is published."""
    return [plain(book["title"]) for book in books if objection(book["license"])]


def public_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that may be shown to anybody: no secrets, and of a path on this machine only the file's name."""

    def public(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, list | tuple):
            return ", ".join(str(public(one)) for one in value)
        is_path = isinstance(value, str) and (PurePath(value).is_absolute() or value.startswith("~"))
        return PurePath(value).name if is_path else value

    return {name: public(value) for name, value in settings.items() if not _SECRET.search(name)}


def render_card(card: type[DatasetCard | ModelCard], data: Any, template: str, **values: Any) -> str:  # noqa: ANN401
    """The README.md of a repository: ``data`` and the template's own head as its YAML head, ``values`` in the text."""
    # The client's templates cannot include others.
    text = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("macros.md.jinja", template))
    helpers = (plain, table, count, citation, license_cell, unlicensed_titles, public_settings)
    values |= {one.__name__: one for one in helpers} | {
        "folder": PICTURES,
        "shown": SHOWN,
        "metrics": TABLE_METRICS,
        "promises": PROMISES,
    }
    return str(card.from_template(data, template_str=text, **values)).rstrip() + "\n"


def read_scores(store: Store) -> EvaluationReport | None:
    """The scores of the encoder that was trained on the triplets as they are now, if any. Raises TableError."""
    made, path = store.manifest("train"), store.local(SCORES)
    trained_on = made.key["inputs"].get("triplets.parquet") if made else None
    if made is None or trained_on != store.sha("triplets.parquet") or not path.is_file():
        return None
    report, fingerprint = reports.read_report(path), fingerprint_of(made.outputs.get(ENCODER, ""))
    # Other names are those of encoders compared by --encoder.
    if set(report.encoders) != {BASE, FINE_TUNED} or report.encoders[FINE_TUNED].fingerprint != fingerprint:
        return None
    # A name may be a path on this machine, and the names of terms are text of a book.
    nameless = {label: of.model_copy(update={"name": ""}) for label, of in report.encoders.items()}
    return report.model_copy(update={"encoders": nameless, "term_scores": {}})


def write_pictures(folder: Path, pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """Write what a card shows into its folder; returns what was written, nothing where matplotlib is not installed."""
    written = tuple(pictures) if has_matplotlib() else ()
    for picture in written:
        write_atomically(folder / PICTURES / f"{picture.name}.png", picture.png())
    return written


def read_validation(store: Store) -> dict[str, RankerScores]:
    """The validation scores that `train` ended with, by encoder, without intervals; none if the split gave no query."""
    path = store.local(VALIDATION)
    found = reports.read_validation(path) if path.is_file() else None
    if not found or not found.base or not found.fine_tuned:
        return {}
    scores = {BASE: found.base, FINE_TUNED: found.fine_tuned}
    return {name: RankerScores(scores=of, intervals={}) for name, of in scores.items()}
