"""Who teaches: the base encoder itself, another encoder, a MultiVectorEncoder or a CrossEncoder.

Prompts, lengths and special tokens are those of the teacher itself. What it computes is cached under its fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from tripletkit.addresses import Place
from tripletkit.encoding.encoder import Encoder
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.progress import Progress
from tripletkit.teaching.draw import BEST_TERMS, Row
from tripletkit.teaching.place import (
    CROSS_ENCODER,
    MULTI_VECTOR,
    SENTENCE_TRANSFORMER,
    naming_the_setting,
    teacher_family,
)
from tripletkit.teaching.scores import Scores


class Teacher:
    """Scores of terms and passages of one book. ``kind`` says in words what gives them."""

    kind = ""

    def parts(self, names: Sequence[str], texts: Sequence[str]) -> dict[str, Scores]:
        """Cosine, MaxSim or both: float32, shape (texts, names), by the names "cosine" and "maxsim"."""
        raise NotImplementedError

    def reorder(self, rows: list[Row], names: Mapping[str, str], texts: Mapping[str, str]) -> list[Row]:
        """Rows of the table `teacher` with their logits in the teacher's order, where ``parts`` does not give it yet.

        ``names`` and ``texts``: those of terms and passages, by id.
        """
        return rows


class EncoderTeacher(Teacher):
    """An encoder of one vector per text, such as the base encoder: cosine, and MaxSim if it has token vectors."""

    def __init__(self, encoder: Encoder, kind: str = "") -> None:
        self._encoder, self.kind = encoder, kind

    def parts(self, names: Sequence[str], texts: Sequence[str]) -> dict[str, Scores]:
        """Cosine and MaxSim."""
        tokens = self._encoder.max_similarities(names, texts, "passages")
        cosine = self._encoder.encode(texts, "passages") @ self._encoder.encode(names, "terms", "query").T
        return {"cosine": cosine} | ({} if tokens is None else {"maxsim": tokens.T})


class MultiVectorTeacher(Teacher):
    """A MultiVectorEncoder: MaxSim, as a mean over the query's token vectors of the highest cosine. It has no cosine."""

    kind = MULTI_VECTOR

    def __init__(self, place: EncoderFolder, *, cache: Place | None, progress: Progress, precision: str) -> None:
        from tripletkit.encoding.multi_vector_encoder import MultiVectorScorer

        self._scorer = MultiVectorScorer(place, cache=cache, progress=progress, precision=precision)

    def parts(self, names: Sequence[str], texts: Sequence[str]) -> dict[str, Scores]:
        """MaxSim."""
        return {"maxsim": self._scorer.max_similarities(names, texts, "passages").T}


class CrossEncoderTeacher(EncoderTeacher):
    """A CrossEncoder, which reads a term and a passage together.

    That is too slow for all passages x terms (half a million pairs of a book). So the base encoder scores these and chooses
    the lists, and the cross-encoder scores only the BEST_TERMS terms of each passage of a list. Among these the logits
    change places until they are in its order: over terms for each passage; over passages for each term, among the list's
    passages that have it among their best. The values themselves stay, so the cross-encoder's scale does not matter.
    """

    kind = f"{CROSS_ENCODER}, which orders the best {BEST_TERMS} terms of each passage"

    def __init__(
        self, base: Encoder, place: EncoderFolder, *, cache: Place | None, progress: Progress, precision: str
    ) -> None:
        from tripletkit.encoding.cross_encoder import PairScorer

        super().__init__(base, self.kind)
        self._scorer = PairScorer(place, cache=cache, progress=progress, precision=precision)

    def reorder(self, rows: list[Row], names: Mapping[str, str], texts: Mapping[str, str]) -> list[Row]:
        """The rows in which over_terms and over_passages follow the cross-encoder among the best terms of each passage."""
        found = list[Row]()
        for own in self._judged(rows, names, texts):
            judged = np.array([scores for _, scores in own], dtype=np.float32)
            over_terms, over_passages = (
                np.array([row[name] for row, _ in own], dtype=np.float32) for name in ("over_terms", "over_passages")
            )
            logits = zip(reordered(over_terms, judged), reordered(over_passages.T, judged.T).T, strict=True)
            for (row, _), (of_terms, of_passages) in zip(own, logits, strict=True):
                found.append(row | {"over_terms": of_terms.tolist(), "over_passages": of_passages.tolist()})
        return found

    def _judged(
        self, rows: list[Row], names: Mapping[str, str], texts: Mapping[str, str]
    ) -> Iterator[list[tuple[Row, Scores]]]:
        """Each list's rows with the cross-encoder's score of each term; NaN for those that it does not score."""
        wanted = [_pairs(row, names, texts) for row in rows]
        distinct = list(dict.fromkeys(pair for pairs in wanted for pair in pairs.values()))
        score = dict(zip(distinct, self._scorer.score(distinct), strict=True))
        judged = list[tuple[Row, Scores]]()
        for row, pairs in zip(rows, wanted, strict=True):
            scores = np.full(len(_ids(row)), np.nan, dtype=np.float32)
            scores[list(pairs)] = [score[pair] for pair in pairs.values()]
            judged.append((row, scores))
        yield from (list(own) for _, own in groupby(judged, key=lambda one: one[0]["list"]))


def _ids(row: Mapping[str, Any]) -> Sequence[str]:
    ids: Sequence[str] = row["term_ids"]
    return ids


def _pairs(row: Mapping[str, Any], names: Mapping[str, str], texts: Mapping[str, str]) -> dict[int, tuple[str, str]]:
    """The (term, passage) of the passage's best terms, by their place in the list."""
    best = np.argsort(-np.array(row["over_terms"]), kind="stable")[:BEST_TERMS].tolist()
    return {place: (names[row["term_ids"][place]], texts[row["passage_id"]]) for place in best}


def reordered(logits: Scores, judged: npt.NDArray[np.float32]) -> Scores:
    """``logits`` of which those that ``judged`` has a score for (not NaN) change places within their row, into its order.

    Both have the same shape. Where scores are equal, the logits' own order stays.
    """
    found = logits.copy()
    for row, scores in zip(found, judged, strict=True):
        places = sorted(np.flatnonzero(~np.isnan(scores)).tolist(), key=lambda i: (-scores[i], -row[i]))
        row[places] = sorted(row[places].tolist(), reverse=True)
    return found


def usable_weights(weights: Mapping[str, float], parts: Mapping[str, Scores]) -> dict[str, float]:
    """The weights for a teacher that has only cosine or only MaxSim: its part has the larger weight of the two.

    Without MaxSim, BM25 counts as much: else nothing would say where the very words of a term are.
    """
    larger = max(weights.get("cosine", 0.0), weights.get("maxsim", 0.0))
    if "maxsim" not in parts:
        return {**weights, "cosine": larger, "maxsim": 0.0, "bm25": max(weights.get("bm25", 0.0), larger)}
    return dict(weights) if "cosine" in parts else {**weights, "cosine": 0.0, "maxsim": larger}


def load_teacher(
    place: EncoderFolder | None,
    base: Encoder,
    encoder: Callable[[EncoderFolder], Encoder],
    *,
    cache: Place | None,
    progress: Progress,
    precision: str,
) -> Teacher:
    """The teacher in ``place``, as ``resolve_teacher`` gives it. ``encoder`` makes an encoder of one vector per text."""
    if place is None:
        return EncoderTeacher(base)
    family = teacher_family(place)
    if family == MULTI_VECTOR:
        return MultiVectorTeacher(place, cache=cache, progress=progress, precision=precision)
    if family == CROSS_ENCODER:
        return CrossEncoderTeacher(base, place, cache=cache, progress=progress, precision=precision)
    return EncoderTeacher(encoder(place), family)


def check_teacher(place: EncoderFolder) -> str:
    """Load the teacher and let it score a term and a passage; returns what it is. Raises EncoderError if it cannot be used."""
    with naming_the_setting():
        family = teacher_family(place)
        if family == SENTENCE_TRANSFORMER:
            from tripletkit.encoding.loading import check_encoder

            check_encoder(place)
        else:
            options: dict[str, Any] = {"cache": None, "progress": Progress(quiet=True), "precision": "float32"}
            _check_scorer(place, family, options)
    return f"{family} in {place.folder}, fingerprint {place.fingerprint}; it was loaded and scores"


def _check_scorer(place: EncoderFolder, family: str, options: dict[str, Any]) -> None:
    if family == MULTI_VECTOR:
        from tripletkit.encoding.multi_vector_encoder import MultiVectorScorer

        MultiVectorScorer(place, **options).max_similarities(["a term"], ["a passage"])
    else:
        from tripletkit.encoding.cross_encoder import PairScorer

        PairScorer(place, **options).score([("a term", "a passage")])
