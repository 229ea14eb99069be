"""The role of each page: front, toc, body, glossary, index, bibliography or blank.

Three sources are combined, because each is wrong in some book: headings whose text is one of the rules' titles, the PDF's
outline, and the content of the lines. A labelled heading opens a span that the next heading of its size closes;
a page belongs to the span that covers nearly all of it. An index is recognised by its lines even without a title.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from statistics import median

from tripletkit.language.layout_words import (
    APPENDIX_LETTER,
    INDEX_ENTRY,
    INDEX_ENTRY_TAIL,
    NEVER_LAST,
    OPENING_TITLE,
    SEE,
)
from tripletkit.pdf.glossary_shapes import is_glossary
from tripletkit.pdf.headings import styled_headings
from tripletkit.pdf.lines import Line
from tripletkit.pdf.reader import Bookmark
from tripletkit.rules import Rules

#: Share of a page's letters that a span must hold to give the page its role.
COVERAGE = 0.9
#: Share of lines ending in page numbers from which a page looks like an index.
INDEX_SHARE = 0.55
#: An index without a title stands after this share of a book.
UNTITLED_FROM = 0.6
#: Share of lines that name a page from which a page is one of the contents, and below which the contents are over.
CONTENTS_SHARE, OVER_SHARE = 0.3, 0.12
#: Share of the lines of a bibliography, at least, that hold a year or an address.
CITED_SHARE = 0.05
#: Front matter does not go on past this share of a book.
FRONT_SHARE = 0.3

#: Labels of titles that say what all text of a section is.
SECTION_ROLES = ("exercise", "summary", "glossary", "bibliography")

_ROLES = ("front", "toc", "glossary", "index", "bibliography")
_LEADERS = re.compile(r"(?:\s?[.·_]){3,}")
_NUMBER_END = re.compile(r"\D[\s.](\d{1,4}|[ivxl]{1,6})$")  # of eight characters at most
_CITED = re.compile(r"\b(?:1[5-9]|20)\d\d|https?:|www\.|doi\b", re.IGNORECASE)
_ENTRY_START = re.compile(r"[\"'“‘(.\\$@%&#<-]{0,2}[^\W\d_]")


@dataclass(frozen=True)
class PageHeading:
    """A heading on a page: page index from 0, line index, size in points, label from the rules ("" if none)."""

    page: int
    line: int
    size: float
    label: str
    text: str


def page_roles(
    pages: Sequence[Sequence[Line]],
    outline: Sequence[Bookmark],
    *,
    labels: Sequence[str],
    body_size: float,
    rules: Rules,
) -> list[str]:
    """The role of each page; ``pages[i]`` holds the lines of physical page i + 1, furniture left out.

    ``labels`` are the pages' printed numbers, ``body_size`` the text's font size in points.
    """
    printed = page_headings(pages, body_size, rules)
    missing = _bookmarks_without_heading(outline, pages, printed, body_size, rules)
    headings = sorted([*printed, *missing], key=lambda h: (h.page, h.line))
    shares = [index_share(lines) for lines in pages]
    roles = _spanned(pages, headings)
    _settle_index(roles, shares, [len(lines) for lines in pages])
    _settle_glossaries(roles, pages)
    _settle_contents(roles, pages, {h.page for h in headings if h.label == "toc"})
    _settle_bibliographies(roles, pages)
    listing = {n for n, lines in enumerate(pages) if roles[n] == "toc" and _lists(lines)}
    _settle_front(roles, headings, labels, listing, rules)
    return roles


def title_label(text: str, rules: Rules) -> str | None:
    """The label that ``rules/titles`` gives a heading, its own number left aside; None if it gives none."""
    whole = " ".join(text.split()).strip(" .:*•–—-")
    if re.fullmatch(r"(\S )+\S", whole):  # letter-spaced: I N D E X
        whole = whole.replace(" ", "")
    label = rules.label("titles", whole)
    if label is None and (number := rules.starts("headings", whole)):
        label = rules.label("titles", whole[number.end() :].strip(" .:–—-"))
    if label is None and (letter := APPENDIX_LETTER.match(whole)):
        label = rules.label("titles", whole[letter.end() :])
    return label


def section_role(path: Sequence[str], rules: Rules) -> str | None:
    """What the nearest labelled heading says of a section: exercise, summary, glossary or bibliography; None if none does."""
    labels = (title_label(title, rules) for title in reversed(path))
    return next((label for label in labels if label in SECTION_ROLES), None)


def page_headings(pages: Sequence[Sequence[Line]], body_size: float, rules: Rules) -> list[PageHeading]:
    """Headings by their style, in order."""
    lines = list(chain.from_iterable(pages))
    starts = [0, *accumulate(map(len, pages))]
    found = ((lines[h.first].page - 1, h) for h in styled_headings(lines, body_size, rules))
    return [
        PageHeading(page, h.first - starts[page], h.size, title_label(h.title, rules) or "", h.title)
        for page, h in found
    ]


def _bookmarks_without_heading(
    outline: Sequence[Bookmark],
    pages: Sequence[Sequence[Line]],
    headings: Sequence[PageHeading],
    body_size: float,
    rules: Rules,
) -> Iterator[PageHeading]:
    """Labelled bookmarks whose heading was not found on their page or near it: it is an image, or set like text."""
    for mark in outline:
        page, label = mark.page - 1, title_label(mark.title, rules) or ""
        # Some bookmarks point a page or two beside their heading: then the heading is right.
        seen = any(h.page == page or (h.label == label and abs(h.page - page) <= 3) for h in headings)
        if label in _ROLES and page < len(pages) and not seen:
            line = sum(1 for line in pages[page] if mark.top is not None and line.bottom < mark.top - 2)
            yield PageHeading(page, line, 1.6 * body_size, label, mark.title)


def index_share(lines: Sequence[Line]) -> float:
    """Share of the lines that end in page numbers or a see-reference, if they are many and in order; else 0."""
    entries = [line for line in lines if _is_entry(line.text)]
    if len(lines) < 4 or len(entries) < 0.1 * len(lines):
        return 0.0
    # Contents name pages in rising order, an index does not.
    named = (re.findall(r"\d+", line.text) for line in entries)
    steps = list(pairwise(int(numbers[-1]) for numbers in named if numbers))
    rising = len(steps) >= 5 and sum(b >= a for a, b in steps) > 0.85 * len(steps)
    if rising or median(len(_LEADERS.sub(" ", line.text)) for line in lines) > 70 or not _in_order(lines):
        return 0.0
    return len(entries) / len(lines)


def _is_entry(text: str) -> bool:
    may_be = SEE in text or (text[-1] not in NEVER_LAST and INDEX_ENTRY_TAIL.search(text, len(text) - 4) is not None)
    return may_be and _ENTRY_START.match(text) is not None and INDEX_ENTRY.search(text) is not None


def _in_order(lines: Sequence[Line]) -> bool:
    """Whether first letters go up the alphabet; lines further in may not, so a majority decides."""
    letters = (line.text.lstrip("\"'“‘( .\\$@%&#<-").lower()[:1] for line in lines)
    steps = list(pairwise(letter for letter in letters if letter.isalpha()))
    same_or_next = sum(0 <= ord(b) - ord(a) <= 1 for a, b in steps)
    return len(steps) >= 3 and same_or_next >= 0.4 * len(steps)


def _spanned(pages: Sequence[Sequence[Line]], headings: Sequence[PageHeading]) -> list[str]:
    """Each page's role by the spans that labelled headings open; body where none covers it."""
    starts = {(h.page, h.line): h for h in headings}
    current: PageHeading | None = None
    roles = []
    for page, lines in enumerate(pages):
        held: Counter[str] = Counter()
        for at, line in enumerate(lines):
            heading = starts.get((page, at))
            if heading is not None and (current is None or heading.size >= 0.95 * current.size):
                current = heading if heading.label in _ROLES else None
            held[current.label if current is not None else "body"] += len(line.text)
        best, letters = held.most_common(1)[0] if held else ("body", 0)
        roles.append(best if letters >= COVERAGE * held.total() else "body")
    return roles


def _settle_index(roles: list[str], shares: Sequence[float], lengths: Sequence[int]) -> None:
    """Untitled indexes: full pages of index entries in the book's last part."""
    for first, last in _runs(roles, "index"):
        if max(shares[first:last]) < 0.25:  # a section named so: Index of refraction
            roles[first:last] = ["body"] * (last - first)
    for page in range(int(UNTITLED_FROM * len(roles)), len(roles)):
        if shares[page] >= INDEX_SHARE and lengths[page] >= 15 and roles[page] not in ("toc", "glossary"):
            roles[page] = "index"


def _settle_glossaries(roles: list[str], pages: Sequence[Sequence[Line]]) -> None:
    """Pages under a glossary's title that are not set like one are text; so is a glossary that is the book itself."""
    for first, last in _runs(roles, "glossary"):
        if last - first > 0.5 * len(roles) or not is_glossary(chain.from_iterable(pages[first:last])):
            roles[first:last] = ["body"] * (last - first)


def _runs(roles: Sequence[str], role: str) -> list[tuple[int, int]]:
    """(first, one after the last) of each run of pages with ``role``."""
    held = [False, *(one == role for one in roles), False]
    edges = [i for i, (before, here) in enumerate(pairwise(held)) if before != here]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _settle_contents(roles: list[str], pages: Sequence[Sequence[Line]], titled: Set[int]) -> None:
    """Contents end where their lines name no more pages, or prose begins: the chapters' headings may be smaller.

    ``titled``: the pages with a title such as "Contents" or "List of Symbols"; the latter name no pages at all.
    """
    for first, last in _runs(roles, "toc"):
        named = 0.0
        for page in range(first, last):
            share = _named_share(pages[page])
            if page == first or page in titled:
                named = share
            elif _is_prose(pages[page]) or (named >= CONTENTS_SHARE and share < OVER_SHARE and len(pages[page]) >= 5):
                roles[page:last] = ["body"] * (last - page)
                break
    for page in range(1, len(roles) - 1):  # an empty page between two of the contents
        if not pages[page] and roles[page - 1] == roles[page + 1] == "toc":
            roles[page] = "toc"


def _settle_bibliographies(roles: list[str], pages: Sequence[Sequence[Line]]) -> None:
    """A section that is called so may be about references, as of C++: it cites nothing."""
    for first, last in _runs(roles, "bibliography"):
        lines = list(chain.from_iterable(pages[first:last]))
        if sum(_CITED.search(line.text) is not None for line in lines) < CITED_SHARE * len(lines):
            roles[first:last] = ["body"] * (last - first)


def _named_share(lines: Sequence[Line]) -> float:
    """Share of the lines that end in a page's number, or have a leader to one."""
    named = (line.text.isdigit() or _names_page(line.text) or _LEADERS.search(line.text) for line in lines)
    return sum(map(bool, named)) / max(len(lines), 1)


def _lists(lines: Sequence[Line]) -> bool:
    return _named_share(lines) >= CONTENTS_SHARE


def _names_page(text: str) -> bool:
    return _NUMBER_END.search(text, max(len(text) - 8, 0)) is not None


def _is_prose(lines: Sequence[Line]) -> bool:
    """Whether most lines are words and reach as far as the page's longest line, and hardly one ends in a page number."""
    if len(lines) < 5 or any(_LEADERS.search(line.text) for line in lines):
        return False
    if sum(map(str.isalpha, text := "".join(line.text for line in lines))) < 0.6 * len(text):
        return False  # a list of exercises or figures by their numbers
    entries = sum(_names_page(line.text) for line in lines)
    edge = max(line.x1 for line in lines)
    full = sum(edge - line.x1 <= 2 * line.size for line in lines)
    return entries <= 0.15 * len(lines) and full >= 0.5 * len(lines)


def _settle_front(
    roles: list[str], headings: Sequence[PageHeading], labels: Sequence[str], listing: Set[int], rules: Rules
) -> None:
    """What stands before the page where the text proper begins is front matter, and nothing after it is.

    ``listing``: the pages of contents that list others, as those of a part do.
    """
    last = int(FRONT_SHARE * len(roles))
    # The first numbered heading outside the contents, or an introduction, else the first that is no front matter.
    outside = [h for h in headings if roles[h.page] not in ("toc", "front")]
    contents = max((page for page, role in enumerate(roles[:last]) if role == "toc"), default=0)
    numbered = (
        h.page
        for h in outside
        if rules.starts("headings", h.text)
        or (h.page > contents and labels[h.page].isdigit() and OPENING_TITLE.match(h.text))
    )
    # A chapter called Terminology is text, as any that its title says nothing of.
    plain = (h for h in outside if not h.label or (h.label == "glossary" and roles[h.page] == "body"))
    unlabelled = (h.page for h in plain if 0 < contents < h.page)
    start = next(chain(numbered, unlabelled), last + 1)
    # Roman numbers are for front matter: the text begins with page 1, or behind contents that stand after it.
    one = next((page for page, label in enumerate(labels[: last + 1]) if label == "1"), 0)
    first = start if start <= last else 0
    if one > 1 or (one and contents):
        first = max(one, contents + 1 if contents < first else 0)
    for page in range(first):
        if roles[page] == "body":
            roles[page] = "front"
    # A preface's span may run on where the first chapter's title was not seen as a heading.
    for page in range(first, len(roles)):
        if roles[page] in ("front", "toc") and page not in listing and page < FRONT_SHARE * len(roles) and first > 0:
            roles[page] = "body"
