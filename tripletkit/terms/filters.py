"""Which terms are kept for tagging and mining, and why the others are not. The patterns are the user's: rules/*.txt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tripletkit.language.normalise import term_key
from tripletkit.rules import Rules


@dataclass(frozen=True)
class Facts:
    """What is known of a term beside its text."""

    forms: Sequence[str]
    sources: frozenset[str]
    kind: str = "subject"  # of the index that names it
    mono: bool = False  # set in a typewriter face there
    cited: bool = False  # by the index, on some page
    said: int = 1  # times that any form stands in the book's running text
    sections: int = 1  # pages of running text on which it stands
    pages: int = 1  # pages of running text in the book


#: The reason that rules/term_filters.txt gives for identifiers as well: such index entries get the source index_code.
CODE = "code identifier"
#: A term on more than this share of the pages is everywhere, and so about none of them.
EVERYWHERE = 0.5
#: So many pages are too few to tell what is everywhere.
FEW_PAGES = 40


def objection(term: str, facts: Facts, rules: Rules) -> str | None:
    """Why the term is not kept, or None. A user's own terms are always kept."""
    if "user" in facts.sources:
        return None
    return next((reason for check in _CHECKS if (reason := check(term, facts, rules))), None)


def _by_kind(term: str, facts: Facts, rules: Rules) -> str | None:
    """Indexes of names and symbols hold no concepts."""
    return {"names": "person name", "symbols": "symbol"}.get(facts.kind)


def _by_pattern(term: str, facts: Facts, rules: Rules) -> str | None:
    return rules.label("term_filters", term)


def _by_face(term: str, facts: Facts, rules: Rules) -> str | None:
    return CODE if facts.mono and "glossary" not in facts.sources else None


def _by_word(term: str, facts: Facts, rules: Rules) -> str | None:
    """Words that every book indexes; one that this book defines is its own."""
    return "too general" if term.lower() in rules.words("stop_terms") and "glossary" not in facts.sources else None


def _by_letters(term: str, facts: Facts, rules: Rules) -> str | None:
    """Formulas read as text: hardly any word in them has two letters."""
    words = term_key(term)
    if not words:
        return "symbol"
    return "symbol" if all(len(word) == 1 for word in words) else None


def _by_frequency(term: str, facts: Facts, rules: Rules) -> str | None:
    if facts.said == 0 and not facts.cited and "glossary" not in facts.sources:
        return "not in the text"
    if facts.pages >= FEW_PAGES and facts.sections > EVERYWHERE * facts.pages and "glossary" not in facts.sources:
        return "everywhere in the text"
    return None


_CHECKS: tuple[Callable[[str, Facts, Rules], str | None], ...] = (
    _by_kind,
    _by_pattern,
    _by_face,
    _by_word,
    _by_letters,
    _by_frequency,
)
