"""What is wrong with a margin or with the triplets, said before training spends an hour on it. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tripletkit.encoding.resolve import EncoderFolder
from tripletkit.settings import TrainSettings

#: Largest distance between unit vectors: a margin at or over it can never be met, and the loss never rests.
LARGEST_DISTANCE = {"cosine": 2.0, "euclidean": 2.0}
#: Over this share of active triplets the loss is all but linear: it pushes everything and sorts nothing.
MOST_ACTIVE = 0.98
#: Under this share fewer than one triplet of a batch of 16 teaches anything, and the rest is heat.
LEAST_ACTIVE = 0.05
#: A positive that the encoder never reads teaches it to guess; one in a hundred is lost in the noise of index labels.
MOST_TRUNCATED = 0.01
#: A term that is only ever pushed away drifts off from its own passages. In seven mined books 1.4% to 6.9% were such terms.
MOST_ONLY_NEGATIVE = 0.15
#: Copies count their triplet twice; the mining stage makes none, a table from elsewhere may.
MOST_COPIES = 0.01
EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """What is wrong, with its figure, and how to mend it."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what} ({self.mend})"


def margin_problem(settings: TrainSettings) -> str | None:
    """Why the margin cannot work on unit vectors, or None."""
    finding = unmeetable_margin(settings)
    return str(finding) if finding else None


def unmeetable_margin(settings: TrainSettings) -> Finding | None:
    """A margin that unit vectors cannot meet."""
    most = LARGEST_DISTANCE[settings.distance]
    if settings.loss != "triplet" or settings.margin < most:
        return None
    return Finding(
        f"margin {settings.margin:g} in {settings.distance} distance can never be met: unit vectors are at most "
        f"{most:g} apart, so the loss pushes for ever and collapses the space",
        "use --margin 0.15 --distance cosine",
    )


def active_share(triplets: pl.DataFrame, settings: TrainSettings) -> float:
    """Share of triplets whose margin the encoder that mined them does not meet, by their cosines."""
    near, far = (_distances(triplets[name].to_numpy(), settings.distance) for name in ("cos_ap", "cos_an"))
    return float(np.mean(far - near < settings.margin)) if len(near) else 0.0


def _distances(cosines: np.ndarray, distance: str) -> np.ndarray:
    found: np.ndarray = 1 - cosines if distance == "cosine" else np.sqrt(np.maximum(2 - 2 * cosines, 0))
    return found


def idle_or_blunt_margin(triplets: pl.DataFrame, settings: TrainSettings, fingerprint: str) -> Finding | None:
    """A margin that all triplets violate, or none. Triplets mined by another encoder tell nothing about this one."""
    mined = triplets.filter(encoder=fingerprint)
    if settings.loss != "triplet" or mined.is_empty() or unmeetable_margin(settings):
        return None
    share = active_share(mined, settings)
    figure = f"{share:.1%} of {mined.height:,} triplets are active at step 0 under margin {settings.margin:g}"
    if share > MOST_ACTIVE:
        return Finding(
            f"{figure}: nearly every triplet pushes", "a smaller --margin, or fewer near-synonyms among the terms"
        )
    if share < LEAST_ACTIVE:
        return Finding(
            f"{figure}: nearly nothing is left to learn", "a larger --margin, or `tripletkit mine --hard-negatives`"
        )
    return None


def truncated_positives(
    triplets: pl.DataFrame, mentions: pl.DataFrame, visible: Callable[[Sequence[str]], list[int]], limit: int
) -> Finding | None:
    """Positives that stand only where the encoder no longer reads. ``visible``: characters of each text that it reads."""
    rows = triplets.filter(~pl.col("masked")).select("passage_id", "positive_id", "anchor")
    texts = rows["anchor"].unique().sort()
    seen = pl.DataFrame({"anchor": texts, "read": visible(texts.to_list())}, schema_overrides={"read": pl.Int64})
    first = mentions.group_by("passage_id", positive_id="term_id").agg(pl.col("end").min())
    cut = (
        rows.join(first, on=["passage_id", "positive_id"])
        .join(seen, on="anchor")
        .filter(pl.col("end") > pl.col("read"))
    )
    if not rows.height or cut.height / rows.height <= MOST_TRUNCATED:
        return None
    return Finding(
        f"{cut.height:,} of {rows.height:,} triplets ({cut.height / rows.height:.1%}) say their positive only beyond the "
        f"{limit} tokens that the encoder reads",
        "an encoder that reads more, or extract again with this one, which keeps passages under its limit",
    )


def only_negatives(triplets: pl.DataFrame) -> Finding | None:
    """Terms that are pushed away in some triplets and drawn near in none."""
    used = triplets["negative_id"].unique()
    lonely = triplets.join(triplets.select(negative_id="positive_id"), on="negative_id", how="anti")
    names = lonely.group_by("negative_id", "negative").len().sort(["len", "negative"], descending=[True, False])
    if not used.len() or names.height / used.len() <= MOST_ONLY_NEGATIVE:
        return None
    return Finding(
        f"{names.height:,} of the {used.len():,} negative terms ({names.height / used.len():.1%}) are positives nowhere, "
        f"such as {', '.join(names['negative'].head(EXAMPLES))}",
        'raise mine.positives, train.positives = "all", or give the training split more passages',
    )


def copies(triplets: pl.DataFrame) -> Finding | None:
    """Triplets whose three texts stand twice, under whatever ids."""
    twice = triplets.height - triplets.select("anchor", "positive", "negative").n_unique()
    if not triplets.height or twice / triplets.height <= MOST_COPIES:
        return None
    return Finding(
        f"{twice:,} of {triplets.height:,} triplets ({twice / triplets.height:.1%}) repeat another's three texts",
        "remove copies of a book, or mine again",
    )


def copied_anchors(triplets: pl.DataFrame) -> Finding | None:
    """Anchor texts with one positive text under several ids: copied passages, or one term known twice."""
    pairs = triplets.select("passage_id", "positive_id", "anchor", "positive").unique()
    twice = pairs.height - pairs.select("anchor", "positive").n_unique()
    if not pairs.height or twice / pairs.height <= MOST_COPIES:
        return None
    return Finding(
        f"{twice:,} of {pairs.height:,} (anchor, positive) pairs ({twice / pairs.height:.1%}) repeat another's two texts "
        "under other ids",
        "remove copies of a book, or merge the terms (aliases.extra.txt in --rules)",
    )


def visible_characters(place: EncoderFolder) -> Callable[[Sequence[str]], list[int]]:
    """A function that tells how many characters of each text the encoder reads before it cuts."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(place.folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(place.max_tokens)
    return lambda texts: [max((end for _, end in e.offsets), default=0) for e in tokenizer.encode_batch(list(texts))]


def lint(
    triplets: pl.DataFrame, mentions: pl.DataFrame, settings: TrainSettings, place: EncoderFolder
) -> Iterator[Finding]:
    """Everything that is wrong with these training triplets, the margin first."""
    findings = (
        unmeetable_margin(settings),
        idle_or_blunt_margin(triplets, settings, place.fingerprint),
        truncated_positives(triplets, mentions, visible_characters(place), place.max_tokens),
        only_negatives(triplets),
        copies(triplets),
        copied_anchors(triplets),
    )
    yield from (finding for finding in findings if finding)
