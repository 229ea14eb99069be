"""Encoders examined by the indexes of books, without any training: every passage is judged, none is held out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from tripletkit.encoding.encoder import SentenceEncoder
from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.errors import ConfigError, SourceError
from tripletkit.evaluation.gold import Gold, build_gold
from tripletkit.evaluation.metrics import METRICS, metric_values
from tripletkit.evaluation.report import LEADING_METRIC, EvaluationReport, ReportModel
from tripletkit.evaluation.scoring import NamedEncoder, score_encoders
from tripletkit.progress import Progress
from tripletkit.settings import Settings

#: How many of the terms that an encoder finds worst are listed, and of the pages that it prefers.
WORST_TERMS, PREFERRED = 8, 3
#: What makes a book an exam: each of these is somebody's choice of terms.
EXAMS = ("index", "glossary", "user")


class WorstTerm(ReportModel):
    """A term that an encoder finds badly. Pages are printed page numbers."""

    term: str
    book: str
    score: float  # nDCG@10 of the vectors in term→passage
    cited: tuple[str, ...]  # by the index; without one, those of passages that mention the term
    preferred: tuple[str, ...]  # of the passages that the encoder ranks first


class Cost(ReportModel):
    """What an encoder needs: ``seconds`` to encode all passages, once it is loaded."""

    dimensions: int
    seconds: float


class AuditReport(ReportModel):
    """The result of ``tripletkit audit``. Printed, it is a table; ``to_dict`` is for JSON."""

    books: tuple[str, ...]  # titles
    scores: EvaluationReport
    costs: Mapping[str, Cost]  # by encoder
    worst: Mapping[str, tuple[WorstTerm, ...]]  # by encoder, the worst first

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """What was examined, the table, the cost of each encoder and its worst terms."""
        scores = self.scores
        yield f" {'; '.join(self.books)}: {scores.terms:,} terms, {scores.passages:,} passages, gold labels by {scores.gold}"
        if scores.gold != "index":
            yield " Where mentions are the gold labels, exact match is right by construction: look at the masked tasks."
        yield from ("", str(scores))
        yield from (f" {what}: left out, {reason}." for what, reason in scores.left_out.items())
        for name, worst in self.worst.items():
            cost, label = self.costs[name], scores.labels[name]
            speed = f"{scores.passages:,} passages in {cost.seconds:.1f} s"
            yield from ("", f" {label}: {cost.dimensions} dimensions, {speed}. The terms that its vectors find worst:")
            yield f"   {'term':32}{LEADING_METRIC:>8}  {'cited pages':26}pages it prefers"
            for of in worst:
                cited, preferred = (", ".join(pages) for pages in (of.cited, of.preferred))
                yield f"   {_cut(of.term, 31):32}{of.score:>8.3f}  {_cut(cited, 25):26}{preferred}"


def audit_encoders(
    tables: Mapping[str, pl.DataFrame], places: Sequence[EncoderFolder], settings: Settings, progress: Progress
) -> AuditReport:
    """Score encoders on all passages of the tables books, passages, terms and mentions. The first is compared with the others.

    Raises ConfigError for an encoder that is given twice, and SourceError for a book without an index, a glossary or terms of
    the user's, or whose terms have no passage.
    """
    books, terms = tables["books"], tables["terms"]
    _check_exams(books, terms)
    for name, number in Counter(place.name for place in places).items():
        if number > 1:
            raise ConfigError(f"audit: encoder {name!r} is given twice", "Give each encoder once.")
    passages = tables["passages"].filter(pl.col("kind").is_in(settings.mine.kinds))
    gold = build_gold(passages, terms, tables["mentions"])
    if not gold.terms:
        problem = f"audit: no passage is relevant to any of the {int(terms['kept'].sum())} terms"
        raise SourceError(problem, "See with `tripletkit glossary --list` which terms and pages were found.")
    titles = dict(books.select("book_id", "title").iter_rows())
    with TemporaryDirectory(prefix="tripletkit-") as folder:  # else old vectors would make an encoder look fast
        encoders = [_named(place, Path(folder), settings.precision, progress) for place in places]
        costs = {of.label: _cost(of, gold) for of in encoders}
        return AuditReport(
            books=tuple(titles.values()),
            scores=score_encoders(gold, encoders, split="", seed=settings.seed),
            costs=costs,
            worst={of.label: _worst(of, gold, passages, terms, titles) for of in encoders},
        )


def _named(place: EncoderFolder, cache: Path, precision: str, progress: Progress) -> NamedEncoder:
    encoder = SentenceEncoder(place, cache=cache, progress=progress, precision=precision)
    return NamedEncoder(place.name, encoder, place.mask_token, place.name)


def _check_exams(books: pl.DataFrame, terms: pl.DataFrame) -> None:
    chosen = terms.filter("kept").explode("sources")
    chosen = chosen.filter(pl.any_horizontal(*(pl.col("sources").str.starts_with(exam) for exam in EXAMS)))
    examined = set(chosen["book_id"])
    # Terms of the user's belong to no book.
    missing = books.filter(~pl.col("book_id").is_in(examined - {None})) if None not in examined else books.clear()
    if missing.height:
        raise SourceError(
            f"audit: {missing['path'][0]}: neither an index nor a glossary was found, so nothing says which passages are right",
            "Give your own terms (--terms FILE), name the heading over its index in titles.extra.txt of a --rules folder, or leave it out.",
        )


def _cost(of: NamedEncoder, gold: Gold) -> Cost:
    of.encoder.encode(["a text"], "a first text")  # loads it
    started = time.monotonic()
    vectors = of.encoder.encode(gold.texts, "passages")
    return Cost(dimensions=vectors.shape[1], seconds=round(time.monotonic() - started, 2))


def _worst(
    of: NamedEncoder, gold: Gold, passages: pl.DataFrame, terms: pl.DataFrame, titles: Mapping[str, str]
) -> tuple[WorstTerm, ...]:
    names = [term.name for term in gold.terms]
    cosines = of.encoder.encode(names, "terms", "query") @ of.encoder.encode(gold.texts, "passages").T
    values = metric_values(cosines, gold.relevant)[:, METRICS.index(LEADING_METRIC)]
    rows = {row["term_id"]: row for row in terms.iter_rows(named=True)}
    label = dict(passages.select("passage_id", "label_first").iter_rows())
    pages = [label[passage_id] or "?" for passage_id in gold.passage_ids]

    def worst(i: int) -> WorstTerm:
        term, ranked = gold.terms[i], np.argsort(-cosines[i], kind="stable")
        cited = [locator["label"] for locator in rows[term.term_id]["locators"] if locator["page"] is not None]
        return WorstTerm(
            term=term.name,
            book=titles.get(term.chapter[0], ""),
            score=round(float(values[i]), 6),
            cited=tuple(dict.fromkeys(cited or (pages[j] for j in np.flatnonzero(gold.relevant[i])))),
            preferred=tuple(dict.fromkeys(pages[j] for j in ranked))[:PREFERRED],
        )

    return tuple(worst(int(i)) for i in np.argsort(values, kind="stable")[:WORST_TERMS])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
