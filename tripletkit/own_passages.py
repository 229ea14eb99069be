"""A user's own passages → rows of books, pages and passages. A text over the encoder's limit is cut at sentence ends.

The rows of one ``book`` belong together, also over several files; rows without ``book`` make their file a book.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tripletkit.addresses import Place, readable
from tripletkit.encoding.tokens import CountTokens, counter_by_words
from tripletkit.ids import stable_id
from tripletkit.pdf.workers import PassageLimits
from tripletkit.schemas import BOOKS, DROPPED, INT, PAGES, PASSAGES, SECTION_MARK, TEXT, Table, check_table
from tripletkit.store import write_parquet
from tripletkit.user_rows import PassageFile, PassageRow, Skipped, counted

#: A page given as a number is that physical page; a larger one is taken as a label.
_NUMBER = r"^[1-9]\d{0,4}$"
#: At most this many bad rows are named in notes; all of them are in `dropped`.
MOST_NAMED = 3

LicenseOf = Callable[[Place, str | None], str | None]
Row = dict[str, object]


class OwnBooks(NamedTuple):
    """Tables as schemas.py has them, what is not used as rows of ``dropped``, and which row each passage came from."""

    books: pl.DataFrame
    pages: pl.DataFrame
    passages: pl.DataFrame
    dropped: list[Row]  # repeated texts, then skipped rows
    sources: pl.DataFrame  # passage_id, id, file, line


def read_kept(path: Place, folder: Place, make: Callable[[], PassageFile], *, force: bool) -> PassageFile:
    """The file at ``path`` as cached in ``folder`` by an earlier run; otherwise, or with ``force``, from ``make``."""
    done, kept = folder / "done", folder / "rows.parquet"
    if force or not done.exists():
        file = make()
        folder.mkdir(parents=True, exist_ok=True)
        done.unlink(missing_ok=True)
        write_parquet(kept, file.rows)
        done.write_text(json.dumps([file.skipped, file.ignored]), encoding="utf-8")  # last, so that no part is half
    skipped, ignored = json.loads(done.read_text(encoding="utf-8"))
    return PassageFile(path, pl.read_parquet(readable(kept)), [Skipped(*row) for row in skipped], tuple(ignored))


def notes_on(files: Sequence[PassageFile]) -> Iterator[str]:
    """For the user, per file: the first bad rows, ids on several rows, columns that are ignored."""
    ignored: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for file in files:
        ignored[file.ignored].append(file.path)
        for line, reason, detail in file.bad[:MOST_NAMED]:
            yield f"{file.path}:{line}: {reason} ({detail})"
        if (more := len(file.bad) - MOST_NAMED) > 0:
            yield f"{file.path}: and {counted(more, 'more bad row')}; all are in the table `dropped`"
        if told := repeated_ids(file):
            yield told
    for names, paths in ignored.items():
        if names:
            others = f" and {counted(len(paths) - 1, 'more file')}" if len(paths) > 1 else ""
            read = f"(read are {', '.join(PassageRow.columns)})"
            yield f"{paths[0]}{others}: columns ignored: {', '.join(names)} {read}"


def repeated_ids(file: PassageFile) -> str | None:
    """A sentence about ids that stand on several rows of a file, None if none does."""
    lines = file.rows.filter(pl.col("id").is_not_null(), part=0).group_by("id", maintain_order=True).agg("line")
    twice = lines.filter(pl.col("line").list.len() > 1).rows()
    if not twice:
        return None
    name, held = twice[0]
    more = f", and {counted(len(twice) - 1, 'more id')}" if len(twice) > 1 else ""
    return f"{file.path}:{held[1]}: id {name!r} stands on line {held[0]} too{more}; each row stays a passage of its own"


def cut_in_words(files: Sequence[PassageFile]) -> str:
    """How many texts were over the encoder's limit, as the end of a summary; "" if none was."""
    sizes = [file.rows.group_by("line").len().filter(pl.col("len") > 1)["len"] for file in files]
    cut, made = sum(map(len, sizes)), sum(int(size.sum()) for size in sizes)
    return f"; {counted(cut, 'text')} over the encoder's limit cut into {made:,}" if cut else ""


def cut_rows(
    file: PassageFile, limits: PassageLimits, count_tokens: CountTokens, abbreviations: AbstractSet[str]
) -> PassageFile:
    """The file with columns ``n_tokens`` and ``part`` (from 0 per row): a text over the limit becomes several rows."""
    # The cutter loads the PDF library.
    from tripletkit.pdf.paragraphs import Paragraph, Place
    from tripletkit.pdf.passages import paragraphs_to_passages

    texts = file.rows["text"].to_list()
    counts = counter_by_words(count_tokens, texts, limits.max_tokens)(texts)
    rows = file.rows.with_columns(n_tokens=pl.Series(counts, dtype=INT))
    long = rows.filter(pl.col("n_tokens") > limits.max_tokens)
    # A separate section path keeps each row apart from the next.
    paragraphs = [
        Paragraph("prose", (str(line),), text, [Place(0, 1)]) for line, text in long.select("line", "text").iter_rows()
    ]
    cut = paragraphs_to_passages(paragraphs, limits, count_tokens, abbreviations) if paragraphs else []
    columns = {"line": INT, "text": TEXT, "n_tokens": INT}
    parts = pl.DataFrame([(int(one.path[0]), one.text, one.n_tokens) for one in cut], columns, orient="row")
    # Rows within the limit have no parts.
    rows = rows.join(parts, on="line", how="left", suffix="_cut", maintain_order="left_right")
    rows = rows.with_columns(pl.coalesce(f"{name}_cut", name).alias(name) for name in ("text", "n_tokens"))
    rows = rows.drop("text_cut", "n_tokens_cut").with_columns(part=pl.int_range(pl.len()).over("line"))
    return replace(file, rows=rows)


def rows_to_books(files: Sequence[PassageFile], license_of: LicenseOf) -> OwnBooks:
    """Books, pages and passages of all files together. ``license_of`` takes a file and the value of ``book``."""
    of_files = []
    for file in files:
        named = {book: license_of(file.path, book) for book in file.rows["book"].unique().to_list()}
        licenses = pl.Series("license", [named[book] for book in file.rows["book"]], dtype=TEXT)
        of_files.append(file.rows.with_columns(licenses, file=pl.lit(str(file.path))))
    rows = pl.concat(of_files)
    rows = rows.with_columns(book_id=_book_ids(rows)).with_row_index("order")
    rows = _with_pages(_with_sections(rows))
    ids = [stable_id("p", *key) for key in rows.select("book_id", "text").iter_rows()]
    rows = rows.with_columns(passage_id=pl.Series(ids, dtype=TEXT))
    first = rows.filter(pl.col("passage_id").is_first_distinct())
    again = rows.filter(~pl.col("passage_id").is_first_distinct()).select("file", "line", "passage_id", "text")
    unused = [(f"{file}:{line}", of, "repeated text", text) for file, line, of, text in again.iter_rows()]
    unused += [(f"{file.path}:{line}", None, reason, detail) for file in files for line, reason, detail in file.skipped]
    dropped: list[Row] = [dict(zip(DROPPED.schema, ("extract", *row), strict=True)) for row in unused]
    place = {"page_first": "number", "page_last": "number", "label_first": "label", "label_last": "label"}
    passages = _as_table(first.with_columns(**place, kind=pl.lit("prose"), boxes=pl.lit([])), PASSAGES)
    return OwnBooks(_books(first), _pages(first), passages, dropped, rows.select("passage_id", "id", "file", "line"))


def _book_ids(rows: pl.DataFrame) -> pl.Series:
    """From a book's name and its texts in order, so that a change in one book leaves the ids of the others."""
    # One name under two licences is two books: the cards must name both.
    own = pl.concat_str(pl.col("book"), pl.col("license").fill_null(""), separator="\0")
    keys = rows.select(key=own.fill_null(pl.concat_str(pl.lit("\0"), pl.col("file"))))["key"].to_list()
    digests: defaultdict[str, hashlib._Hash] = defaultdict(hashlib.sha256)
    for key, text in zip(keys, rows["text"], strict=True):
        digests[key].update(f"{len(text)}:{text}".encode())
    ids = {key: stable_id("book", key.split("\0")[0], digest.hexdigest()) for key, digest in digests.items()}
    return pl.Series("book_id", [ids[key] for key in keys], dtype=TEXT)


def _with_sections(rows: pl.DataFrame) -> pl.DataFrame:
    """If a book's rows have one title, it is the book's; otherwise each title is prefixed to its rows' sections."""
    several = pl.col("title").n_unique().over("book_id") - pl.col("title").is_null().any().over("book_id") > 1
    path = pl.concat_str("title", "section", separator=SECTION_MARK, ignore_nulls=True)
    return rows.with_columns(
        section=pl.when(several).then(path).otherwise("section").replace("", None),
        book_title=pl.when(~several).then(pl.col("title").drop_nulls().first().over("book_id")),
    )


def _with_pages(rows: pl.DataFrame) -> pl.DataFrame:
    """``number``: the page if all of a book's pages are numbers, else the label's position; no page: one extra page."""
    numeric = pl.col("page").str.contains(_NUMBER).all().over("book_id")  # rows without a page are left aside
    rows = rows.with_columns(
        appeared=pl.when(pl.col("page").is_not_null()).then(pl.col("order").min().over("book_id", "page"))
    )
    place = pl.col("appeared").rank("dense").over("book_id").cast(INT)
    number = pl.when(numeric).then(pl.col("page").cast(INT, strict=False)).otherwise(place)
    rows = rows.with_columns(number=number)
    beyond = pl.col("number").max().over("book_id").fill_null(0) + 1
    return rows.with_columns(number=pl.col("number").fill_null(beyond), label=pl.col("page").fill_null(""))


def _books(rows: pl.DataFrame) -> pl.DataFrame:
    books = rows.group_by("book_id", maintain_order=True).agg(
        path=pl.col("file").first(),
        title=pl.coalesce(pl.col("book_title").first(), pl.col("book").first()),
        pages=pl.col("number").n_unique(),
        license=pl.col("license").first(),
    )
    stems = pl.Series([Path(path).stem for path in books["path"]], dtype=TEXT)
    return _as_table(books.with_columns(title=pl.col("title").fill_null(stems)), BOOKS)


def _pages(rows: pl.DataFrame) -> pl.DataFrame:
    pages = rows.group_by("book_id", page="number", maintain_order=True).agg(
        label=pl.col("label").first(), chars=pl.col("text").str.len_chars().sum()
    )
    return _as_table(pages.with_columns(role=pl.lit("body")), PAGES)


def _as_table(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    return check_table(rows.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items()), table)
