"""The English of finding terms: what indexes, glossaries and running text say in words, and how English builds phrases.

Modules of ``terms`` and ``tagging`` hold no English word in a pattern; they take it from here, from the other modules
of ``language`` or from a rules file. A second language must bring every name of this module: the words that an index
uses ("see also", "passim"), those that a glossary uses ("also called"), the small words that stand inside terms or part
them, and the word endings by which nouns, adjectives and verbs are told apart. Where English has an order of words
(``SUBENTRY_LINKS``, ``ADJECTIVE_END``), another language may need other code in ``terms.subentries`` too.
"""

from __future__ import annotations

import re

# --- Page references of an index -------------------------------------------------------------------------------------

#: "p. 12", "pp. 12".
PAGE_PREFIX = r"(?:pp?\.\s?)?"
#: What may follow a page number: "84n", "85n3", "86ff.", "88t", "fig. 3".
PAGE_NOTE = r"(?:\s?(?:nn?|ff?|t|b|e|fig|tab)\b\.?(?:\s?\d{1,3}(?:[–-]\d{1,3})?)?|n\d{1,3}|\*|†|\spassim)?"
#: A place other than a page: "§4.4", "Table 4.1".
OTHER_PLACE = r"(?:§+\s?|(?:Tables?|Tab\.|Fig(?:ure)?s?\.?|Chapters?|Sections?)\s)[A-Z]?\d+(?:\.\d+)*"
#: The same where it stands at a line's end.
PAGE_NOTE_AT_END = r"(?:n+\d{0,3}|ff?\.?|t|\*)?(?:\s?passim)?"
#: "12 to 15", "12 and 15", "12 passim".
PAGE_TO, PAGE_AND, PAGE_TAIL = r"to", r"(?:and|&)", r"(?:passim|ff\.?|et seq\.?)"

# --- References and remarks of an index ------------------------------------------------------------------------------

#: A reference at the end of an entry: "…, see also X".
REFERENCE = re.compile(
    r"(?P<before>^|[\s,.;:(\[]+)(?P<word>see(?P<also>\s+also)?(?:\s+under)?|cf\.)\s+(?P<target>\S.*?)[)\]]?$", re.I
)
#: How a reference begins that means "see also".
COMPARE = "cf"
SEE = re.compile(r"\bsee( also)?( under)?\b", re.I)
SEE_AT_END = re.compile(r"\bsee( also)?( under)?$", re.I)
#: Where the reference of an entry with run-in subentries begins.
REFERENCE_START = re.compile(r"[.,;(]?\s*\bsee( also)?\b", re.I)
#: Between two targets of one reference.
NEXT_TARGET = re.compile(r";\s*(?:see also\s+)?", re.I)
#: A reference to many entries, none of which is meant alone: "see individual species".
MANY_TARGETS = re.compile(r"\b(individual|specific|particular|under|entries|names? of)\b", re.I)
#: A line that ends so goes on.
OPEN_END = re.compile(r"(?:[,–—-]|\bsee|\balso|\bunder|\band|\bof|\bthe|\bin|\bfor|\bto|\bwith|\bby)$", re.I)
#: The heading over entries that begin with no letter.
SIGN_GROUP = re.compile(
    r"(?:symbols?|numbers|numerals|numerics?|digits|signs|punctuation|special (?:characters|symbols)|non-?alphabetic\w*"
    r"|other|misc\w*|greek(?: letters)?|[#@*0-9]|[0-9]\s?[-–—]\s?[0-9])"
    r"(?:\s(?:and|&)\s(?:symbols?|numbers|numerals))?",
    re.I,
)
CONTINUED = re.compile(r"[\s,]*\(?\b(?:continued|cont(?:’|')?d?\.?)\)?[\s:.]*$", re.I)
#: A remark about the index: "Page numbers in italics refer to figures".
INDEX_REMARK = re.compile(
    r"page (?:numbers?|references?|locators?)"
    r"|(?:numbers?|entries|terms|references) (?:in|set in|followed by|that are|printed)\b"
    r"|\b(?:indicates?|refers? to|denotes?) (?:a |the |to )?(?:figures?|tables?|footnotes?|notes?|pages?"
    r"|definitions?|main|primary)|this index\b",
    re.I,
)
#: Titles of indexes by what they list.
NAME_INDEX = re.compile(
    r"\b(names?|authors?|persons?|people|citations?|nominum|nomi|nombres|(?:namen|personen)\w*)\b", re.I
)
SUBJECT_INDEX = re.compile(r"subject|topic", re.I)
SYMBOL_INDEX = re.compile(r"\b(symbols?|notations?)\b", re.I)
#: A subentry that is about its head itself: "entropy / definition of".
ABOUT_ITS_HEAD = re.compile(
    r"(?:definitions?|meaning|concept|introduction|overview)(?: of| to)?|defined|introduced", re.I
)

# --- Entries of a glossary -------------------------------------------------------------------------------------------

_PART_OF_SPEECH = r"(?:n|v|vb|adj|adv|noun|verb|adjective|adverb|pl|plural)"
#: A part of speech behind a term, "Configuration (n)" or "abacus, n.", and before a definition, "n. a device".
PART_OF_SPEECH = re.compile(rf"\s*[(\[]{_PART_OF_SPEECH}\.?[)\]]$|,?\s{_PART_OF_SPEECH}\.?$(?<=\.)", re.I)
PART_OF_SPEECH_FIRST = re.compile(rf"^(?:[(\[]{_PART_OF_SPEECH}\.?[)\]]|{_PART_OF_SPEECH}\.(?=\s))[\s:;,–—-]*", re.I)
#: "matrix (pl. matrices)", "datum (plural: data)".
PLURAL_IN_BRACKETS = re.compile(r"\s*[(\[](?:pl\.|plural:?)\s+(?P<plural>[^()\[\]]{2,40})[)\]]$", re.I)
#: Pages at the end of a definition: "A set. 12, 15", "a set; pp. 12, 15".
PAGE_LIST = re.compile(
    r"(?:(?P<end>[.)!?”\]])(?P<dots>\s*\.)?\s+|[\s,;(\[]+(?=p\.|pp\.|pages?\b))(?:(?:pp?\.|pages?:?)\s*)?"
    r"(?P<list>[\divxlc][\divxlc,;\s–-]*)[)\].]?$",
    re.I,
)
#: Another name in a definition: "also called X", "(or X)".
OTHER_NAME = re.compile(
    r"(?:^|[(.;,]\s*)(?:also|sometimes|often)?\s*(?:called|known as|referred to as|termed|abbreviated(?: as)?)\s+"
    r"(?:an?\s|the\s)?([^().,;:]{2,50})(?=[).,;]|$)|^\((?:or|also)\s+([^()]{2,50})\)",
    re.I,
)
#: A definition that only refers to another entry.
ONLY_REFERS = re.compile(r"^\(?(see(?P<also> also)?)\s+(?P<target>[^.()]{2,60})[.)]*$", re.I)
ARTICLE_AT_START = re.compile(r"^(?:an?|the)\s")
#: A second name in brackets behind a term: "budget constraint (or budget line)".
OR_OTHER_NAME = re.compile(
    r"(?P<term>.+?)\s*\((?:or|also(?: called| known as)?|a\.?k\.?a\.?|i\.e\.,?|formerly)\s+(?P<other>[^()]+)\)$", re.I
)

# --- How English builds a phrase -------------------------------------------------------------------------------------

#: Words that no initial of an acronym stands for, and at which no term begins or ends.
SMALL_WORDS = frozenset(("of", "the", "and", "for", "in", "on", "a", "an", "to", "with", "by", "or", "at", "from"))
SMALL_VERBS = frozenset(("is", "as"))
#: Prepositions after the comma of a term turned round ("closure, of a set"), and at its end ("set, closure of").
PREPOSITION_AT_START = re.compile(r"(?:of|in|for|on|to|by|with|under|between|versus|vs\.?)\b")
PREPOSITION_AT_END = re.compile(r"\b(?:of|in|for|on|to|by|with)$")
_LINKING = (
    r"(?:of|in|for|with|without|on|to|by|from|as|at|and|or|versus|vs\.?|via|under|over|between|among|against|using|through"
    r"|within|into|than|during|not|is|are|that|which|when|where|after|before|across)"
)
#: A subentry that goes on from its head ("of a tree"), leads into it ("kernel of"), or waits for it ("atom in a").
GOES_ON = re.compile(rf"{_LINKING}(?![\w-])", re.I)
LEADS_IN = re.compile(rf"\b(?:{_LINKING})(?:\s(?:a|an|the))?$", re.I)
ARTICLE_AT_END = re.compile(r"\b(?:a|an|the)$", re.I)
ARTICLES = ("a", "an", "the")
OF = "of"
#: What may stand between a subentry and its head, and between a head and its subentry.
SUBENTRY_LINKS = ("of a", "of the", "in", "for")
HEAD_LINKS = ("of", "of a")
#: Endings of a subentry's last word that tell on which side of its head it is said.
ADJECTIVE_END = re.compile(
    r"(?:al|ic|ive|ed|ing|ous|ary|ory|ar|less|ble|ful|ite|ian|ean|ant|ent|ese|like|based|free)$", re.I
)
PLAIN_NOUN_END = re.compile(r"(?:applications?|proofs?|uses?|examples?|methods?|propert(?:y|ies)|types?|kinds?)$", re.I)
ACTION_END = re.compile(r"(?:tions?|sions?|ments?|ities|ity|ness|ances?|ences?|analysis)$", re.I)
#: A plural's ending, if there is one.
PLURAL_ENDING = r"(?:e?s)?"
PLURAL_ENDINGS = ("s", "es")
#: Endings that no noun has, but for those in rules/nouns.txt.
ADVERB_ENDING = "ly"
NO_NOUN_END = re.compile(r"(?:ly|ed|ous|ive|ible|able|ical|ful|less|est)$")
#: What parts the phrases of a section's title.
TITLE_JOINT = re.compile(
    r"\s*(?:[:;,/&–—?!()“”]|\s-\s"
    r"|\b(?:and|or|vs\.?|versus|with|without|for|in|on|to|from|by|as|using|via|the|a|an)\b)\s*",
    re.I,
)
GERUND_FIRST = re.compile(r"\S+ing\b")
#: A phrase that begins with a gerund is a thing, not an activity, where one of these stands before it.
BEFORE_THING = r"\b(?:an?|the|this|these|its|their|each|every|our|such)\s+"
#: Last words that add little to a term: "sigmoid activation function" is the sigmoid activation.
GENERAL_NOUN = re.compile(
    r"function|method|algorithm|technique|model|rule|law|theorem|formula|test|measure|curve|score|value|problem|process"
)
#: Beginnings that turn a word into another concept: "microeconomics", "macroeconomics".
TURNING_PREFIX = re.compile(
    r"(?:non|un|in|im|ir|dis|anti|over|under|pre|post|sub|super|micro|macro|hyper|hypo|endo|exo|intra|inter|co|bi|multi|uni|min|max|up|down|semi)"
)
#: Beginnings that are written together, with a hyphen or apart: "nonlinear", "non-linear".
JOINED_PREFIXES = (
    "anti", "auto", "bi", "co", "counter", "cyber", "hyper", "inter", "intra", "macro", "meta", "micro", "mini", "mono",
    "multi", "non", "over", "para", "poly", "post", "pre", "pseudo", "quasi", "re", "self", "semi", "sub", "super", "tri",
    "ultra", "un", "under",
)  # fmt: skip
#: Endings in brackets, as in "tree(s)": no call of a function.
BRACKETED_ENDINGS = r"s|es|ies|al|ly"
#: The word before an infinitive.
INFINITIVE = "to"
#: Before a word, it makes another concept of it: "non-strict" is not "strict".
NEGATION = re.compile(r"(?<!\w)non[-‐‑]\Z", re.I)
#: An adjective, participle or gerund: the word after one is no verb ("variable" and "table" are nouns).
ADJECTIVE_OR_GERUND = re.compile(r"(?:al|ic|ive|ous|less|[^it]able|ible|ful|ese|ing|ed|est)$")
