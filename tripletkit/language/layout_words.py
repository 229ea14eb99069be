"""English words and spellings that reading a PDF's layout depends on. The rest of ``pdf/`` knows no language.

A second language must bring each constant below, and its own ``titles``, ``headings``, ``captions``, ``exercises`` and
``abbreviations`` in ``rules/``. Those are files because users change them; these patterns belong to the code around
them, which reads their groups.
"""

from __future__ import annotations

import re

#: How the title of a part, which holds chapters, starts.
PART_TITLE = re.compile(
    r"part\s+(\d+|[ivxl]+|one|two|three|four|five|six|seven|eight|nine|ten|[a-z])\b|appendices$", re.IGNORECASE
)
#: How a numbered entry of the contents starts. Group 1: the chapter's number; group 2: the rest, ".2.1".
ENTRY_NUMBER = re.compile(
    r"(?:(?:chapter|section|appendix|unit|lesson|module)\s+)?(\d+|[A-Z])((?:\.\d+)*)[.:]?\s", re.IGNORECASE
)
#: How a chapter's heading starts. Group 1: its number or letter.
CHAPTER_HEADING = re.compile(
    r"(?:chapter|appendix|unit|lesson|module|lecture|week)\s+(\d+|[ivxlc]+|[a-z])\b", re.IGNORECASE
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
#: Words of a page that are longer than this on average, in characters, are several words glued together.
LONGEST_MEAN_WORD = 14
#: Words that differ only in so many last letters are forms of one word.
ENDING_LETTERS = 3
