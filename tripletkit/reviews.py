"""The table `reviews`: what people decided about triplets, terms and passages, and what follows from it for the stages.

OUTPUT/reviews.jsonl holds one verdict a line and is only ever added to: taking a verdict back is a line too. A line is
written and flushed to disk before it counts, under a lock, so that several processes may add at once and a killed one
loses nothing. Verdicts name passages and terms by ids from content, so they hold for other rounds, settings and
encoders, and after a book is read again, as far as its text stays.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tripletkit.errors import SourceError
from tripletkit.ids import stable_id

log = logging.getLogger(__name__)

REVIEWS = "reviews.jsonl"
GOOD, FALSE_NEGATIVE, TRIVIAL, BAD_POSITIVE = "good", "false negative", "trivial", "bad positive"
TAKE_BACK, KEEP, DROP, SPLIT, JOIN, APART = "take back", "keep", "drop", "split", "join", "apart"
NOT_PROSE, NOT_MEANT, UNDO = "not prose", "not meant", "undo"
#: What may be said about what.
VERDICTS: Mapping[str, tuple[str, ...]] = {
    "triplet": (GOOD, FALSE_NEGATIVE, TRIVIAL, BAD_POSITIVE),
    "negative": (TAKE_BACK,),  # a term that a guard rejected
    "positive": (TAKE_BACK,),  # a positive that was rejected as weak
    "term": (KEEP, DROP, SPLIT),
    "terms": (JOIN, APART),
    "passage": (NOT_PROSE,),
    "mention": (NOT_MEANT,),  # every mention of a term in a passage
    "review": (UNDO,),
}
#: The columns that name what a verdict is about.
_NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "triplet": ("passage_id", "term_id", "other_id"),
    "negative": ("passage_id", "term_id"),
    "positive": ("passage_id", "term_id"),
    "term": ("term_id", "term"),
    "terms": ("term_id", "other_id"),
    "passage": ("passage_id",),
    "mention": ("passage_id", "term_id"),
    "review": ("undoes",),
}
About = Literal["triplet", "negative", "positive", "term", "terms", "passage", "mention", "review"]
#: A passage and a term, by their ids.
Pair = tuple[str, str]
_Z = 1.959964  # 97.5 % quantile of the normal distribution


class Review(BaseModel):
    """A row of the table. Of a triplet, ``term_id`` is the positive and ``other_id`` the negative; a term joins the other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    review_id: str = Field(default="", description="from all other columns")
    who: str = Field(min_length=1, max_length=80, description="the reviewer's name")
    when: datetime = Field(default_factory=lambda: datetime.now(UTC), description="UTC")
    about: About = Field(
        description="what it is about: triplet, negative, positive, term, terms, passage, mention, review"
    )
    verdict: str = Field(description="what was decided")
    passage_id: str | None = Field(default=None, description="the passage")
    term_id: str | None = Field(default=None, description="the term; of a triplet the positive")
    other_id: str | None = Field(default=None, description="of a triplet the negative; of two terms the one that stays")
    term: str | None = Field(default=None, description="the term's name when it was judged")
    other: str | None = Field(
        default=None, description="the other's name when it was judged; of a split the form that leaves"
    )
    undoes: str | None = Field(default=None, description="review_id of the verdict that no longer holds")
    blind: bool = Field(default=False, description="whether it was drawn at random and judged without scores")

    @model_validator(mode="after")
    def _check(self) -> Review:
        if self.verdict not in VERDICTS[self.about]:
            known = ", ".join(map(repr, VERDICTS[self.about]))
            raise ValueError(f"verdict {self.verdict!r} on a {self.about}: known are {known}")
        needed = (*_NAMED_BY[self.about], *(("other",) if self.verdict == SPLIT else ()))
        if missing := [name for name in needed if not getattr(self, name)]:
            raise ValueError(f"{self.verdict!r} on a {self.about} needs {' and '.join(missing)}")
        if not self.review_id:
            content = self.model_dump(mode="json", exclude={"review_id"}, exclude_none=True)
            object.__setattr__(self, "review_id", stable_id("review", json.dumps(content, sort_keys=True)))
        return self

    @property
    def thing(self) -> tuple[str, ...]:
        """What it is about: a later verdict on the same thing takes its place."""
        if self.about == "terms":
            return (self.about, *sorted((str(self.term_id), str(self.other_id))))
        split = (str(self.other),) if self.verdict == SPLIT else ()
        return (self.about, *(str(getattr(self, name)) for name in _NAMED_BY[self.about] if name != "term"), *split)

    def line(self) -> bytes:
        """Its line in the file."""
        return f"{self.model_dump_json(exclude_none=True)}\n".encode()


class ReviewFile:
    """The file of an output folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / REVIEWS

    def read(self) -> list[Review]:
        """All rows in the order in which they were written. Raises SourceError with file and line for one that cannot be used."""
        return read_rows(self.path) if self.path.is_file() else []

    def add(self, rows: Sequence[Review]) -> int:
        """Add rows that are not there yet, and return how many. They are on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{REVIEWS}.lock")):
            self._mend()
            known = {row.review_id for row in self.read()}
            new = list({row.review_id: row for row in rows if row.review_id not in known}.values())
            is_new = not self.path.exists()
            with self.path.open("ab", buffering=0) as file:
                file.write(b"".join(row.line() for row in new))
                os.fsync(file.fileno())
            if is_new and os.name == "posix":
                _flush_folder(self.path.parent)
        return len(new)

    def _mend(self) -> None:
        """End the file with a whole line: a writer that was killed may have left a part of one, which never counted."""
        if not self.path.is_file() or not (size := self.path.stat().st_size):
            return
        with self.path.open("r+b") as file:
            file.seek(max(0, size - 65536))
            tail = file.read().rpartition(b"\n")[2]
            if not tail:
                return
            if _is_whole(tail):
                file.write(b"\n")
            else:
                log.warning("%s: the last line was cut off, and is left out: %r", self.path, tail[:80])
                file.truncate(size - len(tail))


def _flush_folder(folder: Path) -> None:
    at = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(at)
    finally:
        os.close(at)


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def read_rows(path: Path) -> list[Review]:
    """The rows of a file of the table, which may be an export. Raises SourceError with file and line."""
    rows, lines = [], path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == len(lines) and not _is_whole(line)):  # the rest of a killed writer
            continue
        try:
            rows.append(Review.model_validate_json(line))
        except ValidationError as error:
            wrong = error.errors()[0]
            what = " ".join(map(str, (*wrong["loc"], wrong["msg"])))
            problem = f"{path}, line {number}: {what}: {line[:80].decode(errors='replace')!r}"
            raise SourceError(problem, "Mend or remove the line; docs/review.md says what a line holds.") from None
    return rows


def in_force(rows: Iterable[Review]) -> list[Review]:
    """The rows that hold, oldest first: not taken back, and the last of its reviewer on its thing."""
    rows, held = list(rows), dict[tuple[str, ...], Review]()
    undone = {row.undoes for row in rows if row.verdict == UNDO}
    for row in rows:
        if row.verdict != UNDO and row.review_id not in undone:
            held.pop((row.who, *row.thing), None)
            held[row.who, *row.thing] = row
    return list(held.values())


@dataclass(frozen=True)
class Decisions:
    """What follows from the rows in force. Reviewers may differ: one who calls a pair a positive is enough; else the last counts."""

    rows: tuple[Review, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Decisions:
        """Those of an output folder. Raises SourceError for a line that cannot be used."""
        return cls(tuple(in_force(ReviewFile(folder).read())))

    @cached_property
    def last(self) -> dict[tuple[str, ...], Review]:
        """By thing: the last verdict on it, whoever gave it."""
        return {row.thing: row for row in self.rows}

    def _of(self, about: str, *verdicts: str) -> Iterator[Review]:
        return (row for row in self.last.values() if row.about == about and row.verdict in verdicts)

    def _pairs(self, about: str, verdict: str, term: str = "term_id") -> frozenset[Pair]:
        rows = (row for row in self.rows if (row.about, row.verdict) == (about, verdict))
        return frozenset((str(row.passage_id), self.current(str(getattr(row, term)))) for row in rows)

    @cached_property
    def joins(self) -> dict[str, str]:
        """Terms that are a name of another term, by term_id: the one that stays."""
        return {str(row.term_id): str(row.other_id) for row in self._of("terms", JOIN)}

    def current(self, term_id: str) -> str:
        """The term that this one was joined to, or itself."""
        seen = {term_id}
        while (after := self.joins.get(term_id)) and after not in seen:
            seen.add(after)
            term_id = after
        return term_id

    @cached_property
    def apart(self) -> frozenset[frozenset[str]]:
        """Pairs of terms that were proposed as one and are two."""
        return frozenset(frozenset((str(row.term_id), str(row.other_id))) for row in self._of("terms", APART))

    @cached_property
    def kept_or_dropped(self) -> dict[str, str]:
        """By term_id: keep or drop."""
        return {str(row.term_id): row.verdict for row in self._of("term", KEEP, DROP)}

    @cached_property
    def splits(self) -> tuple[tuple[str, str], ...]:
        """A term_id and the form of it that is a term of its own."""
        return tuple((str(row.term_id), str(row.other)) for row in self._of("term", SPLIT))

    @cached_property
    def known_positives(self) -> frozenset[Pair]:
        """A passage and a term that is no negative of it."""
        return self._pairs("triplet", FALSE_NEGATIVE, "other_id")

    @cached_property
    def bad_positives(self) -> frozenset[Pair]:
        """A passage and a term that is not its positive."""
        return self._pairs("triplet", BAD_POSITIVE)

    @cached_property
    def allowed_negatives(self) -> frozenset[Pair]:
        """A passage and a term that may be its negative, whatever an uncertain guard says."""
        return self._pairs("negative", TAKE_BACK) - self.known_positives

    @cached_property
    def allowed_positives(self) -> frozenset[Pair]:
        """A passage and a term that is its positive, however weak."""
        return self._pairs("positive", TAKE_BACK) - self.bad_positives

    @cached_property
    def not_prose(self) -> frozenset[str]:
        """Passages that are not to be anchors."""
        return frozenset(str(row.passage_id) for row in self._of("passage", NOT_PROSE))

    @cached_property
    def not_meant(self) -> frozenset[Pair]:
        """A passage and a term that it does not mean where it has its words."""
        return frozenset((str(row.passage_id), str(row.term_id)) for row in self._of("mention", NOT_MEANT))

    def key(self, *names: str) -> dict[str, str]:
        """A hash of each of these properties that is not empty, for the manifest of a stage that reads them."""
        held = {name: getattr(self, name) for name in names}
        return {name: _hash(of) for name, of in held.items() if of}

    @cached_property
    def on_triplets(self) -> tuple[Review, ...]:
        """The verdicts on triplets, of which the card tells the shares."""
        return tuple(row for row in self.rows if row.about == "triplet")


def _hash(facts: Any) -> str:  # noqa: ANN401 - a mapping or a set of facts
    rows = facts.items() if isinstance(facts, Mapping) else facts
    plain = sorted(row.line().decode() if isinstance(row, Review) else repr(row) for row in rows)
    return hashlib.sha256("\n".join(plain).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Rates:
    """How many reviewed triplets have which verdict; of several reviewers the last counts."""

    counts: Mapping[str, int]
    reviewers: int = 1
    blind: bool = False  # drawn at random and judged without scores
    gone: int = 0  # no longer in the data

    @property
    def triplets(self) -> int:
        """Number of reviewed triplets."""
        return sum(self.counts.values())

    @property
    def shares(self) -> dict[str, tuple[int, float, float, float]]:
        """By verdict: its count, its share, and the 95 % Wilson interval of the share."""
        total, counts = self.triplets, {name: self.counts.get(name, 0) for name in VERDICTS["triplet"]}
        return {name: (n, n / total, *wilson(n, total)) for name, n in counts.items()} if total else {}


def rates(rows: Sequence[Review], present: frozenset[tuple[str, ...]] | None = None) -> Rates | None:
    """Of a measured sample if there is one, else of all verdicts on triplets; None without any.

    Verdicts from the queue are no sample: it puts doubtful triplets first. ``present``: (passage, positive, negative) of
    the triplets that are there now.
    """
    blind = [row for row in rows if row.about == "triplet" and row.blind]
    held = blind or [row for row in rows if row.about == "triplet"]
    last = {row.thing[1:]: row.verdict for row in held}
    if not last:
        return None
    counts = Counter(last.values())
    gone = 0 if present is None else len(last.keys() - present)
    return Rates(dict(counts), len({row.who for row in held}), bool(blind), gone)


def agreement(rows: Iterable[Review]) -> tuple[int, float, float] | None:
    """Triplets judged by the two reviewers who share most, their share of equal verdicts, and Cohen's κ (1960); None if none."""
    by_who: dict[str, dict[tuple[str, ...], str]] = {}
    for row in rows:
        if row.about == "triplet":
            by_who.setdefault(row.who, {})[row.thing] = row.verdict
    names = sorted(by_who)
    pairs = [(one, other) for i, one in enumerate(names) for other in names[i + 1 :]]
    both = max(pairs, key=lambda pair: len(by_who[pair[0]].keys() & by_who[pair[1]].keys()), default=None)
    shared = by_who[both[0]].keys() & by_who[both[1]].keys() if both else set()
    if not both or not shared:
        return None
    ours, theirs = (Counter(by_who[who][thing] for thing in shared) for who in both)
    equal = sum(by_who[both[0]][thing] == by_who[both[1]][thing] for thing in shared) / len(shared)
    chance = sum(ours[verdict] * theirs[verdict] for verdict in ours) / len(shared) ** 2
    return len(shared), equal, (equal - chance) / (1 - chance) if chance < 1 else 1.0


def wilson(hits: int, sample: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927, "Probable inference", JASA 22). ``sample`` must be positive."""
    share, spread = hits / sample, _Z**2 / sample
    middle = share + spread / 2
    half = _Z * math.sqrt(share * (1 - share) / sample + spread / (4 * sample))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
