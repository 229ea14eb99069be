"""Checks of the margin and the triplets before a long training. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.encoding.tokens import load_tokenizer
from tripletkit.settings import TrainSettings

#: The largest distance between unit vectors, cosine or Euclidean: every triplet violates a margin that is as large.
LARGEST_DISTANCE = 2.0
#: If more triplets than this violate the margin, the loss is almost linear and does not tell hard from easy.
MOST_VIOLATIONS = 0.98
#: If fewer triplets than this violate the margin (less than one in a batch of 16), most triplets contribute no gradient.
LEAST_VIOLATIONS = 0.05
#: A positive beyond the length limit cannot be learned; one in a hundred is within the noise of index labels.
MOST_TRUNCATED = 0.01
#: A term that is only a negative moves away from its own passages (usual shares: see docs/design-decisions.md).
MOST_ONLY_NEGATIVE = 0.15
#: Copies count twice. The mining stage makes none; a table from elsewhere may have some.
MOST_COPIES = 0.01
EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """A problem with its figure, and how to solve it."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what} ({self.mend})"


def unmeetable_margin(settings: TrainSettings) -> Finding | None:
    """A margin that no pair of unit-length vectors can meet."""
    if settings.loss != "triplet" or settings.margin < LARGEST_DISTANCE:
        return None
    return Finding(
        f"margin {settings.margin:g} in {settings.distance} distance can never be met: unit-length vectors are at most "
        f"{LARGEST_DISTANCE:g} apart, so the loss never becomes 0 and the vectors collapse",
        "use --margin 0.15 --distance cosine",
    )


def violation_rate(triplets: pl.DataFrame, settings: TrainSettings) -> float:
    """Fraction of triplets that violate the margin before training, by the cosines in the table.

    The vectors have length 1, so a distance follows from the cosine.
    """
    near, far = 1 - triplets["cos_ap"], 1 - triplets["cos_an"]
    if settings.distance == "euclidean":
        near, far = (2 * near.clip(0, 2)).sqrt(), (2 * far.clip(0, 2)).sqrt()
    return int((far - near < settings.margin).sum()) / max(triplets.height, 1)


def unsuitable_margin(triplets: pl.DataFrame, settings: TrainSettings, fingerprint: str) -> Finding | None:
    """A margin that nearly all or nearly no triplets violate. Triplets mined by another encoder are left out."""
    mined = triplets.filter(encoder=fingerprint)
    if settings.loss != "triplet" or mined.is_empty() or unmeetable_margin(settings):
        return None
    share = violation_rate(mined, settings)
    if LEAST_VIOLATIONS <= share <= MOST_VIOLATIONS:
        return None
    what, mend = "most triplets contribute no gradient", "use a larger --margin, or mine hard negatives"
    if share > MOST_VIOLATIONS:
        what = "the loss cannot tell hard triplets from easy ones"
        mend = "use a smaller --margin, or fewer near-synonyms among the terms"
    figure = f"{share:.1%} of {mined.height:,} triplets violate margin {settings.margin:g} before training"
    return Finding(f"{figure}: {what}", mend)


def truncated_positives(
    triplets: pl.DataFrame, mentions: pl.DataFrame, visible: Callable[[Sequence[str]], list[int]], limit: int
) -> Finding | None:
    """Positives that are mentioned only beyond the length limit. ``visible``: how many characters of each text the encoder reads."""
    rows = triplets.filter(~pl.col("masked")).select("passage_id", "positive_id", "anchor")
    texts = rows["anchor"].unique().sort()
    seen = pl.DataFrame({"anchor": texts, "read": visible(texts.to_list())}, schema_overrides={"read": pl.Int64})
    first = mentions.group_by("passage_id", positive_id="term_id").agg(pl.col("end").min())
    cut = (
        rows.join(first, on=["passage_id", "positive_id"])
        .join(seen, on="anchor")
        .filter(pl.col("end") > pl.col("read"))
    )
    problem = f"mention their positive only beyond the length limit of the encoder, {limit} tokens"
    mend = "use an encoder with a higher limit, or extract again with this one, which makes shorter passages"
    return _above(MOST_TRUNCATED, cut.height, rows.height, f"{rows.height:,} triplets", problem, mend)


def only_negatives(triplets: pl.DataFrame) -> Finding | None:
    """Terms that are negatives in some triplets and positives in none."""
    used = triplets["negative_id"].unique()
    never_positive = triplets.join(triplets.select(negative_id="positive_id"), on="negative_id", how="anti")
    names = never_positive.group_by("negative_id", "negative").len().sort(["len", "negative"], descending=[True, False])
    problem = f"never occur as a positive, such as {', '.join(names['negative'].head(EXAMPLES))}"
    mend = 'raise mine.positives, train.positives = "all", or give the training split more passages'
    return _above(MOST_ONLY_NEGATIVE, names.height, used.len(), f"the {used.len():,} negatives", problem, mend)


def copies(triplets: pl.DataFrame) -> Finding | None:
    """Triplets with the same three texts as another, under whatever ids."""
    copied = triplets.height - triplets.select("anchor", "positive", "negative").n_unique()
    problem, mend = "repeat the three texts of another", "remove copies of a book, or mine again"
    return _above(MOST_COPIES, copied, triplets.height, f"{triplets.height:,} triplets", problem, mend)


def copied_anchors(triplets: pl.DataFrame) -> Finding | None:
    """Pairs of anchor and positive with the same texts under several ids: copied passages, or two names of one concept."""
    pairs = triplets.select("passage_id", "positive_id", "anchor", "positive").unique()
    copied = pairs.height - pairs.select("anchor", "positive").n_unique()
    problem = "repeat the two texts of another under other ids"
    mend = "remove copies of a book, or merge the terms (aliases.extra.txt in --rules)"
    return _above(MOST_COPIES, copied, pairs.height, f"{pairs.height:,} (anchor, positive) pairs", problem, mend)


def _above(most: float, part: int, whole: int, of: str, problem: str, mend: str) -> Finding | None:
    """A finding if the share is larger than ``most``."""
    share = part / max(whole, 1)
    return Finding(f"{part:,} of {of} ({share:.1%}) {problem}", mend) if share > most else None


def visible_characters(place: EncoderFolder) -> Callable[[Sequence[str]], list[int]]:
    """A function that gives the number of characters of each text that fit into the length limit."""
    tokenizer = load_tokenizer(place.tokenizer_folder)
    tokenizer.no_padding()
    tokenizer.enable_truncation(place.max_tokens)
    return lambda texts: [max((end for _, end in e.offsets), default=0) for e in tokenizer.encode_batch(list(texts))]


def lint(
    triplets: pl.DataFrame, mentions: pl.DataFrame, settings: TrainSettings, place: EncoderFolder
) -> list[Finding]:
    """Every problem with the margin and these training triplets, the margin first.

    With a teacher the margins follow from its scores, and its lists train terms that are only negatives too.
    """
    alone = not settings.has_teacher
    findings = (
        unmeetable_margin(settings) if alone else None,
        unsuitable_margin(triplets, settings, place.fingerprint) if alone else None,
        truncated_positives(triplets, mentions, visible_characters(place), place.max_tokens),
        only_negatives(triplets) if alone else None,
        copies(triplets),
        copied_anchors(triplets),
    )
    return [finding for finding in findings if finding]
