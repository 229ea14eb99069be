"""Find hard negatives for (passage, positive) pairs by exhaustive search over the terms that the guards allow.

A rejected term is counted under the first guard that rejects it. Most guards are lists of terms; the last is an
upper bound on the cosine of the passage and the term.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tripletkit.cluster.mapper import Mapper, Work, in_order
from tripletkit.errors import TableError
from tripletkit.mining.cosines import TermCosines, Vectors
from tripletkit.mining.pool import Anchors, Candidate, Pool, by_salience, in_random_order
from tripletkit.mining.relations import Numbers
from tripletkit.pdf.workers import Failure, WorkerFunction
from tripletkit.settings import MineSettings

Mask = npt.NDArray[np.bool_]

#: Temperature of the weighted draw: a term whose cosine is .05 higher is drawn e times as often.
TEMPERATURE = 0.05
#: Score of disallowed terms, below every cosine.
MASKED_SCORE = -2.0
#: Groups per requested negative in the partial top-k.
GROUPS = 4
#: Pairs of passages and positives that are searched together, at most. The cap on each negative is one of a block, so that no
#: block waits for another: the share of all triplets is the same, the exact choice is not. A book has fewer pairs than this.
BLOCK_PAIRS = 32_768
#: Suffix of the rule's name where a negative comes from another book than its passage.
OTHER_BOOK = " (other book)"
#: Selection rules per strategy, used round-robin.
STRATEGIES = {"mix": ("nearest", "sibling", "window"), "top": ("nearest",), "weighted": ("weighted",)}

#: A reviewer said so; applied first.
REVIEWED = "a known positive, by review"
#: Why a term is rejected, in the order in which the guards are applied.
GUARDS = (
    "mentioned in the passage",  # in any of its forms: it is a positive
    "cited by the index for these pages",  # the book's own index says that these pages are about the term
    "in a section heading, or shares a word stem with the passage",  # the passage is about it without mentioning it
    "related to the positive",  # the positive itself, its parent, its children, its see-also terms, other names of it
    "near-synonym of the positive",  # so near the positive that they may be one concept
    "too close to the passage",  # cosine above the positive's less the margin: possibly a false negative
)
#: Guards that are certain; rejections by the others are listed for review.
CERTAIN = (REVIEWED, GUARDS[0], GUARDS[3])
_NONE: Numbers = np.empty(0, dtype=np.int32)


class NearRejection(NamedTuple):
    """The nearest term that an uncertain guard rejected for a pair, to be reviewed."""

    pair: Candidate
    term: int
    guard: str
    cos_positive: float
    cos_term: float


def judge(
    pool: Pool, synonyms: Sequence[Numbers], relative_margin: float, pair: Candidate, cosines: Vectors
) -> tuple[Mask, Counter[str], NearRejection | None]:
    """The terms rejected for ``pair``, how many by each guard, and the nearest one rejected by an uncertain guard.

    ``synonyms``: each term's near-synonyms; ``cosines``: those of the pair's anchor with every term.
    """
    rejected, counts = np.zeros(len(cosines), dtype=bool), Counter[str]()
    doubtful: list[NearRejection] = []
    bound = highest_cosine(cosines[pair.term], relative_margin)
    lists: tuple[npt.NDArray[np.integer], ...] = (
        *(pool.mentioned[pair.passage], pool.cited[pair.passage], pool.implied[pair.passage]),
        *(pool.related[pair.term], synonyms[pair.term], np.flatnonzero(cosines > bound)),
    )
    known, allowed = pool.known.get(pair.passage), pool.allowed.get(pair.passage, _NONE)
    by_guard = [] if known is None else [(REVIEWED, known)]
    for guard, terms in (*by_guard, *zip(GUARDS, lists, strict=True)):
        new = terms[~rejected[terms]]
        if len(allowed) and guard not in CERTAIN:
            new = new[~np.isin(new, allowed)]
        rejected[new] = True
        counts[guard] += len(new)
        if len(new) and guard not in CERTAIN:
            nearest = int(new[cosines[new].argmax()])
            doubtful.append(NearRejection(pair, nearest, guard, float(cosines[pair.term]), float(cosines[nearest])))
    return rejected, counts, min(doubtful, key=lambda near: (-near.cos_term, near.term), default=None)


def highest_cosine(positive: np.float32, relative_margin: float) -> np.float32:
    """The highest cosine with the passage that a negative may have, from the positive's.

    The positive-aware bound of NV-Retriever (arXiv:2407.15831), per positive; also below a negative cosine.
    """
    cosine = np.float64(positive)
    return np.float32(cosine - relative_margin * abs(cosine))


SEARCH_BLOCK: WorkerFunction[SearchSetup, Callable[[AnchorBlock], Mined]] = WorkerFunction(
    "tripletkit.mining.search:block_searcher"
)


class Triplet(NamedTuple):
    """Indices into the pool, with the three cosines. ``rank`` of the negative among all terms, 1 = nearest to the anchor."""

    passage: int
    positive: int
    negative: int
    cos_ap: float
    cos_an: float
    cos_pn: float
    rank: int
    rule: str


@dataclass
class Mined:
    """Triplets, how many terms each guard rejected, rejections to review, and pairs for which no negative was left.

    A cross-encoder adds its scores of each triplet's positive and negative, and the triplets it rejects with theirs.
    """

    triplets: list[Triplet] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    review: list[NearRejection] = field(default_factory=list)
    without_negatives: list[Candidate] = field(default_factory=list)
    scores: list[tuple[float, float]] = field(default_factory=list)
    rejected_by_scores: list[tuple[Triplet, float, float]] = field(default_factory=list)


def search_negatives(
    pool: Pool,
    pairs: Sequence[Candidate],
    anchors: Anchors,
    terms: Vectors,
    settings: MineSettings,
    *,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
    mapper: Mapper | None = None,
) -> Mined:
    """Triplets for each pair; ``pairs`` are what `choose_positives` chose, ``terms`` holds one unit row per term.

    If none of a passage's pairs has a valid negative, its remaining positives are tried, the most salient first. ``mapper``:
    where blocks of anchors are searched if there are several; None for this process. Raises TableError where one cannot be.
    """
    setup, count = SearchSetup(pool, terms, settings, seed), max(1, -(-len(pairs) // BLOCK_PAIRS))
    block_of = pool.blocks(count)
    blocks = _anchor_blocks(pool, pairs, anchors, block_of, count)  # each with a copy of its rows, so one at a time
    if mapper is None or count == 1:  # one block is sooner searched than sent
        search = _BlockSearch(setup)
        return _joined(search.mine(block, advance) for block in blocks)
    found, sizes = [], Counter(block_of[pair.passage] for pair in pairs)
    for number, mined in mapper.map(Work(SEARCH_BLOCK, setup), blocks, total=count):
        if isinstance(mined, Failure):
            problem = f"mine: a worker that searches {sizes[number]:,} pairs {mined.why}"
            raise TableError(problem, "Give the nodes of the cluster more memory, or lower mine.memory_mb.")
        advance(sizes[number])
        found.append((number, mined))
    return _joined(in_order(found))


@dataclass(frozen=True)
class SearchSetup:
    """What the search of every block needs: the pool, a unit row per term, the settings and the seed."""

    pool: Pool
    terms: Vectors
    settings: MineSettings
    seed: int


@dataclass(frozen=True)
class AnchorBlock:
    """Pairs of some passages, the other candidates of these passages, and the rows of both."""

    pairs: list[Candidate]
    others: list[Candidate]
    anchors: Anchors


def _anchor_blocks(
    pool: Pool, pairs: Sequence[Candidate], anchors: Anchors, block_of: Sequence[int], count: int
) -> Iterator[AnchorBlock]:
    """Passages dealt into blocks by their ids, so that each block is a random sample and none depends on another."""
    tried = {(pair.passage, pair.term) for pair in pairs}
    held, others = defaultdict[int, list[Candidate]](list), defaultdict[int, list[Candidate]](list)
    for pair in pairs:
        held[block_of[pair.passage]].append(pair)
    for candidate in pool.candidates:
        if (candidate.passage, candidate.term) not in tried:
            others[block_of[candidate.passage]].append(candidate)
    for block in range(count):
        own = anchors if count == 1 else anchors.only([*held[block], *others[block]])
        yield AnchorBlock(held[block], others[block], own)


class _BlockSearch:
    """Searches blocks; what does not depend on the block is worked out once."""

    def __init__(self, setup: SearchSetup) -> None:
        self._setup = setup
        self._cosines = TermCosines(setup.terms, setup.settings.memory_mb)
        self._synonyms = self._cosines.near_synonyms(setup.settings.synonym_threshold)

    def mine(self, block: AnchorBlock, advance: Callable[[int], None] = lambda _: None) -> Mined:
        """The block's triplets. Each negative's use is capped at a share of the block's (at least 1/number of terms)."""
        pool, settings, seed = self._setup.pool, self._setup.settings, self._setup.seed
        share = max(settings.max_negative_share, 1 / max(len(self._setup.terms), 1))
        most_uses = max(1, int(share * len(block.pairs) * settings.negatives))
        search = _Search(pool, block.anchors, self._cosines, self._synonyms, settings, seed, most_uses)
        search.run(in_random_order(pool, block.pairs, seed), advance)
        done = {triplet.passage for triplet in search.mined.triplets}
        others = [c for c in block.others if c.passage not in done]
        search.run(by_salience(pool, others, seed), lambda _: None, one_per_passage=True)
        return search.mined


def block_searcher(setup: SearchSetup) -> Callable[[AnchorBlock], Mined]:
    """For a worker of a cluster: the function that searches a block."""
    return _BlockSearch(setup).mine


def _joined(blocks: Iterable[Mined]) -> Mined:
    """The results of all blocks, in their order."""
    whole = Mined()
    for mined in blocks:
        whole.triplets += mined.triplets
        whole.rejected.update(mined.rejected)
        whole.review += mined.review
        whole.without_negatives += mined.without_negatives
    return whole


def nearest_first(cosines: Vectors, allowed: Mask, most: int) -> list[int]:
    """The ``most`` allowed terms with the highest cosines, ties in the order of their ids."""
    values = np.where(allowed, cosines, np.float32(MASKED_SCORE))
    size = len(values) // (GROUPS * most)
    threshold = np.float32(MASKED_SCORE)
    if size > 1:  # twenty times as fast as sorting all; threshold: the ``most``-th largest group maximum
        nearest_of_groups = values[: size * GROUPS * most].reshape(size, GROUPS * most).max(axis=0)
        threshold = np.partition(nearest_of_groups, -most)[-most]
    found = np.flatnonzero(values >= threshold)
    found = found[allowed[found]]
    order: list[int] = found[np.argsort(-values[found], kind="stable")[:most]].tolist()
    return order


@dataclass
class _Choices:
    """The terms allowed as negatives of one pair, from the passage's own book or from other books."""

    pool: Pool
    pair: Candidate
    settings: MineSettings
    cosines: Vectors
    allowed: Mask
    suffix: str

    @cached_property
    def nearest(self) -> list[int]:
        """Allowed terms, nearest first, as many as the strategy can need."""
        by_rank = self.settings.hard_negatives and self.settings.strategy != "weighted"
        most = self.settings.window[1] + self.settings.negatives if by_rank else len(self.allowed)
        return nearest_first(self.cosines, self.allowed, most)

    def take(self, rule: str, draw: float) -> tuple[int, str] | None:
        """The term that ``rule`` selects with a random number in [0, 1), and the rule's name; falls back to nearest."""
        if not self.nearest:
            return None
        term = self._by(rule, draw)
        if term is None:
            term, rule = self.nearest[0], "nearest"
        self.allowed[term] = False
        if term in self.nearest:
            self.nearest.remove(term)
        return term, rule + self.suffix

    def _by(self, rule: str, draw: float) -> int | None:
        if rule == "sibling":
            # The nearest with the positive's head word or parent, else of the passage's chapter.
            groups = self.pool.same_head[self.pair.term], self.pool.in_chapter[self.pair.passage]
            members = next((held for group in groups if len(held := group[self.allowed[group]])), None)
            return None if members is None else int(members[self.cosines[members].argmax()])
        if rule == "weighted":
            cosines = self.cosines[self.nearest].astype(np.float64)
            sums = np.cumsum(np.exp((cosines - cosines[0]) / TEMPERATURE))
            at = int(np.searchsorted(sums, draw * sums[-1], side="right"))
            return self.nearest[min(at, len(self.nearest) - 1)]
        first, last = {"nearest": (0, 1), "window": self.settings.window, "random": (0, len(self.nearest))}[rule]
        inside = self.nearest[first:last]
        return inside[int(draw * len(inside))] if inside else None


class _Search:
    """The state of a search: the triplets so far, and how often each term may still be used."""

    def __init__(
        self,
        pool: Pool,
        anchors: Anchors,
        cosines: TermCosines,
        synonyms: Sequence[Numbers],
        settings: MineSettings,
        seed: int,
        most_uses: int,
    ) -> None:
        self._pool, self._anchors, self._cosines, self._settings, self._seed = pool, anchors, cosines, settings, seed
        self._synonyms = synonyms
        rules = STRATEGIES[settings.strategy] if settings.hard_negatives else ("random",)
        self._rules = [rules[turn % len(rules)] for turn in range(settings.negatives)]
        self.left = np.full(len(pool.term_ids), most_uses, dtype=np.int64)  # per term: how often it may still be used
        self._usable = self.left > 0
        self.mined = Mined()

    def run(self, pairs: Sequence[Candidate], advance: Callable[[int], None], *, one_per_passage: bool = False) -> None:
        """Try each pair in turn; with ``one_per_passage``, skip pairs whose passage has a triplet of this run."""
        done = set[int]()
        for held, cosines in self._blocks(pairs):
            draws = self._pool.random_draws(held, 2 * self._settings.negatives, self._seed, "negative").tolist()
            for pair, row, of_pair in zip(held, cosines, draws, strict=True):
                if not (one_per_passage and pair.passage in done) and self._try(pair, row, of_pair):
                    done.add(pair.passage)
            advance(len(held))

    def _blocks(self, pairs: Sequence[Candidate]) -> Iterator[tuple[list[Candidate], list[Vectors]]]:
        """Pairs with the cosines of their anchors; pairs of one anchor together, anchors in the order of their first pair."""
        by_anchor: dict[int, list[Candidate]] = defaultdict(list)
        for pair in pairs:
            by_anchor[self._anchors.row(pair)].append(pair)
        anchors = iter(by_anchor)
        while block := list(islice(anchors, self._cosines.texts_at_once)):
            rows = self._cosines.of(self._anchors.vectors[block])
            held = [(pair, row) for anchor, row in zip(block, rows, strict=True) for pair in by_anchor[anchor]]
            yield [pair for pair, _ in held], [row for _, row in held]

    def _try(self, pair: Candidate, cosines: Vectors, draws: Sequence[float]) -> bool:
        """Choose the pair's negatives; return whether there are any."""
        margin = self._settings.relative_margin
        rejected, counts, doubtful = judge(self._pool, self._synonyms, margin, pair, cosines)
        self.mined.rejected.update(counts)
        if doubtful is not None:
            self.mined.review.append(doubtful)
        chosen = self._choose(pair, cosines, self._usable & ~rejected, draws)
        if not chosen:
            self.mined.without_negatives.append(pair)
            return False
        negatives = np.array([term for term, _ in chosen])
        self.left[negatives] -= 1
        self._usable[negatives] = self.left[negatives] > 0
        cos_ap, cos_pn = float(cosines[pair.term]), self._cosines.between(pair.term, negatives).tolist()
        for (term, rule), of_anchor, of_positive in zip(chosen, cosines[negatives], cos_pn, strict=True):
            rank = 1 + int(np.count_nonzero(cosines > of_anchor))
            self.mined.triplets.append(
                Triplet(pair.passage, pair.term, term, cos_ap, float(of_anchor), of_positive, rank, rule)
            )
        return True

    def _choose(
        self, pair: Candidate, cosines: Vectors, allowed: Mask, draws: Sequence[float]
    ) -> list[tuple[int, str]]:
        """At most one term per turn, no repeats, each with its rule. A share of the turns looks in other books first.

        A user's terms belong to every book. ``draws`` holds two random numbers for each turn.
        """
        sides = [(allowed, "")]
        if self._pool.has_many_books:
            book, of_terms = self._pool.passage_books[pair.passage], self._pool.term_books
            own = (of_terms == book) | (of_terms < 0) | (book < 0)
            sides = [(allowed & own, ""), (allowed & ~own, OTHER_BOOK)]
        choices = [_Choices(self._pool, pair, self._settings, cosines, mask, suffix) for mask, suffix in sides]
        chosen = list[tuple[int, str]]()
        for turn, rule in enumerate(self._rules):
            other_first = draws[2 * turn] < self._settings.other_books
            of_sides = (side.take(rule, draws[2 * turn + 1]) for side in choices[:: -1 if other_first else 1])
            chosen += islice(filter(None, of_sides), 1)
        return chosen
