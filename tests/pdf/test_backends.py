"""Both readers give the same passages, but for what is listed in LISTED: PDFium and pdfplumber space formulas otherwise.

Sentences are compared, not passages, as one token more or less moves the cuts between passages.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pypdfium2 as pdfium
import pytest

from tests.pdf.make import count_words
from tripletkit.language.layout_words import sentence_spans
from tripletkit.pdf.book_tables import extract_book
from tripletkit.pdf.workers import PassageLimits
from tripletkit.rules import load_rules

ODS = Path(__file__).parents[2] / "examples" / "ods-java.pdf"
RULES = load_rules()
TEXT = ("prose", "list", "exercise", "caption", "footnote")

#: Kinds of difference, and what is left of two sentences that differ in nothing else.
LISTED: dict[str, Callable[[str], str]] = {
    # "O(b 2 )" and "O(b2)": PDFium writes a space around what is raised or lowered, pdfplumber does not.
    "spacing": lambda text: "".join(text.split()),
    # "k X i" and "k � i": a sign of sum, root or big bracket whose font gives it no meaning, or that of its glyph's name.
    "signs": lambda text: " ".join(re.findall(r"[^\W\d_]{3,}", text)),
}


def sentences(path: Path, backend: str) -> list[str]:
    limits = PassageLimits(250)
    tables = extract_book(path, book_id="b", limits=limits, count_tokens=count_words, rules=RULES, backend=backend)
    texts = [str(row["text"]) for row in tables.passages if row["kind"] in TEXT]
    return [text[a:b] for text in texts for a, b in sentence_spans(text, RULES.words("abbreviations"))]


def without(sentences: list[str], others: list[str], form: Callable[[str], str]) -> list[str]:
    known = {form(text) for text in others}
    return [text for text in sentences if form(text) not in known]


@pytest.mark.skipif(not ODS.exists(), reason="the example book is not part of this copy")
@pytest.mark.parametrize(
    ("first", "last", "most"),
    [
        (75, 84, {"spacing": 4, "signs": 0, "cuts": 0}),  # text and code
        (258, 270, {"spacing": 14, "signs": 4, "cuts": 5}),  # formulas, figures and a matrix
    ],
)
def test_every_difference_is_of_a_listed_kind(first: int, last: int, most: dict[str, int], tmp_path: Path) -> None:
    source, few = pdfium.PdfDocument(ODS), pdfium.PdfDocument.new()
    few.import_pages(source, list(range(first - 1, last)))
    few.save(tmp_path / "few.pdf")
    one, two = (sentences(tmp_path / "few.pdf", backend) for backend in ("pdfium", "pdfplumber"))
    assert len(one) > 80
    counts = {}
    one, two = without(one, two, str), without(two, one, str)
    for kind, form in LISTED.items():
        before = len(one)
        one, two = without(one, two, form), without(two, one, form)
        counts[kind] = before - len(one)
    # A display formula at a sentence's end is text to one reader and apart to the other: the sentence ends, or goes on.
    counts["cuts"] = len(one)
    assert Counter(LISTED["signs"](" ".join(one)).split()) == Counter(LISTED["signs"](" ".join(two)).split())
    assert all(counts[kind] <= limit for kind, limit in most.items()), counts
