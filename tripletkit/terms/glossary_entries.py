"""Glossaries → terms with their definitions, whole over lines, columns and pages.

How a glossary tells a term from its definition is found out per section: by type ("**term** definition", on one line or
two), by a sign ("term: definition", "term — definition"), or by indent alone (the term on a line of its own).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from tripletkit.language import term_words as english
from tripletkit.pdf.lines import Line
from tripletkit.pdf.roles import title_label
from tripletkit.rules import Rules
from tripletkit.terms.book_text import Book, Labels, Span, plausible_locators
from tripletkit.terms.columns import SAME_EDGE, Leftover, lines_to_rows

#: A section under a glossary's title is one only from this many entries on.
FEWEST_ENTRIES = 3
_SIGN = re.compile(r"(?P<term>[^:–—]{2,80}?)\s*(?P<sign>:|\s[–—-]{1,2}(?=\s)|—)\s*(?P<rest>\S.*)?$")


@dataclass(frozen=True)
class GlossarySection:
    """A glossary's lines by physical page, and the heading it stands under ("" for pages without one)."""

    title: str
    page: int
    pages: dict[int, list[Line]]


@dataclass(frozen=True)
class Definition:
    """A glossary entry. ``see`` is set where the definition only refers to another term."""

    term: str
    text: str
    forms: tuple[str, ...] = ()
    see: str = ""
    locators: tuple[Span, ...] = ()


@dataclass
class _Draft:
    term: list[str]
    lines: list[str]


def parse_glossaries(book: Book, rules: Rules) -> tuple[list[Definition], list[Leftover]]:
    """Every glossary's entries in order, and the lines under a glossary's title that gave none."""
    found: list[Definition] = []
    left: list[Leftover] = []
    sections = glossary_sections(book, rules)
    # One section is often too short to show the book's columns: all pages that hold any are looked at together.
    around = {page: book.pages[page - 1] for section in sections for page in section.pages}
    rows_of = [_rows(section, around) for section in sections]
    usual = _starter([row for rows in rows_of for row in rows])
    for section, rows in zip(sections, rows_of, strict=True):
        starter = _starter(rows) or usual
        drafts, loose = rows_to_drafts(rows, starter) if starter else ([], rows)
        entries = [entry for draft in drafts if (entry := _definition(draft, book)) is not None]
        if len(entries) < FEWEST_ENTRIES or len(loose) > len(rows) / 2:
            reason = f"no glossary entries recognised in {len(rows)} lines"
            left.append(Leftover(section.title or rows[0].text, section.page, reason))
            continue
        found.extend(entries)
        left.extend(Leftover(row.text, row.page, "text before the first entry of the glossary") for row in loose)
    return _without_shared_locators(found), left


def glossary_sections(book: Book, rules: Rules) -> list[GlossarySection]:
    """Every glossary in page order: whole pages at the book's back, and sections that close a chapter, without headings."""
    sections: list[GlossarySection] = []
    opened: Line | None = None
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
            if label == "glossary":
                opened = line
                sections.append(GlossarySection(line.text, page + 1, {}))
            elif label is not None:  # a heading of this rank or higher closes the section, a lower one does not
                opened = None if opened is not None and line.size >= 0.95 * opened.size else opened
            elif (opened is not None or role == "glossary") and sections:
                sections[-1].pages.setdefault(page + 1, []).append(line)
    return [section for section in sections if section.pages]


def _heading_label(line: Line, kind: str, role: str, rules: Rules, page_size: float) -> str | None:
    """The rules' label of a heading, "" for a heading without one, None for other lines.

    A heading set like the text (``page_size``: the page's median font size) that no rule knows may be an entry's term.
    Extraction tells headings in the body only: on other pages, big or stressed lines are, if the rules know them as titles.
    """
    big = line.size > 1.12 * page_size
    if kind == "heading" or (role != "body" and (big or not line.styles.strip("bz") or line.text.isupper())):
        return title_label(line.text, rules) or ("" if big and kind == "heading" else None)
    return None


def _rows(section: GlossarySection, around: Mapping[int, Sequence[Line]]) -> list[Line]:
    """The section's rows in reading order, headings of letters and subsections left out."""
    rows = lines_to_rows(section.pages, around)
    big = 1.12 * median(row.size for row in rows)
    return [row for row in rows if len(row.text) > 1 and not (row.size > big and set(row.styles) <= set("bz"))]


Starter = Callable[[Line], "tuple[str, str] | None"]


def _starter(rows: Sequence[Line]) -> Starter | None:
    """How this glossary marks an entry's first row: a function from a row to (term, rest), or None for other rows."""
    base = [row for row in rows if _at_edge(row)]

    def marked(starter: Starter) -> int:
        return sum(starter(row) is not None for row in base)

    by_type = max(map(_by_type, ("bz", "iz", "m")), key=marked)
    if marked(by_type) >= max(FEWEST_ENTRIES, 0.15 * len(base)):
        return by_type
    if marked(_by_sign) >= max(FEWEST_ENTRIES, 0.3 * len(base)):
        return _by_sign
    hanging = [row for row in rows if not _at_edge(row)]
    if len(base) >= FEWEST_ENTRIES and len(hanging) >= len(base) and median(len(row.text) for row in base) <= 40:
        return lambda row: (row.text, "") if _at_edge(row) else None
    return None


def _at_edge(row: Line) -> bool:
    return row.x0 <= SAME_EDGE * row.size


def _by_type(stress: str) -> Starter:
    # A letter in italics among the words of the stressed type is one of them.
    initial = re.compile(rf"(?:[im]?[{stress}])*")

    def start(row: Line) -> tuple[str, str] | None:
        words = row.text.split()
        found = initial.match(row.styles)
        count = found.end() if found else 0
        return (" ".join(words[:count]), " ".join(words[count:])) if count else None

    return start


def _by_sign(row: Line) -> tuple[str, str] | None:
    match = _SIGN.match(row.text)
    if match is None or len(match["term"].split()) > 9 or match["term"].endswith((".", ",")):
        return None
    return match["term"], match["rest"] or ""


def rows_to_drafts(rows: Sequence[Line], starter: Starter) -> tuple[list[_Draft], list[Line]]:
    """Entries as lists of lines, and the rows before the first."""
    drafts: list[_Draft] = []
    loose: list[Line] = []
    # Where second lines are set in, only lines at the edge begin an entry.
    hangs = sum(not _at_edge(row) for row in rows) >= 0.25 * len(rows)
    above: Line | None = None
    for row in rows:
        parts = starter(row)
        draft = drafts[-1] if drafts else None
        # A term without a definition yet goes on where no gap parts the two rows.
        near = above and (row.column != above.column or row.baseline - above.baseline <= 1.35 * row.size)
        if parts and draft and not any(draft.lines) and starter is not _by_sign and near:
            draft.term.append(parts[0])
            draft.lines.append(parts[1])
        elif parts and (_at_edge(row) if hangs else _begins(row, above)):
            drafts.append(_Draft([parts[0]], [parts[1]]))
        elif draft:
            draft.lines.append(row.text)
        else:
            loose.append(row)
        above = row
    return drafts, loose


def _begins(row: Line, above: Line | None) -> bool:
    """Without a hanging indent: an entry begins after the end of a sentence, a short line or a gap."""
    if above is None or (row.page, row.column) != (above.page, above.column):
        return True
    ended = above.text.rstrip().endswith((".", "!", "?", ")", "”", ";")) or above.x1 < 0.8 * max(row.x1, 1.0)
    return ended or row.baseline - above.baseline > 1.56 * row.size


def _definition(draft: _Draft, book: Book) -> Definition | None:
    term = book.join(draft.term).strip(" :.–—-•")
    if term.count("(") < term.count(")"):
        term = term.strip("()")
    term = english.PART_OF_SPEECH.sub("", term)
    text = book.join(draft.lines).lstrip(" :–—-")
    if not term or not any(c.isalpha() for c in term) or not text or len(term) > 100:
        return None
    text, spans = split_page_list(text, book.labels)
    reference = english.ONLY_REFERS.match(text)
    see = reference["target"].strip() if reference and not reference["also"] else ""
    return Definition(term, text, forms=_synonyms(text, term), see=see, locators=spans)


def split_page_list(text: str, labels: Labels) -> tuple[str, tuple[Span, ...]]:
    """A definition and the page list after its last full stop, which some glossaries put there."""
    match = re.search(r"(?P<end>[.)!?”])(?P<dots>\s*\.)?\s+(?P<list>[\divxlc][\divxlc,;\s–-]*)$", text)
    spans = plausible_locators(match["list"], labels) if match else ()
    return (text[: match.end("end")] if match and spans else text), spans


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
