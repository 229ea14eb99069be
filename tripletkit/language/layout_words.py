"""English words and spellings that reading a PDF's layout depends on, and where sentences end.

The rest of ``pdf/`` knows no language. Sentences end by full stops, abbreviations and what follows. A second language
must bring each constant below, and its own ``titles``, ``headings``, ``captions``, ``exercises`` and ``abbreviations``
in ``rules/``. Those are files because users change them; these patterns belong to the code around them, which reads
their groups.
"""

from __future__ import annotations

import re
from collections.abc import Set

#: How the title of a part, which holds chapters, starts.
PART_TITLE = re.compile(
    r"part\s+(\d+|[ivxl]+|one|two|three|four|five|six|seven|eight|nine|ten|[a-z])\b|appendices$", re.IGNORECASE
)
#: How a numbered entry of the contents starts. Group 1: the chapter's number; group 2: the rest, ".2.1".
ENTRY_NUMBER = re.compile(
    r"(?:(?:chapter|section|appendix|unit|lesson|module)\s+)?(\d+|[A-Z])((?:\.\d+)*)[.:]?\s", re.IGNORECASE
)
#: How a chapter's heading starts. Group 1: its number, also in words, or its letter.
CHAPTER_HEADING = re.compile(
    r"(?:chapter|appendix|unit|lesson|module|lecture|week)\s+"
    r"(\d+|[ivxlc]+|[a-z]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b",
    re.IGNORECASE,
)
#: The title of a first chapter that has no number.
OPENING_TITLE = re.compile(r"(?:general )?introduction\b|prologue$|overview$", re.IGNORECASE)
#: The whole title of a note or an example, in letters like a heading's: it opens no section.
NOTE_TITLE = re.compile(
    r"(?:(?:important|side|safety) )?(?:notes?|tips?|hints?|warnings?|cautions?|important|attention|danger|see also)[.:!]?"
    r"|(?:example|equation|procedure|theorem|lemma|definition|proposition|corollary|remark)\s+[a-z]?\d+(?:[.-]\d+)*\b.*",
    re.IGNORECASE,
)
#: An appendix's letter, with or without the word, before its title.
APPENDIX_LETTER = re.compile(r"(appendix\s+)?[A-Z][.:]?\s+(?=\S{3})")
#: The word of a see-reference. No index entry without it lacks a page number.
SEE = "see"
#: An index entry: it ends in page numbers, perhaps with n (note), f or ff (following) or t (table), or in a reference.
INDEX_ENTRY = re.compile(
    r"[^\W\d_]{2}.*\W(?:\d{1,4}|l?[ivx]{2,7})(?:\s?[–—-]\s?(?:\d+|l?[ivx]+))?[nft]{0,2}[.,;]?$|\bsee( also)? .{2,}$"
)
#: What every match of INDEX_ENTRY that is no reference ends in, and the letters that none ends in: cheap to ask first.
INDEX_ENTRY_TAIL = re.compile(r"[\divx][nft]{0,2}[.,;]?$")
NEVER_LAST = frozenset("abcdeghjklmopqrsuwyz-")
#: Capitals that are words: a big first letter may be one of them, apart from the word that follows.
ONE_LETTER_WORDS = frozenset("AIO")
#: A statement of mathematics and its number, which begins a definition that is no glossary's: "Definition 3.1".
STATEMENT_NUMBER = re.compile(
    r"(?:definition|theorem|lemma|corollary|proposition|axiom|remark|example|exercise|notation|claim|conjecture|figure|table"
    r"|step|section|chapter|question|problem|rule|note|part|level|phase|option)s?\s*\(?(?:[A-Z]|\d+)(?:[.–-]\d+)*\b",
    re.IGNORECASE,
)
#: "abacus, n. a device", "abacus (noun) a device", "to abate (v.) to become less".
TERM_AND_PART_OF_SPEECH = re.compile(
    r"(?P<term>[^.:;]{2,60}?)(?:,\s(?:n|v|vb|adj|adv|pl)\.|\s?[(\[](?:n|v|vb|adj|adv|noun|verb|adjective|adverb)\.?[)\]])"
    r"(?=[\s:;,]|$)[\s:;,–—-]*(?P<rest>.*)$"
)
#: Functions whose names are followed by an exponent ("sin² x"): a raised number there is no footnote's mark.
FUNCTION_NAMES = ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "log", "exp", "max", "min", "det")
#: Words of two letters behind which a raised number is a footnote's mark; "cm²" and "ln²" are none of them.
SHORT_WORDS = (
    "am", "an", "as", "at", "be", "by", "do", "go", "he", "if", "is", "it", "me", "my", "no", "of", "on", "or", "so", "to",
    "up", "us", "we",
)  # fmt: skip
#: Words of a page that are longer than this on average, in characters, are several words glued together.
LONGEST_MEAN_WORD = 14
#: Words that differ only in so many last letters are forms of one word.
ENDING_LETTERS = 3
#: Words inside of a compound of several, and numbers and last words that stand behind or before a hyphen that stays.
CHAIN_WORDS = frozenset(["a", "and", "at", "by", "for", "in", "of", "on", "or", "the", "to", "up"])
NUMBER_WORDS = frozenset(
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "twenty", "thirty", "half"]
)
NUMBER_ENDINGS = frozenset(["een", "fold", "ness", "self", "teen", "ties", "tieth", "ty", "way"])
COMPOUND_ENDS = frozenset(
    [
        "aware",
        "based",
        "defined",
        "dependent",
        "driven",
        "independent",
        "known",
        "like",
        "oriented",
        "related",
        "specific",
    ]
)

#: An end mark with closing quotes or brackets, before white space and something that can open a sentence.
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]»]*(?=\s+[\"'“‘(\[«¿¡]*[^\W_a-zß-öø-ÿ])")
_AT_END = re.compile(r"[.!?…]+[\"'”’)\]»]*$")
#: What a text that _AT_END fits can end in; a cheap test that comes first, as it is made for every line.
_LAST_MARKS = frozenset(".!?…\"'”’)]»\n")
_LAST_WORD = re.compile(r"[^\s\"'“‘(\[«]+$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")


def sentence_spans(text: str, abbreviations: Set[str]) -> list[tuple[int, int]]:
    """(start, end) of each sentence. White space between two of them belongs to neither; nothing else is left out.

    ``abbreviations`` are lower case, without their last full stop. A line break ends a paragraph, and so a sentence.
    """
    spans = []
    start = 0
    for line in re.finditer(r"[^\n]+", text):
        start = line.start()
        for end in _ends(line.group(), abbreviations):
            spans.append((start, line.start() + end))
            start = line.start() + end
        spans.append((start, line.end()))
    # Without the white space around them.
    parts = ((start, end, text[start:end]) for start, end in spans)
    return [(end - len(part.lstrip()), start + len(part.rstrip())) for start, end, part in parts if part.strip()]


def ends_sentence(text: str, abbreviations: Set[str]) -> bool:
    """Whether ``text`` stops where a sentence may stop."""
    if text[-1:] not in _LAST_MARKS:
        return False
    tail = text[-60:]
    match = _AT_END.search(tail)
    return match is not None and not _abbreviated(tail[: match.start() + 1], abbreviations)


def _ends(line: str, abbreviations: Set[str]) -> list[int]:
    return [m.end() for m in _SENTENCE_END.finditer(line) if not _abbreviated(line[: m.start() + 1], abbreviations)]


def _abbreviated(before: str, abbreviations: Set[str]) -> bool:
    """Whether the full stop at the end of ``before`` belongs to an abbreviation or to initials."""
    if not before.endswith("."):
        return False
    end = len(before) - 1
    # From the last space on, as far as 39 characters back: a search of the whole would try every place.
    match = _LAST_WORD.search(before, max(before.rfind(" ", 0, end) + 1, end - 39), end)
    if match is None:
        return False
    word = match.group().lower()
    # "J. Smith", "U.S. Census": a capital is an initial; a small letter is a variable that ends a clause: "than x."
    return word in abbreviations or (match.group()[-1].isupper() and _INITIALS.fullmatch(word) is not None)
