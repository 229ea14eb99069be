"""A book's PDF → rows of its pages, lines and passages: the whole of extraction for one file, without any writing.

Each fact of the layout is worked out once, in this order, and handed on: text size, furniture, page labels and roles;
then, for the pages of the body, columns' edges, vocabulary, headings, kinds of lines, paragraphs and passages.
"""

from __future__ import annotations

import gc
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tripletkit.encoding.tokens import CountTokens, token_counter
from tripletkit.errors import REPORT, SourceError, TripletkitError
from tripletkit.ids import stable_id
from tripletkit.pdf.furniture import find_furniture, page_labels
from tripletkit.pdf.glossary_shapes import is_glossary
from tripletkit.pdf.glyphs import Frame
from tripletkit.pdf.headings import (
    PART_PAGE_LINES,
    PATH_MARK,
    book_entries,
    chapter_outlines,
    contents_entries,
    find_headings,
    heading_lines,
    section_paths,
)
from tripletkit.pdf.kinds import line_kinds, open_lone_frames, text_metrics, text_size, with_column_edges
from tripletkit.pdf.lines import Line
from tripletkit.pdf.pages import NOT_SAMPLED, UNSUPPORTED, Part, RawBook, read_book
from tripletkit.pdf.paragraphs import (
    Paragraph,
    book_vocabulary,
    lines_to_paragraphs,
    margin_notes,
    settle_paragraphs,
)
from tripletkit.pdf.passages import Passage, paragraphs_to_passages
from tripletkit.pdf.raised import with_carets
from tripletkit.pdf.reader import Bookmark
from tripletkit.pdf.roles import page_roles, section_role, title_label
from tripletkit.pdf.workers import (
    FAULT,
    UNREAD_PAGE,
    BookTables,
    BookTask,
    Columns,
    PassageLimits,
    Rows,
    begin_step,
    describe_fault,
)
from tripletkit.rules import Rules

#: Furniture in letters this much bigger than the text's is shown to the search for page roles: it may be a title.
HEADING_RATIO = 1.12
#: Titles of headings, chapter first.
SectionPath = tuple[str, ...]
#: Page roles that the user sets: first page, last page (from 1), role.
SetRoles = Sequence[tuple[int, int, str]]
_LINE_VALUES = (
    "page", "column", "text", "styles", "x0", "x1", "top", "bottom", "baseline", "size", "col_x0", "col_x1", "gap_word",
)  # fmt: skip
_BOX = ("page", *Frame._fields)


def read_book_task(task: BookTask) -> BookTables | str:
    """The book's tables, or an error message if it cannot be read. Worker processes call this."""
    gc.disable()  # a book makes a million objects and no cycles; looking for cycles takes a tenth of the time
    try:
        count = token_counter(task.encoder) if task.encoder else _count_words
        return extract_book(
            task.file,
            book_id=task.book_id,
            limits=task.limits,
            count_tokens=count,
            rules=task.rules,
            backend=task.backend,
            roles=task.roles,
            raised_signs=task.raised_signs,
            skip=task.skip,
            sample=task.sample,
        )
    except TripletkitError as error:
        return str(error)
    finally:
        gc.enable()


def _count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def extract_book(
    path: Path,
    *,
    book_id: str,
    limits: PassageLimits,
    count_tokens: CountTokens,
    rules: Rules,
    backend: str = "pdfium",
    roles: SetRoles = (),
    raised_signs: str = "unicode",
    skip: Mapping[str, str] = MappingProxyType({}),
    sample: int = 0,
) -> BookTables:
    """Everything that extraction knows of one book. ``count_tokens`` includes the encoder's special tokens.

    ``backend`` is pdfium or pdfplumber, ``raised_signs`` unicode (10¹²) or caret (10^12). ``roles`` are set; such pages
    are read though their text looks unusable. ``skip`` and ``sample`` as for `read_book`. Raises SourceError for a file of
    which no page has text that can be read.
    """
    book = _trusting(read_book(path, backend, skip=skip, sample=sample), roles)
    _refuse_without_text(path, book)
    if raised_signs == "caret":
        for line in chain.from_iterable(book.lines):
            line.text = with_carets(line.text)
    begin_step("layout", timed=False)
    book, marked, passages = _Layout(limits, count_tokens, rules, roles).without_faults(book)
    rows, repeated = _passage_rows(passages, marked.labels, book_id)
    faults = [*(page.fault for page in book.pages), *(part.fault for part in book.parts)]
    return BookTables(
        title=book.title or path.stem,
        pages=[
            {"book_id": book_id, "page": page.number, "label": label, "role": role, "chars": page.chars}
            for page, label, role in zip(book.pages, marked.labels, marked.roles, strict=True)
        ],
        lines=_line_columns(book, marked, book_id),
        passages=rows,
        dropped=[*_dropped_parts(book, book_id), *_dropped_pages(book, marked, book_id), *repeated],
        faults=tuple(dict.fromkeys(filter(None, faults))),
    )


def _trusting(book: RawBook, roles: SetRoles) -> RawBook:
    """The book without complaints about pages whose role is set."""
    named = [any(first <= page.number <= last for first, last, _ in roles) for page in book.pages]
    if not any(named):
        return book
    pages = [replace(page, complaint=None) if held else page for page, held in zip(book.pages, named, strict=True)]
    return replace(book, pages=pages)


def _refuse_without_text(path: Path, book: RawBook) -> None:
    """Raise SourceError for a book of which no page has text that can be read."""
    pages = [page for page in book.pages if page.unread != NOT_SAMPLED]
    if any(page.chars and page.complaint is None for page in pages):
        return
    of_them = f"of its {len(pages)} pages" if len(pages) == len(book.pages) else f"of {len(pages)} sample pages"
    if reasons := Counter(filter(None, (page.unread or page.complaint for page in pages))):
        why, times = reasons.most_common(1)[0]
        hint = "tripletkit is made for English books." if why == UNSUPPORTED else "OCR may help: ocrmypdf --force-ocr."
        hint = REPORT if any(page.fault for page in pages) else f"{hint} To read it all the same, set extract.roles."
        raise SourceError(f"{path}: none {of_them} can be read; {times:,} of them: {why}", hint)
    what = "image-only" if any(page.images for page in pages) else "drawings only or empty"
    hint = "Run OCR on it first, for example: ocrmypdf BOOK.pdf BOOK-ocr.pdf"
    raise SourceError(f"{path}: {what}, none {of_them} has a text layer", hint)


@dataclass(frozen=True)
class _Layout:
    """How a book is laid out and cut into passages; what ends in a fault of ours costs its own part of the book alone."""

    limits: PassageLimits
    count_tokens: CountTokens
    rules: Rules
    roles: SetRoles

    def without_faults(self, book: RawBook) -> tuple[RawBook, MarkedBook, list[Passage]]:
        """The book without its outline, or without single pages, where they end in a fault; its layout and passages."""
        tried = self._tried(book)
        if isinstance(tried, _Fault) and book.outline:
            bare = replace(book, outline=[], parts=(*book.parts, Part("outline not read", "outline", *tried)))
            again = self._tried(bare)
            book, tried = (book, tried) if isinstance(again, _Fault) else (bare, again)
        if isinstance(tried, _Fault):
            book = book.without(self._faulty_pages(book, range(len(book.pages))))
            tried = self._of(book)
        return book, *tried

    def _of(self, book: RawBook) -> tuple[MarkedBook, list[Passage]]:
        marked = mark_book(book, self.rules, self.roles)
        abbreviations = self.rules.words("abbreviations")
        return marked, paragraphs_to_passages(marked.paragraphs, self.limits, self.count_tokens, abbreviations)

    def _tried(self, book: RawBook) -> tuple[MarkedBook, list[Passage]] | _Fault:
        try:
            return self._of(book)
        except MemoryError:
            raise
        except Exception as error:  # other parts of the book can be read
            return _Fault(FAULT.format(describe_fault(error)), traceback.format_exc())

    def _faulty_pages(self, book: RawBook, indexes: Sequence[int]) -> dict[int, tuple[str, str]]:
        """The fault of each page (by index) that ends in one, found by halves."""
        others = dict.fromkeys(set(range(len(book.pages))) - set(indexes), ("", ""))
        tried = self._tried(book.without(others))
        if not isinstance(tried, _Fault):
            return {}
        if len(indexes) == 1:
            return {indexes[0]: tried}
        middle = len(indexes) // 2
        return self._faulty_pages(book, indexes[:middle]) | self._faulty_pages(book, indexes[middle:])


class _Fault(NamedTuple):
    """A fault of ours: what it is, and its traceback."""

    why: str
    traceback: str


def _line_columns(book: RawBook, marked: MarkedBook, book_id: str) -> Columns:
    lines = [line for page in book.lines for line in page]
    return {
        "book_id": [book_id] * len(lines),
        "line": [i for page in book.lines for i in range(len(page))],
        "kind": [kind for kinds in marked.kinds for kind in kinds],
        **{name: list(map(attrgetter(name), lines)) for name in _LINE_VALUES},
    }


def _passage_rows(passages: list[Passage], labels: list[str], book_id: str) -> tuple[Rows, Rows]:
    """Rows of passages, and of those left out because the same text was there before."""
    rows: Rows = []
    dropped: Rows = []
    first: dict[str, str] = {}
    for passage in passages:
        if passage.text in first:
            same = first[passage.text]
            dropped.append(_dropped(book_id, passage.page_first, "repeated text", passage.text, related=same))
            continue
        first[passage.text] = stable_id("p", book_id, passage.text)
        ids = {"passage_id": first[passage.text], "book_id": book_id, "section": PATH_MARK.join(passage.path) or None}
        pages = {"page_first": passage.page_first, "page_last": passage.page_last}
        printed = {f"label_{end}": labels[pages[f"page_{end}"] - 1] for end in ("first", "last")}
        text = {"kind": passage.kind, "text": passage.text, "n_tokens": passage.n_tokens}
        boxes = [dict(zip(_BOX, (place.page, *place.box), strict=True)) for place in passage.places if place.box]
        rows.append({**ids, **pages, **printed, **text, "boxes": boxes})
    return rows, dropped


def _dropped_parts(book: RawBook, book_id: str) -> Iterator[dict[str, object]]:
    """Parts of the book other than pages that could not be read."""
    for part in book.parts:
        item = f"{book_id} {part.item}"
        yield {"stage": "extract", "item": item, "related": None, "reason": part.reason, "detail": part.why}


def _dropped_pages(book: RawBook, marked: MarkedBook, book_id: str) -> Iterator[dict[str, object]]:
    """Pages that could not be read, or whose text is missing, unreadable, or not PDFium's."""
    for page, role in zip(book.pages, marked.roles, strict=True):
        if page.unread and page.unread != NOT_SAMPLED:
            yield _dropped(book_id, page.number, UNREAD_PAGE, page.unread)
        if page.again:
            yield _dropped(book_id, page.number, "first reading of page", "pdfplumber reads it better")
        if role == "image_only":
            yield _dropped(book_id, page.number, "image-only page", "no text layer")
        if page.complaint is not None:
            yield _dropped(book_id, page.number, "unreadable page", page.complaint)


def _dropped(book_id: str, page: int, reason: str, detail: str, *, related: str | None = None) -> dict[str, object]:
    item = f"{book_id} page {page}"
    return {"stage": "extract", "item": item, "related": related, "reason": reason, "detail": detail}


@dataclass(frozen=True)
class PageFacts:
    """A book's text size in points, the label and role of each page, and its furniture as (page, line) indexes."""

    text_size: float
    labels: list[str]
    roles: list[str]
    furniture: set[tuple[int, int]]


@dataclass(frozen=True)
class MarkedBook:
    """Labels and roles of pages, one kind per line of each page, and the paragraphs of the body."""

    labels: list[str]
    roles: list[str]
    kinds: list[list[str]]
    paragraphs: list[Paragraph]


def mark_book(book: RawBook, rules: Rules, roles: SetRoles = ()) -> MarkedBook:
    """Labels, roles, line kinds and paragraphs of a book. ``roles`` are set: first page, last page (from 1), role."""
    facts = page_facts(book, rules, roles)
    kinds = [
        [
            "furniture" if (n, i) in facts.furniture else "margin" if line.margin else "prose"
            for i, line in enumerate(lines)
        ]
        for n, lines in enumerate(book.lines)
    ]
    places = _text_places(book, facts, "body")
    body_kinds, paragraphs = _mark_body(book, facts, places, rules)
    for (n, i), kind in zip(places, body_kinds, strict=True):
        kinds[n][i] = kind
    return MarkedBook(facts.labels, facts.roles, kinds, paragraphs)


def page_facts(book: RawBook, rules: Rules, set_roles: SetRoles = ()) -> PageFacts:
    """Text size, furniture, labels and roles of the pages, found before single lines are classified."""
    # Asides and what stands in the margin come behind the text of their page: indexes stay the same.
    pages = [[line for line in lines if not (line.aside or line.margin)] for lines in book.lines]
    size = text_size(pages)
    rows = find_furniture(pages, [page.height for page in book.pages], size)
    furniture = {(row.page, i) for page in rows for row in page for i in row.lines}
    furniture |= {(n, i) for n, lines in enumerate(book.lines) for i, line in enumerate(lines) if line.aside}
    labels = page_labels([page.label for page in book.pages], [[row.text for row in page] for page in rows])
    # A title whose number is the page's, such as "1 Soil" on page 1, counts as furniture; it opens a chapter all the same.
    small = {(row.page, i) for page in rows for row in page if row.size < HEADING_RATIO * size for i in row.lines}
    text = [[line for i, line in enumerate(lines) if (n, i) not in small] for n, lines in enumerate(pages)]
    roles = page_roles(text, book.outline, labels=labels, body_size=size, rules=rules)
    for first, last, role in set_roles:
        roles[first - 1 : last] = [role] * len(roles[first - 1 : last])
    for n, page in enumerate(book.pages):
        if not page.lines:
            roles[n] = "unread" if page.unread else "image_only" if page.images and not page.chars else "blank"
    return PageFacts(size, labels, roles, furniture)


def _text_places(book: RawBook, facts: PageFacts, role: str) -> list[tuple[int, int]]:
    """(page, line) indexes of the readable text on pages of one role, in order."""
    return [
        (n, i)
        for n, page in enumerate(book.pages)
        if facts.roles[n] == role and page.complaint is None
        for i, line in enumerate(page.lines)
        if (n, i) not in facts.furniture and not line.margin
    ]


def _mark_body(
    book: RawBook, facts: PageFacts, places: Sequence[tuple[int, int]], rules: Rules
) -> tuple[list[str], list[Paragraph]]:
    """One kind per line of the body, and its paragraphs with their sections."""
    lines = with_column_edges([book.lines[n][i] for n, i in places], facts.text_size)
    open_lone_frames(lines)
    metrics = text_metrics(lines, facts.text_size)
    vocabulary = book_vocabulary(line.text for line in lines)
    entries = _entries(book, facts, lines, rules)
    headings = find_headings(lines, entries, body_size=facts.text_size, vocabulary=vocabulary, rules=rules)
    kinds = line_kinds(lines, heading_lines(headings), metrics, rules)
    paths = section_paths(len(lines), headings)
    paragraphs = lines_to_paragraphs(lines, kinds, paths, metrics=metrics, vocabulary=vocabulary, rules=rules)
    settle_paragraphs(paragraphs, lines, _section_roles(paths, lines, rules), metrics=metrics, rules=rules)
    for paragraph in paragraphs:
        for i in paragraph.lines:
            kinds[i] = paragraph.kind if kinds[i] == "prose" else kinds[i]
    margin = [line for n, _ in dict.fromkeys((n, 0) for n, _ in places) for line in book.lines[n] if line.margin]
    notes = margin_notes(margin, lines, paths, vocabulary)
    return kinds, [*paragraphs, *chapter_outlines(headings, paths, lines), *notes]


def _section_roles(paths: Sequence[SectionPath], lines: Sequence[Line], rules: Rules) -> dict[SectionPath, str | None]:
    """What headings say of each section. One under a glossary's title that is not set like a glossary is text."""
    roles = {path: section_role(path, rules) for path in set(paths)}
    titled: dict[SectionPath, SectionPath] = {}  # with the sections under it
    for path in (path for path, role in roles.items() if role == "glossary"):
        last = max(at for at, title in enumerate(path) if title_label(title, rules) == "glossary")
        titled[path] = path[: last + 1]
    held: dict[SectionPath, list[Line]] = {}
    for path, line in zip(paths, lines, strict=True):
        if path in titled:
            held.setdefault(titled[path], []).append(line)
    text = {title for title, own in held.items() if not is_glossary(own)}
    return {path: None if titled.get(path) in text else role for path, role in roles.items()}


def _entries(book: RawBook, facts: PageFacts, body: Sequence[Line], rules: Rules) -> list[Bookmark]:
    """Chapters and sections that start on pages of the body, by outline or printed contents."""
    contents = [book.lines[n][i] for n, i in _text_places(book, facts, "toc")]
    # The contents' own title is no part of the first entry.
    contents = [line for line in contents if title_label(line.text, rules) != "toc"]
    pages_of: dict[str, list[int]] = {}
    for number, label in enumerate(facts.labels, 1):
        pages_of.setdefault(label, []).append(number)
    texts: dict[int, list[str]] = {}
    for line in body:
        texts.setdefault(line.page, []).append(line.text)
    first_texts = {page: held[0] for page, held in texts.items() if len(held) <= PART_PAGE_LINES}
    entries = book_entries(book.outline, contents_entries(contents, pages_of), first_texts)
    return [entry for entry in entries if facts.roles[entry.page - 1] == "body"]
