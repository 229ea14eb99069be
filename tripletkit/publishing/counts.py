"""The sections of a card that are mostly figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tripletkit.publishing.checks import Review, wilson
from tripletkit.publishing.configs import SPLIT_NAMES
from tripletkit.publishing.facts import CardContent, Configuration
from tripletkit.publishing.figures import QUANTILES, RUN_WORDS, SplitFigures, Spread
from tripletkit.publishing.markdown import count, details, plain, table
from tripletkit.publishing.scores import scores_in_words, scores_table

MOST_REASONS = 60


def configurations(content: CardContent) -> str:
    """What can be loaded, how many rows it has, what its columns mean, and what is not in it."""
    heads = [split for split in SPLIT_NAMES if any(split in _rows(one) for one in content.configurations)]
    rows = [
        (f"`{one.name}`", one.meaning, *(f"{_rows(one)[split]:,}" if split in _rows(one) else "–" for split in heads))
        for one in content.configurations
    ]
    empty = [
        f"{one.name}: no row in {', '.join(missing)}, so there is no such split to load."
        for one in content.configurations
        if (missing := [split for split in SPLIT_NAMES if split not in _rows(one)])
    ]
    columns = (
        details(f"<code>{one.name}</code>: columns", table(("column", "type", "meaning"), _columns(one)))
        for one in content.configurations
    )
    lines = "\n".join(f"- {line}" for line in (*content.notes, *empty))
    return "\n\n".join(
        filter(None, ("## Configurations", table(("name", "one row is", *heads), rows), lines, *columns))
    )


def _rows(one: Configuration) -> dict[str, int]:
    return {shards.split: shards.rows for shards in one.shards}


def _columns(one: Configuration) -> Iterable[tuple[str, str, str]]:
    for feature in one.features:
        if isinstance(feature, Mapping):
            name, inner = str(feature["name"]), feature.get("list")
            kind = feature.get("dtype", "list of " + (inner if isinstance(inner, str) else "records"))
            yield f"`{name}`", str(kind), one.columns[name]


def sizes(content: CardContent) -> str:
    """Rows, different texts and lengths per split, and which rules chose the negatives."""
    heads = (
        "split",
        "passages",
        "triplets",
        "of these masked",
        "anchors",
        "positives",
        "negatives",
        "tokens of the anchor's passage",
        "characters of the positive",
        "characters of the negative",
    )
    rules = [(plain(rule), f"{n:,}") for rule, n in content.figures.rules]
    return "\n\n".join(
        (
            "## Counts",
            table(heads, [_split(one) for one in content.figures.splits]),
            "Lengths are least / mean / most; anchors, positives and negatives are counted once per different text.",
            table(("rule that chose the negative", "triplets"), rules),
        )
    )


def _split(one: SplitFigures) -> tuple[str, ...]:
    numbers = (one.passages, one.triplets, one.masked, one.anchors, one.positives, one.negatives)
    return (
        one.split,
        *(f"{n:,}" for n in numbers),
        *(_spread(s) for s in (one.anchor_tokens, one.positive_chars, one.negative_chars)),
    )


def _spread(lengths: Spread) -> str:
    return f"{lengths.least} / {lengths.mean:.1f} / {lengths.most}"


def similarities(content: CardContent) -> str:
    """Quantiles and a picture of each split."""
    filled = [split for split in content.figures.splits if split.triplets]
    rows = [
        (split.split, name, *(f"{value:.3f}" for value in quantiles))
        for split in filled
        for name, quantiles in split.cosines
    ]
    return "\n\n".join(
        (
            "## Similarities",
            "Cosines by the encoder that mined.",
            table(("split", "cosine of", *(f"{100 * q:g} %" for q in QUANTILES)), rows),
            *(f"![{_alt(split)}]({picture(split.split)})" for split in filled),
        )
    )


def picture(split: str) -> str:
    """Where in the folder a split's histograms lie."""
    return f"figures/similarities-{split}.svg"


def _alt(split: SplitFigures) -> str:
    # The table above tells them all.
    told = "; ".join(
        f"{plain(name)} " + ", ".join(f"{100 * QUANTILES[i]:g} % {quantiles[i]:.2f}" for i in (0, 2, 4))
        for name, quantiles in split.cosines
        if name != "positive and negative"
    )
    return f"Histograms of the {split.split} split's cosines. Quantiles: {told}"


def quality(content: CardContent) -> str:
    """How many negatives are wrong as far as that was measured, and what training on them did."""
    checks, scores = content.figures.negatives, content.facts.scores
    rows = [
        (what, f"{n:,}", f"{n / max(checks.triplets, 1):.2%}")
        for what, n in (
            ("the passage says the negative, in any of its forms, singular or plural", checks.said),
            ("the book's index cites the negative on a page of the passage", checks.cited),
            ("negative and positive share a form, or one refers to the other", checks.joined),
            ("any of these", checks.objected),
        )
    ]
    parts = [
        "## Quality",
        "### False negatives",
        f"Checked on all {count(checks.triplets, 'published triplet')}, by plain regular expressions over the passages "
        "and by the index's\nown words, not by the code that chose the negatives:",
        table(("a negative that may be a positive", "triplets", "share"), rows),
        "This is a lower bound: such checks see what is written down, not what a passage is about in other words.\n"
        + _review(content.facts.review),
    ]
    if scores is not None:
        parts += [
            "### What training on it did",
            f"{scores_in_words(scores)}\n`{content.facts.encoder}` untouched, and tuned on the training split "
            f"(fingerprint `{scores.fingerprint}`):",
            scores_table(scores.rows),
        ]
    return "\n\n".join(parts)


def _review(review: Review | None) -> str:
    if review is None:
        return "Nobody has reviewed a sample by hand."
    low, high = wilson(review.false_negative, review.triplets)
    return (
        f"Read by hand: {count(review.triplets, 'triplet')}. False negatives {review.false_negative:,} "
        f"({review.false_negative / review.triplets:.1%}, 95 % Wilson interval {low:.1%} to {high:.1%}), "
        f"trivial negatives {review.trivial:,}, good ones {review.good:,}."
    )


def dropped(content: CardContent) -> str:
    """What was left out, by stage and reason."""
    every = content.figures.dropped
    rest = sum(n for _, _, n in every[MOST_REASONS:])
    rows = [(stage, plain(reason), f"{n:,}") for stage, reason, n in every[:MOST_REASONS]]
    rows += [("", "other reasons", f"{rest:,}")] if rest else []
    return "## Left out, and why\n\n" + (table(("stage", "reason", "rows"), rows) if rows else "Nothing was left out.")


def splits(content: CardContent) -> str:
    """What the splits share."""
    leak = content.figures.leakage
    checks = (
        ("books with passages in more than one split", leak.books),
        ("passages that another split has too, word for word", leak.copies),
        (f"held-out passages half of whose {RUN_WORDS}-word runs an earlier split has", leak.near_copies),
        ("anchors in more than one split", leak.anchors),
        ("triplets whose negative is said in no passage of their split", leak.foreign_negatives),
        ("distinct positives of validation and test", leak.held_out_positives),
        ("… that are positives of training too", leak.seen_positives),
    )
    return "\n\n".join(
        (
            "## Splits and leakage",
            "Counted on the published rows:",
            table(("check", "count"), [(name, f"{n:,}") for name, n in checks]),
            "Terms and definitions stand in the earliest split that says the term: training passages say no term\n"
            "whose definition is in test.",
        )
    )
