"""Rules as data: ``rules/*.txt`` → frozen, validated objects that know the file and line they came from.

A rules file holds one entry a line; ``#`` starts a comment line. Which kind of entry a file holds is fixed in KINDS:
``words`` (compared as they stand, case ignored), ``patterns`` (regular expressions, case ignored), ``labelled``
(``label: regular expression``) and ``pairs`` (``one: other``, as they stand). A user's folder replaces a default by a
file of the same name and adds to it by ``NAME.extra.txt``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tripletkit.errors import RulesError

KINDS = {
    "abbreviations": "words",  # a full stop after one of these ends no sentence
    "titles": "labelled",  # headings that announce what follows: glossary, index, bibliography, summary, exercise, toc, front
    "headings": "patterns",  # a heading's own number, at its start
    "captions": "patterns",  # how a caption starts
    "exercises": "patterns",  # how an exercise starts
    "stop_terms": "words",  # terms too general to teach anything
    "term_filters": "labelled",  # reason: a term to be left out, its whole text
    "aliases": "pairs",  # two names of one concept, accepted by the user: form: canonical
    "function_words": "words",  # words that no automatic term holds
    "nouns": "words",  # nouns that end as adverbs, adjectives or participles do
    "stop_headings": "words",  # titles, and ends of titles, that name nothing taught
    "idioms": "patterns",  # turns of phrase in which a word is not the term of that name
    "noun_verbs": "words",  # nouns that are verbs too
    "verb_neighbours": "pairs",  # words beside a one-word term by which it is a verb: role: word
    "plurals": "pairs",  # plurals that no rule makes: plural: singular
    "variants": "pairs",  # two spellings of one word: british: american
}


@dataclass(frozen=True)
class Rule:
    """One entry: its text, its label where the kind has one, and where it stands."""

    text: str
    label: str
    place: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The entry as a regular expression, case ignored."""
        return re.compile(self.text, re.IGNORECASE)

    def __reduce__(self) -> tuple[type[Rule], tuple[str, str, str]]:
        """Pickle without the compiled pattern: other processes compile only the patterns that they use."""
        return Rule, (self.text, self.label, self.place)


@dataclass(frozen=True)
class Rules:
    """Every rule, by the name of its file, and a hash of them all."""

    files: dict[str, tuple[Rule, ...]]
    fingerprint: str

    def words(self, name: str) -> frozenset[str]:
        """The entries of a ``words`` file, lower case."""
        return self._words[name]

    @property
    def word_fingerprint(self) -> str:
        """A hash of the rules by which all words are compared: plurals and variants."""
        return _fingerprint({name: self.files[name] for name in ("plurals", "variants")})

    @cached_property
    def _words(self) -> dict[str, frozenset[str]]:
        files = ((name, rules) for name, rules in self.files.items() if KINDS[name] == "words")
        return {name: frozenset(rule.text.lower() for rule in rules) for name, rules in files}

    def starts(self, name: str, text: str) -> re.Match[str] | None:
        """The match of the first pattern of file ``name`` that fits the start of ``text``."""
        return next((m for rule in self.files[name] if (m := rule.pattern.match(text))), None)

    def label(self, name: str, text: str) -> str | None:
        """The label of the first entry of a ``labelled`` file that fits the whole of ``text``."""
        return next((rule.label for rule in self.files[name] if rule.pattern.fullmatch(text)), None)


def default_folder() -> Path:
    """The folder of the packaged rules: inside the installed package, or at the top of a checkout."""
    inside = Path(__file__).parent / "rules"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "rules"


def load_rules(extra: Path | None = None) -> Rules:
    """The packaged rules, replaced and extended by those of the folder ``extra``. Raises RulesError with file and line."""
    if extra is not None and not extra.is_dir():
        files = ", ".join(f"{name}.txt" for name in list(KINDS)[:3])
        raise RulesError(f"--rules {extra}: no such folder", f"It should hold files such as {files}.")
    own = {path.name: path for path in sorted(extra.glob("*.txt"))} if extra is not None else {}
    known = {f"{name}{end}" for name in KINDS for end in (".txt", ".extra.txt")}
    if unknown := [path for name, path in own.items() if name not in known]:
        raise RulesError(f"{unknown[0]}: no rules file of that name is known", f"Known: {', '.join(sorted(known))}.")
    read = {}
    for name in KINDS:
        paths = (own.get(f"{name}.txt", default_folder() / f"{name}.txt"), own.get(f"{name}.extra.txt"))
        read[name] = tuple(rule for path in paths if path is not None for rule in _read(path, name))
    return Rules(read, _fingerprint(read))


def _fingerprint(files: Mapping[str, Sequence[Rule]]) -> str:
    payload = repr([(name, [(r.label, r.text) for r in rules]) for name, rules in files.items()])
    return hashlib.sha256(payload.encode()).hexdigest()[:16]


def _read(path: Path, name: str) -> Iterator[Rule]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read ({error})", "It must be a UTF-8 text file.") from error
    # The packaged rules are known to compile, and no command uses all of them.
    own = path.parent != default_folder()
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if line and not line.startswith("#"):
            yield _rule(line, KINDS[name], f"{path}:{number}", check=own)


def _rule(line: str, kind: str, place: str, *, check: bool) -> Rule:
    label = ""
    if kind in ("labelled", "pairs"):
        label, colon, line = (part.strip() for part in line.partition(":"))
        if not (label and colon and line):
            raise RulesError(f"{place}: expected 'label: pattern'", "Write a label, a colon and a regular expression.")
    rule = Rule(line, label, place)
    if check and kind not in ("words", "pairs"):
        try:
            _ = rule.pattern
        except re.error as error:
            problem = f"{place}: {line!r} is not a regular expression ({error})"
            raise RulesError(problem, "Escape a literal ( [ . + * ? with a backslash.") from error
    return rule
