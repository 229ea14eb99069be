"""What an output folder holds, to be read by people: what each stage made, the terms, and one passage with its mentions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from tripletkit.errors import ConfigError, TableError
from tripletkit.pipeline import STAGES
from tripletkit.rounds import round_rows, rounds_lines
from tripletkit.store import Store

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")


def report_rows(store: Store) -> list[dict[str, Any]]:
    """Each stage: what it made, when, in how many seconds, and its dropped rows by reason; then each round.

    Raises TableError if no stage ran.
    """
    made = {stage: store.manifest(stage) for stage in STAGES}
    if not any(made.values()):
        raise TableError(f"{store.folder}: nothing was made here yet", "Start with `tripletkit run BOOK.pdf`.")
    dropped = store.read("dropped") if store.has("dropped") else None
    rows = []
    for stage, of in made.items():
        reasons = Counter(dropped.filter(stage=stage)["reason"].to_list()) if dropped is not None else Counter()
        row = {"summary": of.summary, "counts": of.counts, "seconds": of.seconds, "made": of.made} if of else {}
        rows.append({"stage": stage, **row, "dropped": dict(reasons.most_common())})
    return [*rows, *round_rows(store.folder)]


def report_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The same as text: one paragraph a stage, then the rounds, if there are several."""
    for row in (row for row in rows if "stage" in row):
        made = f"{row['summary']}  [{row['seconds']:.1f} s, {row['made']}]" if "made" in row else "not made yet"
        yield f"{row['stage']:9} {made}"
        yield from (f"          dropped {count:,}: {reason}" for reason, count in row["dropped"].items())
    yield from rounds_lines([row for row in rows if "round" in row])


def term_rows(store: Store, *, kept: bool = False) -> list[dict[str, Any]]:
    """The terms in alphabetical order, with the printed pages that the index cites; with ``kept`` only those that are kept."""
    terms = store.read("terms")
    pages = pl.col("locators").list.eval(pl.element().struct.field("label")).list.unique(maintain_order=True)
    named = terms.with_columns(pages=pages.fill_null([]))
    named = named.select("term_id", "term", "forms", "sources", "pages", "kept", "reason")
    rows = (named.filter("kept") if kept else named).to_dicts()
    return sorted(rows, key=lambda row: (row["term"].casefold(), row["term_id"]))


def term_table(rows: list[dict[str, Any]]) -> RenderableType:
    """The rows as a table. A term that is not kept is dim, with the reason."""
    table = _table("term", "forms", "sources", "pages", "kept")
    for row in rows:
        lists = "; ".join(row["forms"][1:]), ", ".join(row["sources"]), ", ".join(ranges(row["pages"]))
        kept, style = ("yes", None) if row["kept"] else (f"no: {row['reason']}", "dim")
        table.add_row(row["term"], *lists, kept, style=style)
    return table


def _table(*heads: str) -> Table:
    from rich.table import Table

    return Table(*heads, box=None, header_style="bold", padding=(0, 2, 0, 0))


def ranges(labels: list[str]) -> list[str]:
    """Printed pages in the given order; three or more consecutive pages become a range: 3, 7–9, xi."""
    runs: list[list[str]] = []
    for before, label in pairwise(["", *labels]):
        if runs and before.isdigit() and label.isdigit() and int(label) == int(before) + 1:
            runs[-1].append(label)
        else:
            runs.append([label])
    return [text for run in runs for text in ([f"{run[0]}–{run[-1]}"] if len(run) > 2 else run)]


def tagged_passage(store: Store, passage_id: str) -> dict[str, Any]:
    """The passage whose id begins with ``passage_id``, with its mentions in order. Raises ConfigError if it is not one."""
    store.check_current(("mentions",))
    passages, mentions, terms = (store.read(name) for name in ("passages", "mentions", "terms"))
    found = passages.filter(pl.col("passage_id").str.starts_with(passage_id)) if passage_id else passages.clear()
    if found.height != 1:
        raise _no_one_passage(passage_id, found["passage_id"].to_list(), passages["passage_id"].to_list())
    passage: dict[str, Any] = found.row(0, named=True)
    held = mentions.filter(passage_id=passage["passage_id"]).join(terms.select("term_id", "term"), on="term_id")
    names = ("start", "end", "surface", "term", "match", "term_id")
    return {**passage, "mentions": held.sort("start", "end", "term_id").select(names).to_dicts()}


def _no_one_passage(wanted: str, found: list[str], known: list[str]) -> ConfigError:
    if found:
        some = ", ".join(found[:4]) + (" …" if len(found) > 4 else "")
        return ConfigError(
            f"{len(found)} passages have an id that begins with {wanted!r}: {some}", "Give more characters of the id."
        )
    example = f", such as {known[0]}" if known else ""
    return ConfigError(
        f"no passage has an id that begins with {wanted!r}",
        f"The ids are in passages.parquet, column passage_id{example}; the beginning of an id is enough.",
    )


def passage_view(passage: Mapping[str, Any]) -> RenderableType:
    """The passage's id, pages and section, its text with each term in a colour, and a table of its mentions."""
    from rich.console import Group
    from rich.text import Text

    mentions = passage["mentions"]
    colours = {term: _COLOURS[at % len(_COLOURS)] for at, term in enumerate(dict.fromkeys(m["term"] for m in mentions))}
    text = Text(passage["text"])
    for mention in mentions:
        text.stylize(f"bold underline {colours[mention['term']]}", mention["start"], mention["end"])
    place = f"{passage['passage_id']}, {passage['kind']}, pages {passage['label_first']}–{passage['label_last']}"
    table = _table("place", "surface", "term", "match")
    for m in mentions:
        table.add_row(f"{m['start']}–{m['end']}", m["surface"], Text(m["term"], colours[m["term"]]), m["match"])
    below = table if mentions else Text("no term is tagged in it", "dim")
    return Group(Text(place, "dim"), Text(passage["section"] or "", "dim"), "", text, "", below)
