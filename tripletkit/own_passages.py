"""A user's own passages → rows of books, pages and passages. A text over the encoder's limit is cut at sentence ends.

The rows of one ``book`` belong together, also over several files; rows without ``book`` make their file a book.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tripletkit.encoding.tokens import CountTokens, counter_by_words
from tripletkit.ids import stable_id
from tripletkit.passage_files import SECTION_MARK, PassageFile, PassageRow, counted
from tripletkit.pdf.book_task import PassageLimits
from tripletkit.row_formats import BAD_ROW, COLUMNS
from tripletkit.schemas import BOOKS, INT, PAGES, PASSAGES, TEXT, Table, check_table

#: Rows of a file that are cut and counted, ``part`` from 0 within each.
OWN_ROWS = pl.Schema(
    {
        "line": INT,
        "part": INT,
        "id": TEXT,
        "title": TEXT,
        "section": TEXT,
        "page": TEXT,
        "book": TEXT,
        "text": TEXT,
        "n_tokens": INT,
    }
)
#: A page given as a number is that physical page; a larger one is taken as a label.
_NUMBER = r"^[1-9]\d{0,4}$"

#: Notes name so many bad rows; all of them are in `dropped`.
MOST_NAMED = 3

Row = dict[str, object]


@dataclass(frozen=True)
class OwnPart:
    """What one file gave: rows as OWN_ROWS, skipped rows (line, reason, detail), and the columns that nobody reads."""

    path: Path
    rows: pl.DataFrame
    skipped: pl.DataFrame
    ignored: tuple[str, ...]

    def dropped(self) -> list[Row]:
        """The skipped rows as rows of ``dropped``."""
        return [
            {"stage": "extract", "item": f"{self.path}:{line}", "related": None, "reason": reason, "detail": detail}
            for line, reason, detail in self.skipped.iter_rows()
        ]


@dataclass(frozen=True)
class OwnBooks:
    """Tables as schemas.py has them, repeated texts as rows of ``dropped``, and which row each passage came from."""

    books: pl.DataFrame
    pages: pl.DataFrame
    passages: pl.DataFrame
    repeated: list[Row]
    sources: pl.DataFrame  # passage_id, id, file, line


def keep_part(folder: Path, rows: pl.DataFrame, file: PassageFile) -> None:
    """Write what a file gave into a folder of its own; the mark "done" comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "done").unlink(missing_ok=True)
    rows.write_parquet(folder / "rows.parquet", compression="lz4")
    skipped = [(row.line, row.reason, row.detail) for row in file.skipped]
    schema = {"line": INT, "reason": TEXT, "detail": TEXT}
    pl.DataFrame(skipped, schema=schema, orient="row").write_parquet(folder / "skipped.parquet")
    (folder / "done").write_text(json.dumps(file.ignored), encoding="utf-8")


def read_part(path: Path, folder: Path) -> OwnPart:
    """What ``keep_part`` wrote for the file at ``path``."""
    ignored = json.loads((folder / "done").read_text(encoding="utf-8"))
    rows, skipped = (pl.read_parquet(folder / f"{name}.parquet") for name in ("rows", "skipped"))
    return OwnPart(path, rows, skipped, tuple(ignored))


def notes_on(parts: Sequence[OwnPart]) -> Iterator[str]:
    """For the user, per file: the first bad rows, ids on several rows, columns that are ignored."""
    ignored: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for part in parts:
        ignored[part.ignored].append(part.path)
        bad = part.skipped.filter(pl.col("reason").str.starts_with(BAD_ROW))
        for line, reason, detail in bad.head(MOST_NAMED).iter_rows():
            yield f"{part.path}:{line}: {reason} ({detail})"
        if bad.height > MOST_NAMED:
            yield f"{part.path}: and {counted(bad.height - MOST_NAMED, 'more bad row')}; all are in the table `dropped`"
        if told := repeated_ids(part.path, part.rows):
            yield told
    for names, paths in ignored.items():
        if names:
            more = f" and {counted(len(paths) - 1, 'more file')}" if len(paths) > 1 else ""
            yield f"{paths[0]}{more}: columns ignored: {', '.join(names)} (read are {', '.join(COLUMNS)})"


def cut_in_words(parts: Sequence[OwnPart]) -> str:
    """How many texts were over the encoder's limit, as the end of a summary; "" if none was."""
    sizes = [part.rows.group_by("line").len().filter(pl.col("len") > 1)["len"] for part in parts]
    cut, made = sum(map(len, sizes)), sum(int(size.sum()) for size in sizes)
    return f"; {counted(cut, 'text')} over the encoder's limit cut into {made:,}" if cut else ""


def cut_rows(
    file: PassageFile, limits: PassageLimits, count_tokens: CountTokens, abbreviations: AbstractSet[str]
) -> pl.DataFrame:
    """The rows of a file as OWN_ROWS: a text within the encoder's limit as it stands, a longer one in parts."""
    texts = [row.text for row in file.rows]
    counts = counter_by_words(count_tokens, texts, limits.max_tokens)(texts)
    long = [row for row, count in zip(file.rows, counts, strict=True) if count > limits.max_tokens]
    parts = _cut(long, limits, count_tokens, abbreviations) if long else {}
    held = [
        (row, part, text, n_tokens)
        for row, count in zip(file.rows, counts, strict=True)
        for part, (text, n_tokens) in enumerate(parts.get(row.line) or [(row.text, count)])
    ]
    columns: dict[str, list[object]] = {
        name: [getattr(row, name) for row, _, _, _ in held]
        for name in ("line", "id", "title", "section", "page", "book")
    }
    columns |= {name: [row[at] for row in held] for at, name in ((1, "part"), (2, "text"), (3, "n_tokens"))}
    return pl.DataFrame({name: columns[name] for name in OWN_ROWS}, schema=OWN_ROWS)


def _cut(
    rows: Sequence[PassageRow], limits: PassageLimits, count_tokens: CountTokens, abbreviations: AbstractSet[str]
) -> dict[int, list[tuple[str, int]]]:
    """By line, the parts of each text with their tokens; cut as a book's section is."""
    # The cutter loads the PDF library.
    from tripletkit.pdf.paragraphs import Paragraph
    from tripletkit.pdf.passages import paragraphs_to_passages

    # A path of its own keeps each row apart from the next.
    paragraphs = [Paragraph("prose", (str(row.line),), row.text, [(0, 1)]) for row in rows]
    parts: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for passage in paragraphs_to_passages(paragraphs, limits, count_tokens, abbreviations):
        parts[int(passage.path[0])].append((passage.text, passage.n_tokens))
    return parts


def rows_to_books(
    files: Sequence[tuple[Path, pl.DataFrame]], license_of: Callable[[Path, str | None], str | None]
) -> OwnBooks:
    """Books, pages and passages of all files together. ``license_of`` takes a file and the value of ``book``."""
    rows = pl.concat(
        [
            frame.with_columns(file=pl.lit(str(path)), license=_licenses(path, frame, license_of))
            for path, frame in files
        ]
    )
    rows = rows.with_columns(book_id=_book_ids(rows)).with_row_index("order")
    rows = _with_pages(_with_sections(rows))
    rows = rows.with_columns(
        passage_id=pl.Series([stable_id("p", *key) for key in rows.select("book_id", "text").iter_rows()], dtype=TEXT)
    )
    first = rows.filter(pl.col("passage_id").is_first_distinct())
    return OwnBooks(
        _books(first),
        _pages(first),
        _passages(first),
        _repeated(rows.filter(~pl.col("passage_id").is_first_distinct())),
        rows.select("passage_id", "id", "file", "line"),
    )


def sources_as_csv(sources: pl.DataFrame) -> bytes:
    """Which row of which file each passage came from, with the id that the user gave it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(sources.columns)
    writer.writerows(sources.iter_rows())
    return text.getvalue().encode()


def repeated_ids(path: Path, rows: pl.DataFrame) -> str | None:
    """A sentence about ids that stand on several rows of a file, None if none does."""
    lines: dict[str, list[int]] = defaultdict(list)
    for name, line in rows.filter(pl.col("id").is_not_null(), part=0).select("id", "line").iter_rows():
        lines[name].append(line)
    twice = {name: held for name, held in lines.items() if len(held) > 1}
    if not twice:
        return None
    name, held = next(iter(twice.items()))
    more = f", and {counted(len(twice) - 1, 'more id')}" if len(twice) > 1 else ""
    return f"{path}:{held[1]}: id {name!r} stands on line {held[0]} too{more}; each row stays a passage of its own"


def _licenses(path: Path, rows: pl.DataFrame, license_of: Callable[[Path, str | None], str | None]) -> pl.Series:
    named = {book: license_of(path, book) for book in rows["book"].unique().to_list()}
    return pl.Series("license", [named[book] for book in rows["book"]], dtype=TEXT)


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
    """The one title of a book is the book's; of several, each stands above the sections of its rows."""
    several = pl.col("title").n_unique().over("book_id") - pl.col("title").is_null().any().over("book_id") > 1
    return rows.with_columns(
        section=pl.when(several)
        .then(pl.concat_str("title", "section", separator=SECTION_MARK, ignore_nulls=True))
        .otherwise("section")
        .replace("", None),
        book_title=pl.when(~several).then(pl.col("title").drop_nulls().first().over("book_id")),
    )


def _with_pages(rows: pl.DataFrame) -> pl.DataFrame:
    """``number``: the page given where a book has numbers only, else the place among its labels as they appear.

    Rows without a page stand on one more page, without a label.
    """
    numeric = pl.col("page").str.contains(_NUMBER).all().over("book_id")  # rows without a page are left aside
    appeared = pl.col("order").min().over("book_id", "page")
    rows = rows.with_columns(
        place=pl.when(pl.col("page").is_not_null()).then(
            appeared.rank("dense").over("book_id", pl.col("page").is_null())
        )
    ).with_columns(
        number=pl.when(numeric).then(pl.col("page").cast(INT, strict=False)).otherwise(pl.col("place").cast(INT))
    )
    beyond = pl.col("number").max().over("book_id").fill_null(0) + 1
    return rows.with_columns(number=pl.col("number").fill_null(beyond), label=pl.col("page").fill_null(""))


def _books(rows: pl.DataFrame) -> pl.DataFrame:
    books = rows.group_by("book_id", maintain_order=True).agg(
        path=pl.col("file").first(),
        title=pl.coalesce(pl.col("book_title").first(), pl.col("book").first()),
        pages=pl.col("number").n_unique().cast(INT),
        license=pl.col("license").first(),
    )
    stems = pl.Series([Path(path).stem for path in books["path"]], dtype=TEXT)
    return _as_table(books.with_columns(title=pl.col("title").fill_null(stems)), BOOKS)


def _pages(rows: pl.DataFrame) -> pl.DataFrame:
    pages = rows.group_by("book_id", "number", maintain_order=True).agg(
        label=pl.col("label").first(), chars=pl.col("text").str.len_chars().sum().cast(INT)
    )
    return _as_table(pages.rename({"number": "page"}).with_columns(role=pl.lit("body")), PAGES)


def _passages(rows: pl.DataFrame) -> pl.DataFrame:
    place = {"page_first": "number", "page_last": "number", "label_first": "label", "label_last": "label"}
    return _as_table(rows.with_columns(**place, kind=pl.lit("prose")), PASSAGES)


def _as_table(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    return check_table(rows.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items()), table)


def _repeated(rows: pl.DataFrame) -> list[Row]:
    return [
        {
            "stage": "extract",
            "item": f"{file}:{line}",
            "related": passage_id,
            "reason": "repeated text",
            "detail": text,
        }
        for file, line, passage_id, text in rows.select("file", "line", "passage_id", "text").iter_rows()
    ]
