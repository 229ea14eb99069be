"""The sections of a card that are mostly figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tripletkit.publishing.facts import CardContent, Configuration
from tripletkit.publishing.figures import RUN_WORDS, SplitFigures, Spread
from tripletkit.publishing.markdown import details, plain, table
from tripletkit.publishing.views import SPLIT_NAMES

BAR_WIDTH = 30
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
    """Quantiles per split, and bars of all splits together."""
    rows = [
        (split.split, name, *(f"{value:.3f}" for value in quantiles))
        for split in content.figures.splits
        if split.triplets
        for name, quantiles in split.cosines
    ]
    most = max(max(ap, an) for _, ap, an in content.figures.histogram)
    bars = [f"{edge:5.1f} │ {_bar(ap, most)} │ {_bar(an, most)}" for edge, ap, an in content.figures.histogram]
    head = f"{'from':>5} │ {'anchor and positive':<{BAR_WIDTH + 8}} │ anchor and negative"
    return "\n\n".join(
        (
            "## Similarities",
            "Cosines by the encoder that mined.",
            table(("split", "cosine of", "5 %", "25 %", "50 %", "75 %", "95 %"), rows),
            "\n".join(("```text", head, *bars, "```")),
        )
    )


def _bar(number: int, most: int) -> str:
    return f"{'█' * round(BAR_WIDTH * number / most):<{BAR_WIDTH}} {number:>7,}"


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
