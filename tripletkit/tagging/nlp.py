"""An optional, slow spaCy pipeline that finds one-word forms used as verbs: "they set it" is no mention of "set"."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tripletkit.errors import ConfigError

if TYPE_CHECKING:
    from tripletkit.tagging.matcher import Match
    from tripletkit.tagging.mentions import Parser

#: Finite verbs. A gerund names what is done ("hashing", "pooling"), a participle may be a term ("fixed"): both stay.
VERB_TAGS = frozenset(("VB", "VBP", "VBZ", "VBD", "MD"))
_LEFT_OUT = ("parser", "ner", "lemmatizer", "senter")


def load_parser(name: str) -> Parser:
    """The pipeline of that name or in that folder. Raises ConfigError if spaCy, the pipeline or its tagger is missing."""
    if importlib.util.find_spec("spacy") is None:
        cure = "pip install 'tripletkit[nlp]', or leave tag.nlp out."
        raise ConfigError(f"tag.nlp = {name!r}: spaCy is not installed", cure)
    import spacy

    try:
        nlp = spacy.load(Path(name) if Path(name).is_dir() else name, exclude=list(_LEFT_OUT))
    except (OSError, ValueError) as error:
        hint = f"Install it: python -m spacy download {name}. Any installed spaCy pipeline or its folder will do."
        raise ConfigError(f"tag.nlp = {name!r}: no such spaCy pipeline ({str(error).splitlines()[0]})", hint) from None
    if "tagger" not in nlp.pipe_names:
        problem = f"tag.nlp = {name!r}: the pipeline has no tagger, only {', '.join(nlp.pipe_names) or 'nothing'}"
        raise ConfigError(problem, "Take one that tags parts of speech, such as en_core_web_sm.")

    def unfit(texts: Iterable[tuple[str, Sequence[Match]]]) -> Iterator[Sequence[Match]]:
        for doc, matches in nlp.pipe(texts, as_tuples=True, batch_size=64):
            tags = {token.idx: token.tag_ for token in doc}
            verbs = [m for m in matches if m.form.text.isalpha() and tags.get(m.start) in VERB_TAGS]
            inner = _nested(matches) if verbs else ()
            yield [m for m in verbs if m.start not in inner]

    return unfit


def _nested(matches: Sequence[Match]) -> set[int]:
    """Where the words of longer mentions start: a word inside a term of several words is no verb."""
    return {
        m.start
        for m in matches
        for other in matches
        if other.start <= m.start and m.end <= other.end and other.end - other.start > m.end - m.start
    }
