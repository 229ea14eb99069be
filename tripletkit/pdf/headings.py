"""The book's list of its parts, its headings among the lines, and the section that every line belongs to.

The list is the PDF's outline, or the printed contents. A heading that it names is searched on its page. Headings below
its depth are recognised by a number, or by a style that running text does not have.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from operator import attrgetter

from tripletkit.language.layout_words import CHAPTER_HEADING, ENTRY_NUMBER, NOTE_TITLE, PART_TITLE
from tripletkit.pdf.furniture import roman_value
from tripletkit.pdf.lines import Line
from tripletkit.pdf.pages import UNREADABLE
from tripletkit.pdf.paragraphs import Paragraph, Place, Vocabulary, join_lines, without_notes
from tripletkit.pdf.reader import Bookmark
from tripletkit.rules import Rules

#: Between the headings of a section path.
PATH_MARK = " › "
#: A font this many times larger than the text's makes a heading.
BIGGER = 1.12
#: A heading takes at most this many lines.
MOST_LINES = 4
#: The title page of a part has at most this many lines.
PART_PAGE_LINES = 8
#: The level of a title that opens no section: a note's, an example's.
NOTE = -2
#: A place where so many different titles of one style start is one for headings, though no text starts there.
USUAL_PLACE = 3
#: A line with more letters is no label in a figure.
LONGEST_LABEL = 40
#: In a book of this many pages, a style of headings without numbers is used three times or more.
LONG_BOOK_PAGES = 40

_DEPTH = re.compile(r"(?:[A-Z]|\d+)((?:\.\d+)+)\.?\s+(?=[^\W\d_])")
_LETTERS = re.compile(r"[^\W_]+")
_TEXT_END = re.compile(r"[.,;]$|(?<!:):$")
_WORD = re.compile(r"[^\W\d_]{2,}")
_ROMAN = re.compile(r"([IVXL]+)[.:]?\s")
_LEADER = re.compile(r"(\s*\.){3,}\s*|\s*…+\s*|\s*·{3,}\s*")
_ENTRY = re.compile(r"(?P<title>.*[^\W\d_].*?)[\s,]+(?P<label>\d{1,4}|[ivxlc]{1,7})$")
#: A line that starts so is the first of a title, never its second.
_OWN_NUMBER = re.compile(r"\d{1,2}(?:\.\d+)*[.:]?\s+(?=[^\W\d_a-zß-öø-ÿ])")


def book_entries(
    outline: Sequence[Bookmark], printed: Sequence[Bookmark], first_texts: Mapping[int, str]
) -> list[Bookmark]:
    """The more detailed of outline and printed contents. Chapters are at level 0, and so are parts, which hold them.

    ``first_texts`` holds the first line of text on each physical page that has few lines: a part's title page is one.
    """
    entries = printed if len(printed) > 1.5 * len(outline) else outline
    roman = _roman_parts(entries)
    levelled, under_part = [], 0
    for entry, after in zip_longest(entries, entries[1:]):
        if entry.level == 0:
            named = PART_TITLE.match(entry.title) or PART_TITLE.match(first_texts.get(entry.page, ""))
            part = named or (roman and _roman_start(entry.title))
            under_part = 1 if part and after is not None and after.level == 1 else 0
        levelled.append(replace(entry, level=max(entry.level - under_part, 0)))
    return levelled


def _roman_start(title: str) -> bool:
    return (match := _ROMAN.match(title)) is not None and roman_value(match.group(1)) is not None


def _roman_parts(entries: Sequence[Bookmark]) -> bool:
    """Whether roman numbers at the top name parts: the chapters under them are counted on from part to part."""
    first = [b.title for a, b in pairwise(entries) if a.level == 0 and b.level == 1 and _roman_start(a.title)]
    return len({match.group(1) for title in first if (match := ENTRY_NUMBER.match(title))}) > 1


def contents_entries(lines: Sequence[Line], pages_of: Mapping[str, Sequence[int]]) -> list[Bookmark]:
    """Entries of the printed contents: a title, dots or space, and a page label. Titles may take two lines.

    ``pages_of`` gives the physical pages of a label. Levels follow the titles' numbers, else their indentation.
    """
    found: list[tuple[str, float, int]] = []
    opened: Line | None = None
    last = 0
    for line in lines:
        # A number of its own starts an entry, as under "Contents" or a part's name.
        second = opened is not None and abs(opened.size - line.size) < 0.5 and _OWN_NUMBER.match(line.text) is None
        above = opened if second else None
        match = _ENTRY.match(f"{above.text if above else ''} {_LEADER.sub('  ', line.text)}".strip())
        if match is None:
            opened = line if above is None and len(line.text) < 90 else None
            continue
        page = next((p for p in pages_of.get(match["label"], ()) if p >= last), None)
        if page is not None:
            found.append((match["title"].strip(" ."), above.x0 if above else line.x0, page))
            last = page
        opened = None
    return [Bookmark(title, level, page, None) for (title, _, page), level in zip(found, _levels(found), strict=True)]


def _levels(found: Sequence[tuple[str, float, int]]) -> Iterator[int]:
    """Depth of "1.2.3" is 2; without a number, the steps of indentation count."""
    steps: list[float] = []
    for _, x0, _ in sorted(found, key=lambda entry: entry[1]):
        if not steps or x0 > steps[-1] + 6:
            steps.append(x0)
    for title, x0, _ in found:
        match = ENTRY_NUMBER.match(title)
        yield match.group(2).count(".") if match else min(sum(x0 > step + 3 for step in steps), 3)


#: Style, page's parity, which end of the line, and its place.
_TitlePlace = tuple[tuple[int, str], int, str, int]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at ``lines[first:first + count]``; ``count`` is 0 where a section starts without a line of its own."""

    first: int
    count: int
    level: int  # 0 for chapters, NOTE for the title of a note or an example
    title: str
    size: float
    named: bool  # by the outline or the contents


def find_headings(
    lines: Sequence[Line], entries: Sequence[Bookmark], *, body_size: float, vocabulary: Vocabulary, rules: Rules
) -> list[Heading]:
    """Headings in order. ``lines`` are the text of the whole book, without furniture."""
    by_page: dict[int, list[int]] = defaultdict(list)
    for i, line in enumerate(lines):
        by_page[line.page].append(i)
    found: dict[int, Heading] = {}
    for entry in entries:
        if (heading := _place(entry, by_page.get(entry.page, []), lines, rules)) is not None:
            found.setdefault(heading.first, heading)
    styled = list(styled_headings(lines, body_size, rules, heading_lines(list(found.values()))))
    styled = list(_without_labels(styled, lines))
    # A single big text is a label in a figure, or a motto.
    times = Counter(_style(lines[heading.first]) for heading in [*found.values(), *styled] if heading.count)
    least = 3 if lines and lines[-1].page - lines[0].page >= LONG_BOOK_PAGES else 1
    for heading in styled:
        if heading.level >= 0 or times[_style(lines[heading.first])] >= least:
            found.setdefault(heading.first, heading)
    notes = [
        replace(found[i], level=NOTE) for i in found if not found[i].named and NOTE_TITLE.fullmatch(found[i].title)
    ]
    headings = [found[i] for i in sorted(found.keys() - {note.first for note in notes})]
    if not any(heading.named for heading in headings):
        headings = list(_with_chapters(headings, rules))
    levelled = sorted([*_settle_levels(headings), *notes], key=attrgetter("first"))
    return [replace(h, title=_title(lines[h.first : h.first + h.count], vocabulary) or h.title) for h in levelled]


def _with_chapters(headings: Sequence[Heading], rules: Rules) -> Iterator[Heading]:
    """Without outline or contents, "Chapter 3" and the biggest letters start chapters; so does "3.1" after "2.4"."""
    unnumbered = [heading for heading in headings if heading.level < 0]
    sizes = Counter(round(heading.size) for heading in unnumbered)
    # The title of a chapter may stand once, directly above a section's.
    sizes.update(round(a.size) for a, b in pairwise(unnumbered) if a.first + a.count == b.first and a.size > b.size + 1)
    biggest = max((size for size, times in sizes.items() if times >= 2), default=1000)
    number: str | None = None  # of the open chapter; "" if it is not printed, None before the first
    chapter: Heading | None = None
    for heading in headings:
        match = CHAPTER_HEADING.match(heading.title)
        if chapter is not None:
            # The title below "Chapter 3", in other letters; below a title, it is a section's.
            below = heading.first == chapter.first + chapter.count and heading.level < 0
            below = below and _only_number(chapter.title, rules)
            size = max(chapter.size, heading.size)
            yield replace(chapter, count=chapter.count + heading.count, size=size) if below else chapter
            chapter = None
            if below:
                continue
        if heading.level < 0 and (match or round(heading.size) >= biggest):
            # Sections count on in digits or letters: "III" and "Three" do not tell theirs.
            number = match.group(1) if match and (match.group(1).isdigit() or len(match.group(1)) == 1) else ""
            chapter = replace(heading, level=0)
            continue
        first = heading.title.split(".", 1)[0]
        if heading.level > 0 and first != number:
            if number != "":
                yield Heading(heading.first, 0, 0, first, 0.0, False)
            number = first
        yield heading
    if chapter is not None:
        yield chapter


def _title(lines: Sequence[Line], vocabulary: Vocabulary) -> str:
    text = ""
    for line in lines:
        text = join_lines(text, without_notes(line), vocabulary)
    return " ".join(UNREADABLE.sub(" ", text).split())


def _squeeze(text: str) -> str:
    return "".join(_LETTERS.findall(text.lower()))


def _place(entry: Bookmark, held: Sequence[int], lines: Sequence[Line], rules: Rules) -> Heading | None:
    """The entry's heading on its page, else the place where its section starts, without a line."""
    if not held:
        return None
    wanted = _squeeze(entry.title)
    squeezed = {i: _squeeze(lines[i].text) for i in held}
    found: list[tuple[int, float, int, int]] = []
    for start in held:
        text = letters = ""
        for count in range(1, min(MOST_LINES, held[-1] - start + 1) + 1):
            text = f"{text} {lines[start + count - 1].text}".strip()
            letters += squeezed[start + count - 1]
            difference = _difference(text, letters, wanted, rules)
            if difference is not None:
                far = abs(lines[start].top - entry.top) if entry.top is not None else 0.0
                found.append((difference, round(far / 40) - lines[start].size / 4, start, count))
            if len(text) > 2 * len(entry.title) + 40:
                break
    if found:
        _, _, start, count = min(found)
        first, count = _with_number(start, count, held, lines, rules)
        title = " ".join(lines[i].text for i in range(first, first + count))
        return Heading(first, count, entry.level, title, max(lines[i].size for i in range(first, first + count)), True)
    if rules.label("titles", entry.title) is not None:
        # A wrong page: no text of a chapter's end may become "Bibliography".
        return None
    start = next((i for i in held if entry.top is not None and lines[i].bottom >= entry.top - 4), held[0])
    return Heading(start, 0, entry.level, entry.title, 0.0, True)


def _difference(text: str, squeezed: str, wanted: str, rules: Rules) -> int | None:
    """How much printed text differs from the title ``wanted``: None if it is another, 0 if only a number differs.

    ``squeezed`` and ``wanted`` hold letters and digits alone, as `_squeeze` makes them.
    """
    # What stands behind a number is at least four letters long, or the whole title.
    if not squeezed or len(wanted) < 2 or squeezed[-min(4, len(wanted)) :] not in wanted:
        return None
    number = rules.starts("headings", text)
    bare = _squeeze(text[number.end() :]) if number else squeezed
    if wanted in (squeezed, bare):
        return 0
    if len(bare) >= 4 and wanted.endswith(bare) and len(wanted) - len(bare) <= 10:
        return 1
    # Outlines carry more than is printed: icons, levels of difficulty, other forms of a title. Longest is best.
    return 1000 - len(bare) if len(bare) >= (4 if number else 8) and wanted.startswith(bare) else None


def _with_number(first: int, count: int, held: Sequence[int], lines: Sequence[Line], rules: Rules) -> tuple[int, int]:
    """The heading's lines and the line "Chapter 3" above it, if that stands alone."""
    # A heading with a number of its own has no other: what stands alone above "16.3.3 Gravity" is a formula's or a line's.
    has_own = rules.starts("headings", lines[first].text) is not None
    above = lines[first - 1].text.strip() if first > held[0] and not has_own else ""
    alone = above.isdigit() and lines[first - 1].size > lines[first].size  # a number in bigger letters
    return (first - 1, count + 1) if alone or _only_number(above, rules) else (first, count)


def _only_number(text: str, rules: Rules) -> bool:
    """Whether ``text`` is a heading's number alone, such as "Chapter 3"."""
    match = rules.starts("headings", text + " ") if text else None
    return match is not None and match.end() >= len(text)


def styled_headings(
    lines: Sequence[Line], body_size: float, rules: Rules, taken: Set[int] = frozenset()
) -> Iterator[Heading]:
    """Headings by font and spacing, except at indexes ``taken``. Level: depth of the heading's number, or -1."""
    # A mark that most text has marks nothing: some fonts say of plain letters that they are bold.
    styles = "".join([line.styles for line in lines])
    bold_tells = styles.count("b") + styles.count("z") < 0.5 * len(styles)
    i = 0
    while i < len(lines):
        count = 1
        if i not in taken and _looks_like_heading(i, lines, body_size, rules, bold_tells=bold_tells):
            while i + count not in taken and _continues(*lines[i + count - 1 : i + count + 1]):
                count += 1
            text = " ".join(line.text for line in lines[i : i + count])
            # More lines, or a full stop, make it a paragraph in big or bold letters; a colon leads in what follows.
            if count <= MOST_LINES - 1 and (_TEXT_END.search(text) is None or _only_number(text, rules)):
                match = _DEPTH.match(text)
                yield Heading(i, count, match.group(1).count(".") if match else -1, text, lines[i].size, False)
        i += count


def _style(line: Line) -> tuple[int, str]:
    return round(line.size * 2), line.styles[0]


def _without_labels(styled: Sequence[Heading], lines: Sequence[Line]) -> Iterator[Heading]:
    """Without labels in figures: they start at no edge of the text, nor where titles of their style usually do.

    Where two labels or more are at least half of a page's titles in one style, all of these are labels.
    """
    usual = _usual_places(styled, lines)
    labels = {h.first for h in styled if not (_at_edge(h, lines) or usual.intersection(_places(lines[h.first])))}
    on_page = Counter((lines[h.first].page, _style(lines[h.first])) for h in styled)
    beside = Counter((lines[i].page, _style(lines[i])) for i in labels)
    drawn = {place for place, count in beside.items() if count >= 2 and 2 * count >= on_page[place]}
    for heading in styled:
        line = lines[heading.first]
        if heading.first not in labels and (line.page, _style(line)) not in drawn:
            yield heading


def _usual_places(styled: Sequence[Heading], lines: Sequence[Line]) -> set[_TitlePlace]:
    """Where several different titles of a style stand, on as many pages."""
    held: dict[_TitlePlace, set[tuple[int, str]]] = defaultdict(set)
    for heading in styled:
        for place in _places(lines[heading.first]):
            held[place].add((lines[heading.first].page, heading.title))
    return {place for place, of in held.items() if min(map(len, map(set, zip(*of, strict=True)))) >= USUAL_PLACE}


def _places(line: Line) -> tuple[_TitlePlace, _TitlePlace]:
    """Where a line of a style starts and ends. Margins may change sides from page to page."""
    side = line.page % 2
    return (_style(line), side, "start", round(line.x0 / 3)), (_style(line), side, "end", round(line.x1 / 3))


def _at_edge(heading: Heading, lines: Sequence[Line]) -> bool:
    """Whether a title starts at the edge, or stands in the middle, of its column or of the text below it."""
    line, below = lines[heading.first], lines[min(heading.first + heading.count, len(lines) - 1)]
    middle, width = (line.x0 + line.x1) / 2, line.col_x1 - line.col_x0
    if line.x0 <= line.col_x0 + line.size or abs(middle - line.col_x0 - width / 2) <= 0.025 * width:
        return True
    text, smaller = len(below.text) > LONGEST_LABEL, below.size < line.size - 0.5
    starts, centred = abs(below.x0 - line.x0) <= 3, abs(below.x0 + below.x1 - 2 * middle) <= 6
    return below.page == line.page and ((starts and (text or smaller)) or (centred and text))


def _looks_like_heading(i: int, lines: Sequence[Line], body_size: float, rules: Rules, *, bold_tells: bool) -> bool:
    line = lines[i]
    bigger = line.size >= BIGGER * body_size
    if (not bigger and (line.size < 0.98 * body_size or line.styles[0] not in "bz")) or not _reads_as_title(line.text):
        return False
    if rules.starts("captions", line.text) or (line.gaps and not _is_label(line, rules)):
        return False
    bold = sum(s in "bz" for s in line.styles) >= 0.8 * len(line.styles)
    if bigger:
        return line.size >= 1.25 * body_size or bold or _gap_above(i, lines) > 1.5 * line.size
    if not bold or rules.starts("exercises", line.text):
        return False
    # Bold text of the text's size: only alone between gaps, or numbered.
    gap = _gap_above(i, lines) / line.size
    alone = line.x0 <= line.col_x0 + 2 and line.x1 < line.col_x1 - 0.1 * (line.col_x1 - line.col_x0)
    return (bold_tells and alone and gap > 1.6) or (gap > 1.3 and _DEPTH.match(line.text) is not None)


def _is_label(line: Line, rules: Rules) -> bool:
    """Whether only a number or a sign stands before the line's first gap, as before a title; else it is a table's row."""
    before = " ".join(line.text.split()[: line.gap_word])
    return _WORD.search(before) is None or _only_number(before, rules)


def _reads_as_title(text: str) -> bool:
    if len(text) > 110 or text[-1] in ".,;=" or not (text[0].isupper() or text[0].isdigit() or text[0] == "§"):
        return False
    letters = sum(c.isalpha() for c in text)
    # Music and formulas are single letters.
    words = _WORD.findall(text)
    enough = 2 * len(words) >= sum(map(str.isalpha, text.split())) and sum(map(len, words)) >= 0.3 * letters
    return letters >= 3 and enough and letters >= 0.5 * len(text.replace(" ", ""))


def _gap_above(i: int, lines: Sequence[Line]) -> float:
    """Distance to the baseline above, in points; large at the top of a page or column."""
    above, line = lines[i - 1], lines[i]
    gap = line.baseline - above.baseline
    return gap if i > 0 and gap > 0 and (above.page, above.column) == (line.page, line.column) else 999.0


def _continues(line: Line, after: Line | None = None) -> bool:
    if after is None or (line.page, line.column) != (after.page, after.column) or abs(line.size - after.size) >= 0.3:
        return False
    styles = {Counter(one.styles).most_common(1)[0][0] for one in (line, after)}
    near = 0 < after.baseline - line.baseline < 1.7 * line.size and not after.gaps
    return len(styles) == 1 and near and _OWN_NUMBER.match(after.text) is None


def _settle_levels(headings: Sequence[Heading]) -> Iterator[Heading]:
    """Headings without a number go below the bigger ones that are open, never above a chapter."""
    open_: list[Heading] = []
    for heading in headings:
        if heading.level < 0:
            while len(open_) > 1 and open_[-1].level > 0 and open_[-1].size <= heading.size + 0.2:
                open_.pop()
            heading = replace(heading, level=open_[-1].level + 1 if open_ else 1)
        open_ = [*(above for above in open_ if above.level < heading.level), heading]
        yield heading


def section_paths(count: int, headings: Sequence[Heading]) -> list[tuple[str, ...]]:
    """The path of headings, chapter first, that each of ``count`` lines stands under; () before the first heading."""
    ends = [*(heading.first for heading in headings), count]
    paths: list[tuple[str, ...]] = [()] * ends[0]
    open_: list[Heading] = []
    for heading, end in zip(headings, ends[1:], strict=True):
        if heading.level != NOTE:
            open_ = [*(above for above in open_ if above.level < heading.level), heading]
        paths += [tuple(above.title for above in open_)] * (end - heading.first)
    return paths


def heading_lines(headings: Sequence[Heading]) -> set[int]:
    """The indexes of all lines that headings take."""
    return {i for heading in headings for i in range(heading.first, heading.first + heading.count)}


def chapter_outlines(
    headings: Sequence[Heading], paths: Sequence[tuple[str, ...]], lines: Sequence[Line]
) -> list[Paragraph]:
    """One text of kind "heading" a chapter, its printed headings line by line: they belong to no prose."""
    chapters: dict[tuple[str, ...], Paragraph] = {}
    for heading in headings:
        held = list(range(heading.first, heading.first + heading.count))
        if not held:
            continue
        path = paths[heading.first][:1]
        outline = chapters.setdefault(path, Paragraph("heading", path, "", []))
        for i in held:
            outline.text += ("\n" if i == held[0] else " ") if outline.text else ""
            outline.places.append(Place.of(lines[i], len(outline.text)))
            outline.text += lines[i].text
        outline.lines += held
    return list(chapters.values())
