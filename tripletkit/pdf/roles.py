"""What each page is for: front, toc, body, glossary, index, bibliography or blank.

Three sources, because each of them is wrong in some book: headings whose text is one of the rules' titles, the PDF's
outline, and what the lines themselves are like. A labelled heading opens a span that the next heading of its size
closes; a page belongs to the span that covers nearly all of it. An index is recognised by its lines even without a title.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise, zip_longest
from statistics import median

from tripletkit.language.layout_words import APPENDIX_LETTER, INDEX_ENTRY, INDEX_ENTRY_TAIL, NEVER_LAST, SEE
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
#: Front matter does not go on past this share of a book.
FRONT_SHARE = 0.3

#: Labels of titles that say what all text of a section is.
SECTION_ROLES = ("exercise", "summary", "glossary", "bibliography")

_ROLES = ("front", "toc", "glossary", "index", "bibliography")
_LEADERS = re.compile(r"(?:\s?[.·_]){3,}")
_NUMBER_END = re.compile(r"\D[\s.](\d{1,4}|[ivxl]{1,6})$")  # of eight characters at most
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
    headings = page_headings(pages, body_size, rules)
    headings = sorted(
        [*headings, *_bookmarks_without_heading(pages, outline, headings, body_size, rules)],
        key=lambda h: (h.page, h.line),
    )
    shares = [index_share(lines) for lines in pages]
    roles = _spanned(pages, headings)
    _settle_index(roles, shares, [len(lines) for lines in pages])
    _settle_contents(roles, pages, shares)
    _settle_front(roles, first_chapter(outline, headings, roles, labels, rules))
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
    """Headings by their style, and labelled titles on one line that is bold or in capitals; in order."""
    lines = list(chain.from_iterable(pages))
    starts = [0, *accumulate(map(len, pages))]
    found = {heading.first: (heading.size, heading.title) for heading in styled_headings(lines, body_size, rules)}
    for i, line in enumerate(lines):
        if i not in found and line.size >= 0.95 * body_size and _stressed(line) and title_label(line.text, rules):
            found[i] = line.size, line.text
    return [
        PageHeading(lines[i].page - 1, i - starts[lines[i].page - 1], size, title_label(text, rules) or "", text)
        for i, (size, text) in sorted(found.items())
    ]


def _stressed(line: Line) -> bool:
    return not line.styles.strip("bz") or line.text.isupper()


def _bookmarks_without_heading(
    pages: Sequence[Sequence[Line]],
    outline: Sequence[Bookmark],
    headings: Sequence[PageHeading],
    body_size: float,
    rules: Rules,
) -> list[PageHeading]:
    """Top-level or labelled bookmarks whose heading was not found on their page (it is an image, or set like text)."""
    busy = {heading.page for heading in headings}
    titled: dict[str, list[int]] = defaultdict(list)
    for heading in headings:
        titled[heading.label].append(heading.page)
    missing = []
    for mark in outline:
        page = mark.page - 1
        label = title_label(mark.title, rules) or ""
        if not 0 <= page < len(pages) or not (mark.level == 0 or label in _ROLES) or page in busy:
            continue
        # Some bookmarks point a page or two beside their heading: then the heading is right.
        if label and any(abs(other - page) <= 3 for other in titled[label]):
            continue
        line = sum(1 for line in pages[page] if mark.top is not None and line.bottom < mark.top - 2)
        missing.append(PageHeading(page, line, body_size * (1.6 if mark.level == 0 else 1.3), label, mark.title))
    return missing


def index_share(lines: Sequence[Line]) -> float:
    """Share of the lines that end in page numbers or a see-reference, if they are many and in order; else 0."""
    entries = [line for line in lines if _is_entry(line.text)]
    if len(lines) < 4 or len(entries) < 0.1 * len(lines):
        return 0.0
    if median(len(_LEADERS.sub(" ", line.text)) for line in lines) > 70 or _rising(entries):
        return 0.0
    return len(entries) / len(lines) if _in_order(lines) else 0.0


def _is_entry(text: str) -> bool:
    if SEE not in text and (text[-1] in NEVER_LAST or INDEX_ENTRY_TAIL.search(text, len(text) - 4) is None):
        return False
    return _ENTRY_START.match(text) is not None and INDEX_ENTRY.search(text) is not None


def _rising(entries: Sequence[Line]) -> bool:
    """Contents name pages in rising order, an index does not."""
    numbers = [int(found[-1]) for line in entries if (found := re.findall(r"\d+", line.text))]
    steps = list(pairwise(numbers))
    return len(steps) >= 5 and sum(b >= a for a, b in steps) > 0.85 * len(steps)


def _in_order(lines: Sequence[Line]) -> bool:
    """Whether first letters go up the alphabet; lines further in may not, so a majority decides."""
    letters = [line.text.lstrip("\"'“‘( .\\$@%&#<-").lower()[:1] for line in lines]
    letters = [letter for letter in letters if letter.isalpha()]
    steps = list(pairwise(letters))
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
            if heading is not None and _opens(heading, current):
                current = heading if heading.label in _ROLES else None
            held[current.label if current is not None else "body"] += len(line.text)
        best, letters = held.most_common(1)[0] if held else ("body", 0)
        # Reading order may put a title in a right-hand column behind the left-hand one, on the page that it opens.
        title = next((h for h in headings if h.page == page and h.label in _ROLES and _on_top(h, lines)), None)
        if title is not None and _is_main_heading(title, headings):
            roles.append(title.label)
        else:
            roles.append(best if letters >= COVERAGE * held.total() else "body")
    return roles


def _opens(heading: PageHeading, current: PageHeading | None) -> bool:
    return current is None or heading.size >= 0.95 * current.size


def _on_top(heading: PageHeading, lines: Sequence[Line]) -> bool:
    """Whether the page begins with the heading: only a running head above it, and no other column beside it."""
    if heading.line >= len(lines):
        return heading.line == 0
    own = lines[heading.line]
    above = [line for line in lines if line.bottom < own.top]
    beside = [line for line in lines if line is not own and line.top < own.bottom and line.bottom >= own.top]
    return sum(len(line.text) for line in above) <= 80 and not beside


def _is_main_heading(title: PageHeading, headings: Sequence[PageHeading]) -> bool:
    """Whether the title's page has no other heading that is as big."""
    return not any(
        h.page == title.page and h.line != title.line and h.size >= 0.95 * title.size and h.label != title.label
        for h in headings
    )


def _settle_index(roles: list[str], shares: Sequence[float], lengths: Sequence[int]) -> None:
    """Untitled indexes: full pages of index entries in the book's last part. A titled index ends where entries end."""
    for first, last in _runs(roles, "index"):
        if max(shares[first:last]) < 0.25:  # a section named so: Index of refraction
            roles[first:last] = ["body"] * (last - first)
    for page, share in enumerate(shares):
        if roles[page] == "index":
            opened = page == 0 or roles[page - 1] != "index"
            if share < 0.15 and not opened and lengths[page] > 5:
                roles[page] = "body"
        elif (
            share >= INDEX_SHARE and lengths[page] >= 15 and page >= UNTITLED_FROM * len(roles) and roles[page] != "toc"
        ):
            roles[page] = "index"
    for page in range(1, len(roles)):  # an index's short last page
        if roles[page] == "body" and roles[page - 1] == "index" and shares[page] >= INDEX_SHARE:
            roles[page] = "index"


def _runs(roles: Sequence[str], role: str) -> list[tuple[int, int]]:
    """(first, one after the last) of each run of pages with ``role``."""
    edges = [
        i for i in range(len(roles) + 1) if (i < len(roles) and roles[i] == role) != (i > 0 and roles[i - 1] == role)
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _settle_contents(roles: list[str], pages: Sequence[Sequence[Line]], shares: Sequence[float]) -> None:
    """Untitled contents in the first part of a book: most lines end in a number, and the numbers rise.

    Titled contents end where prose begins: the chapters' own headings may be set smaller than their title.
    """
    for first, last in _runs(roles, "toc"):
        prose = next((page for page in range(first + 1, last) if _is_prose(pages[page])), last)
        roles[prose:last] = ["body"] * (last - prose)
    for page in range(1, len(roles) - 1):  # an empty page between two of the contents
        if not pages[page] and roles[page - 1] == roles[page + 1] == "toc":
            roles[page] = "toc"
    for page, lines in enumerate(pages[: int(FRONT_SHARE * len(pages)) + 1]):
        entries = [line for line in lines if _NUMBER_END.search(line.text, max(len(line.text) - 8, 0))]
        if (
            roles[page] in ("body", "front")
            and len(entries) >= 8
            and len(entries) >= 0.7 * len(lines)
            and _rising(entries)
        ):
            roles[page] = "toc"


def _is_prose(lines: Sequence[Line]) -> bool:
    """Whether most lines are words and reach as far as the page's longest line, and hardly one ends in a page number."""
    if len(lines) < 5 or any(_LEADERS.search(line.text) for line in lines):
        return False
    if sum(map(str.isalpha, text := "".join(line.text for line in lines))) < 0.6 * len(text):
        return False  # a list of exercises or figures by their numbers
    entries = sum(_NUMBER_END.search(line.text, max(len(line.text) - 8, 0)) is not None for line in lines)
    edge = max(line.x1 for line in lines)
    full = sum(edge - line.x1 <= 2 * line.size for line in lines)
    return entries <= 0.15 * len(lines) and full >= 0.5 * len(lines)


def first_chapter(
    outline: Sequence[Bookmark],
    headings: Sequence[PageHeading],
    roles: Sequence[str],
    labels: Sequence[str],
    rules: Rules,
) -> int:
    """Index of the page where the text proper begins; 0 if nothing tells front matter apart."""
    last = int(FRONT_SHARE * len(roles))
    found = (_first_bookmark(outline, rules), _first_heading(headings, roles, rules))
    start = next((page for page in found if page is not None and page <= last), 0)
    # Roman numbers are for front matter: the text begins with page 1, or later.
    return max(start, next((page for page, label in enumerate(labels[: last + 1]) if label == "1"), 0))


def _first_bookmark(outline: Sequence[Bookmark], rules: Rules) -> int | None:
    """The first bookmark that has others below it, or a number, and is no preface or contents."""
    inside = -1  # level of a front-matter bookmark whose children are front matter too
    for mark, after in zip_longest(outline, outline[1:]):
        if inside >= 0 and mark.level > inside:
            continue
        inside = -1
        if title_label(mark.title, rules) in ("front", "toc"):
            inside = mark.level
            continue
        parent = after is not None and after.level > mark.level and after.page >= mark.page
        if parent or rules.starts("headings", mark.title):
            return mark.page - 1
    return None


def _first_heading(headings: Sequence[PageHeading], roles: Sequence[str], rules: Rules) -> int | None:
    """The first numbered heading outside the contents, else the first heading after them that is no front matter."""
    outside = [h for h in headings if roles[h.page] not in ("toc", "front")]
    numbered = next((h.page for h in outside if rules.starts("headings", h.text)), None)
    if numbered is not None:
        return numbered
    contents = [page for page, role in enumerate(roles[: int(FRONT_SHARE * len(roles))]) if role == "toc"]
    return next((h.page for h in outside if contents and h.page > contents[-1] and not h.label), None)


def _settle_front(roles: list[str], first: int) -> None:
    for page in range(first):
        if roles[page] == "body":
            roles[page] = "front"
    # A preface's span may run on where the first chapter's title was not seen as a heading.
    for page in range(first, len(roles)):
        if roles[page] in ("front", "toc") and page < FRONT_SHARE * len(roles) and first > 0:
            roles[page] = "body"


# For terms/ until it reads the kinds of lines: delete from here to the end, with numbers.py.
_NUMBER = re.compile(r"\b(\d+|[ivxlc]+)\b")


@dataclass(frozen=True)
class Heading(PageHeading):
    """The same."""


def running_heads(pages: Sequence[Sequence[Line]], least: int = 3) -> frozenset[str]:
    """Texts, digits left out, that stand at the top or foot of at least so many pages."""
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update({_undigited(line.text) for line in edge_lines(lines)})
    return frozenset(text for text, count in seen.items() if count >= least)


def edge_lines(lines: Sequence[Line], most: int = 2) -> list[Line]:
    """The lines on the page's ``most`` highest and lowest baselines."""
    rounded = [round(line.baseline) for line in lines]
    baselines = sorted(set(rounded))
    edges = {*baselines[:most], *baselines[-most:]}
    return [line for line, baseline in zip(lines, rounded, strict=True) if baseline in edges]


def _undigited(text: str) -> str:
    return _NUMBER.sub("", text.lower()).strip()


def find_headings(
    pages: Sequence[Sequence[Line]], heads: frozenset[str], body_size: float, rules: Rules
) -> list[Heading]:
    """Lines set bigger than the text, and labelled titles set bold or in capitals; running heads are neither."""
    found = []
    for page, lines in enumerate(pages):
        edges = {id(line) for line in edge_lines(lines)}
        for at, line in enumerate(lines):
            big = line.size >= 1.15 * body_size
            if not big and not (line.size >= 0.95 * body_size and _stressed(line)):
                continue
            if len(line.text) > 100 or sum(map(str.isalpha, line.text)) < 3:
                continue
            if not big and id(line) in edges and _undigited(line.text) in heads:
                continue
            label = title_label(line.text, rules) or ""
            if big or label:
                found.append(Heading(page, at, line.size, label, line.text))
    return found
