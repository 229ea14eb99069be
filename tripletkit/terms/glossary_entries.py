"""Glossaries → terms with their definitions, whole over lines, columns and pages.

Where a glossary stands is told by its title, or by its role if a whole page is one; how it is printed, by
``pdf.glossary_shapes``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from tripletkit.language import term_words as english
from tripletkit.pdf.glossary_shapes import Draft, Reading, read_entries
from tripletkit.pdf.lines import Line
from tripletkit.pdf.roles import title_label
from tripletkit.rules import Rules
from tripletkit.terms.book_text import Book, Labels, Span, plausible_locators
from tripletkit.terms.columns import Leftover, lines_to_rows

#: A glossary without a title stands after this share of a book, and has so many entries.
UNTITLED_FROM, FEWEST_UNTITLED = 0.6, 10
#: Shapes that lists of commands, options and sections have as well.
NOT_UNTITLED = ("monospaced terms", "terms as headings", "terms in capitals")
#: Dots between a definition and its pages; page numbers at its end, where a glossary has them throughout.
_LEADERS = re.compile(r"(?:\s[.·…]){2,}\s*$|\s*(?:[.·…]\s?){4,}$")
_PAGES_LAST = re.compile(r"(?P<text>.*?)(?:\s[.·…])*[\s,]+(?P<list>\d[\d,;\s–-]*)$")
_DOTTED = re.compile(r"\d+(?:\.\d+)+(?=\.?\s)")
#: Kinds of line that stand between a definition's lines and are no part of it.
_NOT_TEXT = ("footnote", "caption")


@dataclass(frozen=True)
class GlossarySection:
    """A glossary's lines by physical page, and the heading it stands under ("" for pages without one)."""

    title: str
    page: int
    pages: dict[int, list[Line]]
    untitled: bool = False  # found by its look: it must be surely one


@dataclass(frozen=True)
class Definition:
    """A glossary entry. ``see`` is set where the definition only refers to another term, ``shape`` says how it is set."""

    term: str
    text: str
    forms: tuple[str, ...] = ()
    see: str = ""
    locators: tuple[Span, ...] = ()
    shape: str = ""


def parse_glossaries(book: Book, rules: Rules) -> tuple[list[Definition], list[Leftover]]:
    """Every glossary's entries in order, and the lines under a glossary's title that gave none."""
    found: list[Definition] = []
    left: list[Leftover] = []
    sections = glossary_sections(book, rules)
    # One section is often too short to show the book's columns: all pages that hold any are looked at together.
    around = {page: book.pages[page - 1] for section in sections for page in section.pages}
    rows_of = [lines_to_rows(section.pages, around) for section in sections]
    untitled = untitled_sections(book, around.keys())
    sections += untitled
    rows_of += [lines_to_rows(section.pages) for section in untitled]
    readings = [read_entries(rows) for rows in rows_of]
    shapes = Counter(reading.shape for reading in readings if reading is not None)
    usual = next((shape for shape, _ in shapes.most_common(1)), "")
    for section, rows, own in zip(sections, rows_of, readings, strict=True):
        reading = own or (read_entries(rows, usual) if usual and not section.untitled else None)
        if section.untitled and not (reading and _is_sure(reading)):
            continue
        if reading is None:
            reason = f"no glossary entries recognised in {len(rows)} lines"
            left.append(Leftover(section.title or rows[0].text, section.page, reason))
            continue
        listed = _end_in_pages([" ".join(draft.lines) for draft in reading.drafts], book.labels)
        for draft in reading.drafts:
            entry = _definition(draft, book, listed=listed)
            if entry is None:
                left.append(Leftover(" ".join(draft.term), draft.page, "glossary entry without a term or definition"))
            else:
                found.append(replace(entry, shape=reading.shape))
        left += [Leftover(row.text, row.page, "text before the first entry of the glossary") for row in reading.before]
        left += [Leftover(row.text, row.page, "text after the last entry of the glossary") for row in reading.after]
    return _without_shared_locators(found), left


def glossary_sections(book: Book, rules: Rules) -> list[GlossarySection]:
    """Every glossary in page order: whole pages at the book's back, and sections that close a chapter, without headings."""
    sections: list[GlossarySection] = []
    opened: Line | None = None
    closed = -1  # the page on which a glossary ended
    for page, lines in enumerate(book.pages):
        role = book.roles[page]
        if role in ("toc", "index", "bibliography", "blank", "unread"):
            opened = None
            continue
        if role == "glossary" and opened is None and (page == 0 or book.roles[page - 1] != "glossary"):
            sections.append(GlossarySection("", page + 1, {}))
        size = median([line.size for line in lines] or [0.0])
        for line, kind in zip(lines, book.kinds[page], strict=True):
            label = _heading_label(line, kind, role, rules, size)
            if label == "glossary" and (opened is None or _ends(opened, line, rules) or _depth(line.text, rules)):
                opened = line
                sections.append(GlossarySection(line.text, page + 1, {}))
            elif opened is not None and (_is_next(opened, line) or (label is not None and _ends(opened, line, rules))):
                opened, closed = None, page
            elif kind not in _NOT_TEXT and (opened is not None or (role == "glossary" and closed < page)) and sections:
                sections[-1].pages.setdefault(page + 1, []).append(line)
    return [section for section in sections if section.pages]


def untitled_sections(book: Book, known: Set[int]) -> list[GlossarySection]:
    """Runs of pages in the book's last part that look like a glossary; ``known`` pages (from 1) have a title."""
    sections: list[GlossarySection] = []
    last = -2
    for page in range(int(UNTITLED_FROM * len(book.pages)), len(book.pages)):
        lines = [line for line in book.pages[page] if len(line.text) > 1]
        fewest = 1 if page == last + 1 and len(lines) <= 15 else 3  # its last page may hold an entry or two
        if book.roles[page] != "body" or page + 1 in known or not _is_alphabetical(lines, fewest):
            continue
        if page != last + 1 or not sections:
            sections.append(GlossarySection("", page + 1, {}, untitled=True))
        sections[-1].pages[page + 1] = lines
        last = page
    return sections


def _is_alphabetical(lines: Sequence[Line], fewest: int) -> bool:
    """Whether lines that begin in bold or italics, or further left than others, are in the order of the alphabet."""
    stressed = [line for line in lines if line.styles[0] in "bzi"]
    left = [line for line in lines if line.x0 <= line.col_x0 + 0.5 * line.size]
    columns = [line for line in left if line.gap_word]
    groups = [one for one in (stressed, left, columns) if fewest <= len(one) <= max(fewest, 0.7 * len(lines))]
    return any(_are_in_order([line.text for line in one]) for one in groups)


def _are_in_order(texts: Sequence[str]) -> bool:
    keys = [re.sub(r"[^\w]", "", text.casefold())[:3] for text in texts]
    return sum(a <= b for a, b in pairwise(keys)) >= 0.9 * (len(keys) - 1)


def _is_sure(reading: Reading) -> bool:
    """Whether a section without a title is a glossary: many terms in order, all defined, and nothing else beside them."""
    terms = [" ".join(draft.term) for draft in reading.drafts]
    rows = sum(len(draft.lines) for draft in reading.drafts)
    defined = sum(len(" ".join(draft.lines).split()) >= 4 for draft in reading.drafts) >= 0.8 * len(terms)
    beside = len(reading.before) + len(reading.after)
    # Commands and options begin with signs; a list of versions has few letters.
    words = all(re.match(r"[(\"'“‘]?[^\W\d_]", term) for term in terms) and len({term[:1] for term in terms}) >= 4
    enough = len(terms) >= FEWEST_UNTITLED and reading.fit >= 0.9 and beside <= 0.1 * rows
    return enough and defined and words and reading.shape not in NOT_UNTITLED and _are_in_order(terms)


def _ends(opened: Line, line: Line, rules: Rules) -> bool:
    """Whether a heading closes the section of another: one of its rank or higher does, a letter or a lower one does not."""
    depth = _depth(line.text, rules)
    return len(line.text) > 3 and (line.size >= 0.95 * opened.size or 0 < depth <= _depth(opened.text, rules))


def _is_next(opened: Line, line: Line) -> bool:
    """Whether a line has the number that comes after a section's: 1.4 or 1.3.2 after 1.3.1."""
    own, other = (_DOTTED.match(one.text) for one in (opened, line))
    if own is None or other is None or len(line.text) > 80:
        return False
    number, after = (tuple(map(int, match.group().split("."))) for match in (own, other))
    return any(after == (*number[:at], number[at] + 1) for at in range(1, len(number)))


def _depth(title: str, rules: Rules) -> int:
    """How many parts the number before a title has; 0 for none."""
    number = rules.starts("headings", title)
    return len(re.findall(r"\w+", number.group())) if number else 0


def _heading_label(line: Line, kind: str, role: str, rules: Rules, page_size: float) -> str | None:
    """The rules' label of a heading, "" for a heading without one, None for other lines.

    A heading set like the text (``page_size``: the page's median font size) that no rule knows may be an entry's term.
    Extraction tells headings in the body only: on other pages, big or stressed lines are, if the rules know them as titles.
    """
    big = line.size > 1.12 * page_size
    if kind == "heading" or (role != "body" and (big or not line.styles.strip("bz") or line.text.isupper())):
        label = title_label(line.text, rules)
        own = _depth(line.text, rules) > 0 or (kind == "heading" and line.size > 1.04 * page_size)
        return label or ("" if big or own else None)
    return None


def _end_in_pages(texts: Sequence[str], labels: Labels) -> bool:
    """Whether a glossary puts page numbers after its definitions: most of these end in some."""
    ends = [match["list"] for text in texts if (match := _PAGES_LAST.match(text))]
    return len([end for end in ends if plausible_locators(end.strip(), labels)]) > 0.6 * len(texts)


def _definition(draft: Draft, book: Book, *, listed: bool) -> Definition | None:
    """The entry, None without a term or text. ``listed``: the page numbers at a definition's end are none of its own."""
    term, plural = _bare_term(book.join(draft.term))
    text = book.join(draft.lines).lstrip(" :–—-")
    text = english.PART_OF_SPEECH_FIRST.sub("", text) or text
    last = _PAGES_LAST.match(text) if listed else None
    if last is not None and (spans := plausible_locators(last["list"].strip(), book.labels)):
        text = last["text"]
    else:
        text, spans = split_page_list(text, book.labels)
    text = _LEADERS.sub("", text)
    if not any(map(str.isalpha, term)) or not any(map(str.isalpha, text)) or len(term) > 100:
        return None
    reference = english.ONLY_REFERS.match(text)
    see = reference["target"].strip() if reference and not reference["also"] else ""
    forms = [*plural, *_synonyms(text, term)]
    return Definition(term, text, forms=tuple(dict.fromkeys(forms)), see=see, locators=spans)


def _bare_term(printed: str) -> tuple[str, list[str]]:
    """A printed term without bullets, part of speech and plural; the plural and what is printed, if they are others."""
    term = printed.strip(" :–—-•")
    if term.count("(") < term.count(")"):
        term = term.strip("()")
    plural = english.PLURAL_IN_BRACKETS.search(term)
    bare = english.PART_OF_SPEECH.sub("", term[: plural.start()] if plural else term)
    forms = [*([plural["plural"]] if plural else []), term] if bare != term else []
    # The full stop of an abbreviation is its own: "e.g."
    return (bare if re.search(r"\w\.\w+\.$", bare) else bare.strip(" :.–—-")), forms


def split_page_list(text: str, labels: Labels) -> tuple[str, tuple[Span, ...]]:
    """A definition and the page list after its last full stop or the word for pages, which some glossaries put there."""
    match = english.PAGE_LIST.search(text)
    spans = plausible_locators(match["list"].strip(), labels) if match else ()
    if match is None or not spans:
        return text, ()
    return text[: match.end("end") if match["end"] else match.start()], spans


def _synonyms(text: str, term: str) -> tuple[str, ...]:
    found = (match.group(1) or match.group(2) for match in english.OTHER_NAME.finditer(text[:300]))
    names = (english.ARTICLE_AT_START.sub("", name.strip(" “”\"'‘’")) for name in found)
    others = (name for name in names if name and name.lower() != term.lower() and len(name.split()) <= 5)
    return tuple(dict.fromkeys(others))


def _without_shared_locators(entries: list[Definition]) -> list[Definition]:
    """A page that most entries cite is the glossary's own, not one about the term."""
    counts = Counter(span.first for entry in entries for span in entry.locators)
    common = {label for label, count in counts.items() if count > 0.5 * len(entries) and count > 3}
    return [replace(e, locators=tuple(s for s in e.locators if s.first not in common)) for e in entries]
