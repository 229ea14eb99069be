"""Words of pages read by pdfplumber, which is slow but reads some pages better. Nothing else imports pdfplumber."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pdfplumber
from pdfminer.pdfexceptions import PDFException
from pdfplumber.page import Page
from pdfplumber.utils.exceptions import PdfminerException

from tripletkit.pdf.reader import Word, style_of, word_text

#: Gap between words in font sizes. pdfplumber's default, three points, glues words in most books.
TOLERANCE_RATIO = 0.15

_CID = re.compile(r"\(cid:\d+\)")


def read_words(path: Path, numbers: Iterable[int]) -> dict[int, list[Word]]:
    """Page number (1-based) → its words in file order; pages that pdfplumber cannot read are left out."""
    found: dict[int, list[Word]] = {}
    try:
        with pdfplumber.open(path) as document:
            for number in numbers:
                page = document.pages[number - 1]
                try:
                    found[number] = list(_words(page))
                except (PDFException, ValueError, KeyError, TypeError, IndexError):
                    # Not every page that PDFium reads badly can be read by pdfplumber.
                    continue
                finally:
                    page.close()
    except (PdfminerException, PDFException, IndexError, ValueError):
        return found
    return found


def _words(page: Page) -> Iterator[Word]:
    left, top = page.bbox[0], page.bbox[1]
    before: Word | None = None
    found = page.extract_words(
        x_tolerance_ratio=TOLERANCE_RATIO, use_text_flow=True, return_chars=True, extra_attrs=["fontname", "size"]
    )
    for held in found:
        text = word_text(_CID.sub("\ufffd", held["text"]))
        if not text:
            continue
        word = Word(
            text,
            x0=held["x0"] - left,
            x1=held["x1"] - left,
            top=held["top"] - top,
            bottom=held["bottom"] - top,
            baseline=page.height - held["chars"][0]["matrix"][5],
            size=round(held["size"], 2),
            style=style_of(held["fontname"], 400),
            space=True,
        )
        word.space = before is None or not _touches(before, word)
        yield word
        before = word


def _touches(before: Word, word: Word) -> bool:
    """Whether only a change of font, not a gap, parts two words."""
    near = -0.1 * word.size <= word.x0 - before.x1 < TOLERANCE_RATIO * max(before.size, word.size)
    return near and abs(before.baseline - word.baseline) < 0.6 * max(before.size, word.size)
