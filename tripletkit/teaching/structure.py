"""What a book shows of a term without its index: where it is defined, first mentioned, named in a heading, or set in bold or italics.

For what each of these brings, see docs/results.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.language.definitions import is_defined
from tripletkit.language.normalise import term_key
from tripletkit.mining.relations import Span, Values, forms_of, mentioned_in
from tripletkit.schemas import section_titles

Scores = npt.NDArray[np.float32]
#: What a passage gains for a term that it defines, whose first mention is on its page, that its headings name (the nearest
#: heading; one above counts half, the next a third, and so on), and that its page sets in bold or italics.
DEFINED, FIRST, IN_HEADING, STYLED = 2.0, 3.0, 2.0, 3.0
#: Kinds of line in which bold and italics mark terms.
STYLED_KINDS = ("prose", "box", "list", "summary")
#: Longer runs of bold or italics are sentences or titles.
STYLED_WORDS = 6


def structure_scores(
    passages: Sequence[Values], terms: Sequence[Values], spans: Mapping[int, Sequence[Span]], lines: pl.DataFrame
) -> Scores:
    """float32, shape (passages, terms), 0 and above; only headings count for a term that the passage does not mention.

    Passages and lines are of one book. ``spans``: by passage, its mentions. ``lines`` may be empty: own passages have none.
    """
    found = np.zeros((len(passages), len(terms)), dtype=np.float32)
    first: dict[int, int] = {}  # by term
    for i, mentions in spans.items():
        for _, _, term in mentions:
            page = passages[i]["page_first"]
            first[term] = min(page, first.get(term, page))
    styled = _styled(lines, terms)
    for i, passage in enumerate(passages):
        pages = range(passage["page_first"], passage["page_last"] + 1)
        on_pages = {term for page in pages for term in styled.get(page, ())}
        places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for start, end, term in spans.get(i, ()):
            places[term].append((start, end))
        for term, own in places.items():
            found[i, term] = (
                DEFINED * is_defined(passage["text"], own)
                + FIRST * (passage["page_first"] == first[term])
                + STYLED * (term in on_pages)
            )
    return found + IN_HEADING * _in_headings(passages, terms)


def _in_headings(passages: Sequence[Values], terms: Sequence[Values]) -> Scores:
    """1 for a term in the passage's own heading, 1/2 for one in the heading above that, and so on; else 0."""
    titles = list(dict.fromkeys(title for passage in passages for title in section_titles(passage["section"])))
    named = dict(zip(titles, mentioned_in(titles, terms), strict=True))
    found = np.zeros((len(passages), len(terms)), dtype=np.float32)
    for row, passage in zip(found, passages, strict=True):
        for above, title in enumerate(reversed(section_titles(passage["section"])), start=1):
            row[named[title]] = np.maximum(row[named[title]], 1 / above)
    return found


def _styled(lines: pl.DataFrame, terms: Sequence[Values]) -> dict[int, set[int]]:
    """By page, the terms that stand there in bold or italics."""
    by_key: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for i, term in enumerate(terms):
        for form in forms_of(term):
            by_key[term_key(form)].add(i)
    found: dict[int, set[int]] = defaultdict(set)
    rows = lines.filter(pl.col("kind").is_in(STYLED_KINDS) & pl.col("styles").str.contains("[biz]"))
    for page, text, styles in rows.select("page", "text", "styles").iter_rows():
        for run in _runs(text.split(), styles):
            found[page] |= by_key.get(term_key(" ".join(run)), set())
    return found


def _runs(words: Sequence[str], styles: str) -> Iterator[list[str]]:
    """Neighbouring words in bold or italics. No runs where words and styles do not agree."""
    run: list[str] = []
    for word, style in zip([*words, ""], f"{styles}r" if len(words) == len(styles) else "", strict=False):
        if style in "biz":
            run.append(word)
        elif run:
            if len(run) <= STYLED_WORDS:
                yield run
            run = []
