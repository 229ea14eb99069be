"""Why a term is a positive or a negative of a passage, or which guard rejects it, and what would change it.

The guards are those of mining, applied to one passage and two terms; what they found is told beside the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import polars as pl

from tripletkit.language.definitions import is_defined, stem, stems_of_many, words_of
from tripletkit.language.normalise import normalised_by
from tripletkit.mining import relations
from tripletkit.mining.miner import NEAREST_REJECTED, NO_NEGATIVE
from tripletkit.mining.pool import BAD_POSITIVE, FAR, IN_PASSING, in_heading
from tripletkit.mining.relations import cited_pages, outermost
from tripletkit.mining.search import CERTAIN, GUARDS, OTHER_BOOK, REVIEWED, highest_cosine
from tripletkit.review.folder import OutputFolder, Row
from tripletkit.reviews import FALSE_NEGATIVE, Decisions, Review
from tripletkit.rules import load_rules
from tripletkit.schemas import SECTION_MARK
from tripletkit.settings import MineSettings
from tripletkit.tagging.matcher import Match
from tripletkit.tagging.mentions import Context, Tagger
from tripletkit.tagging.tag_texts import form_matcher

IN_REVIEW = "`tripletkit review`"
#: What the rules that choose a negative do.
RULES = {
    "nearest": "the nearest of the allowed terms",
    "sibling": "the nearest allowed term with the positive's head word or parent, else one of the passage's chapter",
    "window": "drawn from the allowed terms at ranks mine.window",
    "weighted": "drawn from the allowed terms, nearer ones more often",
    "random": "drawn from the allowed terms at random",
}


@dataclass(frozen=True)
class Finding:
    """One answer: ``role`` is positive, negative, rejected or unused; ``change``: the setting or verdict that would change it."""

    role: str
    text: str
    change: str = ""


@dataclass(frozen=True)
class Explanation:
    """All answers about a term and a passage."""

    passage: Row
    where: str
    split: str | None
    term: Row
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same for --json."""
        ids = {"passage_id": self.passage["passage_id"], "term_id": self.term["term_id"], "term": self.term["term"]}
        return {**ids, "split": self.split, "findings": [vars(finding) for finding in self.findings]}

    def lines(self) -> Iterator[str]:
        """The same in words."""
        yield f"passage   {self.passage['passage_id']}: {self.where} ({self.split or 'in no split'})"
        yield f"term      {self.term['term']!r} ({self.term['term_id']})"
        for finding in self.findings:
            yield f"{finding.role:9} {finding.text}"
            if finding.change:
                yield f"          to change it: {finding.change}"


def explain(folder: OutputFolder, term: str, passage_id: str) -> Explanation:
    """Why the term (its id, name or a form) is what it is in the passage (its id, or the beginning of it).

    Raises ConfigError if there is no such term or passage, TableError for a table that is missing.
    """
    passage = folder.passage(passage_id)
    found = folder.find_term(folder.decisions.current(term), passage["book_id"])
    return explain_rows(folder, passage, found)


def explain_rows(folder: OutputFolder, passage: Row, term: Row) -> Explanation:
    """The same for rows of the tables passages and terms."""
    with normalised_by(load_rules(folder.settings.rules)):
        of = _Pair(folder, passage, term)
        findings = [*of.not_mined()] or [*of.as_positive()]
        if not {"positive", "rejected"} & {finding.role for finding in findings}:
            findings += of.as_negative()
    split = folder.splits.get(passage["passage_id"])
    return Explanation(passage, folder.where(passage), split, term, tuple(findings))


def explain_triplet(folder: OutputFolder, passage: Row, positive: Row, negative: Row) -> list[Finding]:
    """Why the positive is one, and which guards have something to say about the negative."""
    with normalised_by(load_rules(folder.settings.rules)):
        first = Finding("positive", "; ".join(_Pair(folder, passage, positive).signs()))
        of = _Pair(folder, passage, negative)
        nearest = [*of.guards(positive)] or [Finding("negative", "no guard of mining has anything against it")]
        return [first, *nearest]


class _Pair:
    """A passage and a term, and what mining knows about them."""

    def __init__(self, folder: OutputFolder, passage: Row, term: Row) -> None:
        self.folder, self.passage, self.term = folder, passage, term
        self.name, self.reviews = repr(term["term"]), folder.decisions
        self.key = passage["passage_id"], term["term_id"]
        self.settings = mine_settings(folder)
        self.mentions = folder.rows("mentions", passage_id=self.key[0])
        self.triplets = folder.rows("triplets", passage_id=self.key[0])
        self.dropped = folder.rows("dropped", stage="mine", item=self.key[0])

    # Not in the pool.

    def not_mined(self) -> Iterator[Finding]:
        """Why neither can be mined: the term is not kept, or the passage is no anchor."""
        if not self.term["kept"]:
            keep = f"keep it in {IN_REVIEW}, or list it in a file for --terms"
            yield Finding("rejected", f"{self.name} is not kept as a term: {self.term['reason']}", keep)
        if (kind := self.passage["kind"]) not in self.settings.kinds:
            kinds = ", ".join(self.settings.kinds)
            yield Finding("rejected", f"a passage of kind {kind} is no anchor (mine.kinds: {kinds})", "mine.kinds")
        elif self.key[0] not in self.folder.splits:
            rows = self.folder.rows("dropped", stage="split", item=self.key[0])
            reason = f"{rows[0]['reason']} ({rows[0]['detail']})" if rows else "its split was not made"
            yield Finding("rejected", f"the passage is in no split: {reason}")

    # As a positive.

    def as_positive(self) -> Iterator[Finding]:
        """What makes it a positive, or why it is none; nothing where the passage does not have its words."""
        own = [row for row in self.triplets if row["positive_id"] == self.key[1]]
        if own:
            limits = "mine.positives, mine.passages_per_term; or call it a bad positive in the review"
            yield Finding("positive", f"of {len(own)} triplets: {'; '.join(self.signs())}", limits)
        elif any(row["term_id"] == self.key[1] for row in self.mentions):
            yield self._no_positive()
        else:
            yield from self._rejected_matches()

    def signs(self) -> Iterator[str]:
        """What shows that the passage is about the term."""
        spans = [(row["start"], row["end"]) for row in self.mentions if row["term_id"] == self.key[1]]
        surfaces = dict.fromkeys(self.passage["text"][start:end] for start, end in spans)
        times = "once" if len(spans) == 1 else f"{len(spans)} times"
        yield f"mentioned {times} ({', '.join(map(repr, surfaces))})" if spans else "not mentioned"
        if pages := self._cited(0):
            yield f"the index cites it on {pages}"
        if is_defined(self.passage["text"], spans):
            yield "a sentence says what it is"
        if in_heading(self.passage["section"], self.term["term"]):
            yield "the section's heading has it"

    def _no_positive(self) -> Finding:
        reasons = {row["reason"]: row["detail"] for row in self.dropped if row["related"] == self.key[1]}
        if BAD_POSITIVE in reasons or self.key in self.reviews.bad_positives:
            return Finding(
                "rejected", f"{BAD_POSITIVE}: {self._who('bad_positives')}", f"take the verdict back in {IN_REVIEW}"
            )
        if weak := next((reason for reason in (FAR, IN_PASSING) if reason in reasons), None):
            return Finding(
                "rejected", f"{weak}: {reasons[weak]}", f"mine.weak_positives = true, or take it back in {IN_REVIEW}"
            )
        if NO_NEGATIVE in reasons:
            return Finding(
                "unused", "a positive for which the guards leave no negative", "mine.relative_margin, more terms"
            )
        spans = sorted((row["start"], row["end"], row["term_id"] == self.key[1]) for row in self.mentions)
        if not any(own for *_, own in outermost(spans)):
            return Finding("rejected", "mentioned only inside a longer term")
        positives = len({row["positive_id"] for row in self.triplets})
        if positives >= self.settings.positives:
            text = f"its {positives} positives are those that the passage is most about; {self.name} is not among them"
            return Finding("unused", text, f"mine.positives = {self.settings.positives}")
        limit = self.settings.passages_per_term
        return Finding(
            "unused", f"{self.name} is the positive of {limit} other passages", f"mine.passages_per_term = {limit}"
        )

    def _rejected_matches(self) -> Iterator[Finding]:
        """Its words stand in the passage, but are no mentions."""
        if self.key in self.reviews.not_meant:
            yield Finding(
                "rejected", f"not meant here, by review: {self._who('not_meant')}", f"take it back in {IN_REVIEW}"
            )
            return
        matcher = form_matcher([(self.term["term_id"], self.term["term"], self.term["forms"])])
        [tagged] = Tagger(matcher, Context(load_rules(self.folder.settings.rules))).tag([self.passage["text"]])
        for one in islice(tagged.rejected, 3):
            files = "idioms.txt and verb_neighbours.txt of a --rules folder"
            yield Finding("rejected", f"its words are no mention: {one.reason}, in {self._around(one.match)}", files)
        for match in islice(tagged.mentions, 3):  # by its neighbours it is one, so something else rejected it
            text = f"its words are no mention: a verb by the part-of-speech pipeline, or a form of another term, in {self._around(match)}"
            yield Finding("rejected", text, "tag.nlp")

    def _around(self, match: Match) -> str:
        text = self.passage["text"][max(0, match.start - 30) : match.end + 30].replace("\n", " ")
        return f"“…{text}…”"

    # As a negative.

    def as_negative(self) -> Iterator[Finding]:
        """For each positive of the passage: it is the negative, or what rejects it, or that it was not chosen."""
        seen = set[str]()
        for row in self.triplets:
            if row["negative_id"] == self.key[1]:
                seen.add(row["positive_id"])
                yield self._negative(row)
        # A pair for which no negative was left has no triplet.
        left = [row["related"] for row in self.dropped if row["reason"] == NO_NEGATIVE]
        others = dict.fromkeys([*(row["positive_id"] for row in self.triplets), *left])
        for positive_id in others:
            if positive_id not in seen | {self.key[1]} and positive_id in self.folder.terms:
                positive = self.folder.terms[positive_id]
                yield next(self.guards(positive), None) or self._unused(positive)
        if not others:
            yield Finding(
                "unused", "the passage has no positive, so it is no anchor", "more terms; mine.weak_positives"
            )

    def _negative(self, row: Row) -> Finding:
        bound = float(highest_cosine(row["cos_ap"], self.settings.relative_margin))
        plain = row["rule"].removesuffix(OTHER_BOOK)
        text = (
            f"for {row['positive']!r}, by the rule {row['rule']} ({RULES.get(plain, plain)}): cosine {row['cos_an']:.3f} of at "
            f"most {bound:.3f}, rank {row['rank']} of all terms; the positive has {row['cos_ap']:.3f}"
        )
        return Finding("negative", text, f"call it a false negative in {IN_REVIEW}; mine.strategy, mine.negatives")

    def _unused(self, positive: Row) -> Finding:
        split = self.folder.splits[self.key[0]]
        mentioned = (
            self.folder.scan("mentions").filter(term_id=self.key[1]).select("passage_id").collect()["passage_id"]
        )
        if not any(self.folder.splits.get(passage) == split for passage in mentioned):
            return Finding(
                "unused", f"no {split} passage mentions {self.name}, and negatives come from the split's own terms"
            )
        own = self.folder.scan("triplets").filter(split=split)
        used, total = own.select((pl.col("negative_id") == self.key[1]).sum(), pl.len().alias("n")).collect().row(0)
        cosine = self._cosine()
        near = f", cosine {cosine:.3f}" if cosine is not None else ""
        text = f"for {positive['term']!r} no guard rejects it{near}; others were chosen. It is in {used} of {total} {split} triplets"
        return Finding("unused", text, "mine.negatives, mine.window, mine.strategy, mine.max_negative_share")

    def guards(self, positive: Row) -> Iterator[Finding]:
        """Each guard that rejects the term as a negative of the passage with this positive, in mining's order."""
        checks: tuple[tuple[str, Callable[[Row], str], str], ...] = (
            (REVIEWED, self._known, f"take the verdict back in {IN_REVIEW}"),
            (GUARDS[0], self._mentioned, ""),
            (GUARDS[1], lambda _: self._cited(self.settings.page_margin), self._by_margin()),
            (GUARDS[2], self._implied, f"take it back in {IN_REVIEW}"),
            (GUARDS[3], self._related, ""),
            (GUARDS[4], self._near_synonym, f"mine.synonym_threshold; or take it back in {IN_REVIEW}"),
            (GUARDS[5], self._too_close, ""),
        )
        allowed = self.key in self.reviews.allowed_negatives
        for guard, check, change in checks:
            if (guard in CERTAIN or not allowed) and (found := check(positive)):
                text = f"for {positive['term']!r}: {guard}: {found}"
                yield Finding("rejected", text, change or self._change(guard, positive))

    def _change(self, guard: str, positive: Row) -> str:
        if guard != GUARDS[5]:
            return "nothing: this guard is certain" + ("; split the term in the review" if guard == GUARDS[3] else "")
        cosine, of_positive = self._cosine(), self._of_positive(positive)
        margin = None if cosine is None or not of_positive else (of_positive - cosine) / abs(of_positive)
        lower = f"mine.relative_margin = {margin:.3f} or less, or " if margin is not None and margin >= 0 else ""
        return f"{lower}take it back in {IN_REVIEW}"

    def _known(self, _: Row) -> str:
        return self._who("known_positives") if self.key in self.reviews.known_positives else ""

    def _mentioned(self, _: Row) -> str:
        if not relations.mentioned_in([self.passage["text"]], [self.term])[0].size:
            return ""
        matches = form_matcher([(self.term["term_id"], self.term["term"], self.term["forms"])]).matches(
            self.passage["text"]
        )
        words = dict.fromkeys(self.passage["text"][match.start : match.end] for match in matches)
        return ", ".join(map(repr, words)) or f"a form of {self.name}"

    def _cited(self, margin: int) -> str:
        """The printed pages of the passage, or near it, that the index cites."""
        if not relations.cited_in([self.passage], [self.term], margin)[0].size:
            return ""
        near = range(self.passage["page_first"] - margin, self.passage["page_last"] + margin + 1)
        pages = sorted(cited_pages(self.term) & set(near))
        return ", ".join(self.folder.label(self.passage["book_id"], page) for page in pages)

    def _by_margin(self) -> str:
        return (
            f"take it back in {IN_REVIEW}"
            if self._cited(0)
            else f"mine.page_margin = 0, or take it back in {IN_REVIEW}"
        )

    def _implied(self, _: Row) -> str:
        if not relations.implied_in([self.passage], [self.term])[0].size:
            return ""
        section = self.passage["section"] or ""
        if relations.mentioned_in([section], [self.term])[0].size:
            return f"the headings {section.split(SECTION_MARK)[-1]!r}"
        words = words_of(self.term["term"])
        one = stem(self.term["term"].casefold())
        stems = (one,) if one else stems_of_many(words)
        found = (next((w for w in words_of(self.passage["text"]) if w.startswith(part)), part) for part in stems)
        return f"it says {', '.join(map(repr, dict.fromkeys(found)))}"

    def _related(self, positive: Row) -> str:
        same = self._same_thing(positive)
        if 1 not in relations.related_terms([positive, self.term], [(0, 1)] if same else [])[0].tolist():
            return ""
        ids = self.term["term_id"], positive["term_id"]
        if same:
            return f"the text says that they are one thing, in passage {same}"
        if ids[0] == ids[1]:
            return "it is the positive"
        if self.term["parent_id"] == ids[1] or positive["parent_id"] == ids[0]:
            return "one stands under the other in the index"
        linked = ids[0] in positive["see_also"] or ids[1] in self.term["see_also"]
        return "the index refers from one to the other" if linked else "they share a form"

    def _same_thing(self, positive: Row) -> str:
        """The passage of the split in which the text joins the two as names of one thing; "" if none does."""
        ids = [self.term["term_id"], positive["term_id"]]
        both = self.folder.scan("mentions").filter(pl.col("term_id").is_in(ids))
        both = both.filter(pl.col("term_id").n_unique().over("passage_id") > 1)
        passages = both.select("passage_id").unique().collect()["passage_id"].to_list()
        rows = (
            self.folder.scan("passages")
            .filter(pl.col("passage_id").is_in(passages))
            .select("passage_id", "text")
            .collect()
        )
        split, spans = self.folder.splits.get(self.key[0]), self.folder.scan("mentions")
        held = spans.filter(pl.col("passage_id").is_in(passages)).collect()
        for passage_id, text in rows.iter_rows():
            if self.folder.splits.get(passage_id) == split:
                found = (
                    held.filter(passage_id=passage_id)
                    .select("start", "end", "term_id")
                    .sort("start", "end")
                    .iter_rows()
                )
                numbered = [(start, end, ids.index(term) if term in ids else 2) for start, end, term in found]
                if {(0, 1), (1, 0)} & relations.same_thing_pairs([text], {0: numbered}):
                    return str(passage_id)
        return ""

    def _near_synonym(self, positive: Row) -> str:
        if positive["term_id"] == self.term["term_id"]:
            return ""
        cosine = self.folder.vectors.cosine((positive["term"], "query"), (self.term["term"], "query"))
        threshold = self.settings.synonym_threshold
        return (
            f"their cosine {cosine:.3f} is {threshold:g} or more" if cosine is not None and cosine >= threshold else ""
        )

    def _too_close(self, positive: Row) -> str:
        cosine, of_positive = self._cosine(), self._of_positive(positive)
        if cosine is None or of_positive is None:
            return self._told_too_close(positive)
        bound = float(highest_cosine(of_positive, self.settings.relative_margin))
        told = (
            f"its cosine {cosine:.3f} is above {bound:.3f}, the positive's {of_positive:.3f} less mine.relative_margin"
        )
        return told if cosine > bound else ""

    def _told_too_close(self, positive: Row) -> str:
        """What the mine stage noted, where the vectors are not known."""
        told = (
            row
            for row in self.dropped
            if row["reason"] == NEAREST_REJECTED + GUARDS[5] and row["related"] == self.key[1]
        )
        return next((row["detail"] for row in told if row["detail"].startswith(f"positive {positive['term']!r} ")), "")

    def _of_positive(self, positive: Row) -> Any:  # noqa: ANN401 - a float32 of numpy, or None
        known = (
            row["cos_ap"] for row in self.triplets if row["positive_id"] == positive["term_id"] and not row["masked"]
        )
        return next(known, None) or self._by_vectors(positive)

    def _cosine(self) -> float | None:
        """The cosine of the passage and the term; None where it is not known."""
        known = (row["cos_an"] for row in self.triplets if row["negative_id"] == self.key[1] and not row["masked"])
        return next(known, None) or self._by_vectors(self.term)

    def _by_vectors(self, term: Row) -> float | None:
        return self.folder.vectors.cosine((self.passage["text"], "document"), (term["term"], "query"))

    def _who(self, fact: str) -> str:
        """Who said so, and when."""
        rows = [row for row in self.reviews.rows if _says(row, self.reviews, fact, self.key)]
        return ", ".join(f"{row.who} on {row.when:%Y-%m-%d}" for row in rows)


def _says(row: Review, reviews: Decisions, fact: str, key: tuple[str, str]) -> bool:
    """Whether this row alone gives the fact about the pair."""
    alone = Decisions((row,))
    term = row.other_id if row.verdict == FALSE_NEGATIVE else row.term_id
    return bool(getattr(alone, fact)) and key in ((row.passage_id, term), (row.passage_id, reviews.current(str(term))))


def mine_settings(folder: OutputFolder) -> MineSettings:
    """Those that the triplets were mined with, else those in force."""
    made = folder.store.manifest("mine")
    return MineSettings(**made.key["settings"]["mine"]) if made else folder.settings.mine
