"""`mine_triplets`: triplets from anybody's own passages, terms and model, by the miner that the mine stage uses."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import polars as pl

from tripletkit.encoding.encoder import Encoder, SentenceEncoder
from tripletkit.encoding.properties import Tasks
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import ConfigError, EncoderError, SourceError
from tripletkit.ids import stable_id
from tripletkit.mining.cross_encoder import load_cross_encoder
from tripletkit.mining.miner import MinedPool, Rejection, Tools, check_any_triplet, mine_pool
from tripletkit.mining.pool import build_pool
from tripletkit.progress import Progress
from tripletkit.rules import load_rules
from tripletkit.schemas import MENTIONS, PASSAGES, TERMS, TRIPLETS, Table
from tripletkit.settings import MineSettings, load_settings
from tripletkit.tagging.context import Context
from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.tagging.mentions import Tagger

#: The columns of the result, those that a triplet loss reads first.
COLUMNS = (
    *("anchor", "positive", "negative", "passage_id", "positive_id", "negative_id"),
    *("cos_ap", "cos_an", "cos_pn", "rank", "rule", "masked"),
)
#: The book of passages that name none.
ONE_BOOK = "own texts"
_MENTION = ("passage_id", "term_id", "start", "end")
Row = Mapping[str, Any]


@overload
def mine_triplets(
    passages: Any,  # noqa: ANN401 - frames of any library
    terms: Any,  # noqa: ANN401
    model: Any,  # noqa: ANN401 - anything that encodes
    *,
    mentions: Any = None,  # noqa: ANN401
    seed: int = 0,
    return_rejected: Literal[False] = False,
    **settings: Any,  # noqa: ANN401 - as in a settings file
) -> pl.DataFrame: ...


@overload
def mine_triplets(
    passages: Any,  # noqa: ANN401
    terms: Any,  # noqa: ANN401
    model: Any,  # noqa: ANN401
    *,
    mentions: Any = None,  # noqa: ANN401
    seed: int = 0,
    return_rejected: Literal[True],
    **settings: Any,  # noqa: ANN401
) -> tuple[pl.DataFrame, pl.DataFrame]: ...


def mine_triplets(
    passages: Any,
    terms: Any,
    model: Any,
    *,
    mentions: Any = None,
    seed: int = 0,
    return_rejected: bool = False,
    **settings: Any,
) -> pl.DataFrame | tuple[pl.DataFrame, pl.DataFrame]:
    """Mine (passage, term in it, hard-negative term) triplets from your own texts.

    Nothing global changes: no logging, threads or progress bars, and nothing is written. The same arguments give the same rows.

    Args:
        passages: Texts, or rows with ``text`` and, if you have them, ``passage_id`` (or ``id``), ``book_id`` (or ``book``),
            ``section`` (headings from the top, joined by " › ") and ``page`` (or ``page_first`` and ``page_last``). Rows are a
            list of dictionaries or a frame of polars, pandas, pyarrow or datasets. They stand in reading order.
        terms: Names of terms, or rows with ``term`` and, if you have them, ``term_id`` (or ``id``), ``book_id`` (or ``book``;
            else the term belongs to every book), ``forms`` (a list, or text separated by "|") and ``cited_pages`` (the pages
            that an index gives for the term). The tables ``passages`` and ``terms`` of an output folder fit as they are.
        model: A SentenceTransformer, the folder or hub id of one, or any object whose ``encode(list of texts)`` returns one
            vector per text. It stays on its device. Vectors are scaled to length 1.
        mentions: Rows with ``passage_id``, ``term_id``, ``start`` and ``end`` (character offsets). Without them, each term is
            looked up in the passages of its book, in any case, singular or plural.
        seed: Of the negatives that are drawn at random.
        return_rejected: Also return what was left out.
        settings: Any setting of ``[mine]``, such as ``negatives=3``, ``relative_margin=0.1`` or ``strategy="top"``.

    Returns:
        One row per triplet: ``anchor``, ``positive`` and ``negative`` are texts, then their ids, the three cosines
        (``cos_ap`` of anchor and positive, ``cos_an``, ``cos_pn``), ``rank`` (of the negative among all terms, 1 = nearest to
        the anchor), ``rule`` (why this negative) and ``masked``. With ``return_rejected`` a second frame: ``passage_id``,
        ``term_id``, ``reason``, ``detail``.

    Raises:
        SourceError: There are no passages or terms, a column is missing, an id occurs twice.
        TableError: No term is mentioned in any passage, or the guards leave no negative.
        EncoderError: The model cannot be loaded, or returns NaN or another shape than one row per text.
        ConfigError: A setting is unknown or out of range.

    Example:
        >>> from datasets import Dataset
        >>> from sentence_transformers import SentenceTransformer
        >>> passages = ["A heap is a tree.", "Quicksort sorts an array.", "A stack is a list."]
        >>> terms = ["heap", "tree", "quicksort", "array", "stack", "list"]
        >>> triplets = mine_triplets(passages, terms, SentenceTransformer("all-MiniLM-L6-v2"), negatives=2)
        >>> train = Dataset.from_polars(triplets.select("anchor", "positive", "negative"))  # for TripletLoss

    """
    chosen = load_settings(None, {f"mine.{name}": value for name, value in settings.items()}).mine
    passage_table = _passages(passages)
    term_table = _terms(terms, passage_table)
    mention_table = _find_mentions(passage_table, term_table) if mentions is None else _given_mentions(mentions)
    pool = build_pool(passage_table, term_table, mention_table, page_margin=chosen.page_margin)
    found = mine_pool(pool, _tools(model, term_table, chosen), chosen, seed=seed)
    check_any_triplet([found])
    triplets = _triplets(found, passage_table["passage_id"].to_list())
    if not return_rejected:
        return triplets
    return triplets, pl.DataFrame(
        list(found.rejections()), schema=dict.fromkeys(Rejection._fields, pl.String()), orient="row"
    )


def _triplets(found: MinedPool, passage_ids: Sequence[str]) -> pl.DataFrame:
    """In the order of the passages as given, a pair's negatives in the order in which they were chosen."""
    columns = found.columns()
    frame = _typed(TRIPLETS, {name: columns[name] for name in COLUMNS})
    place = {passage_id: i for i, passage_id in enumerate(passage_ids)}
    order = pl.col("passage_id").replace_strict(place, return_dtype=pl.Int64)
    return frame.sort(order, "positive_id", maintain_order=True)


def _typed(table: Table, columns: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """Some columns of a table, with their types."""
    return pl.DataFrame(columns, schema={name: table.schema[name] for name in columns})


def _passages(given: Any) -> pl.DataFrame:  # noqa: ANN401
    """With the columns that the pool reads, and ``page_known`` if they have pages; otherwise pages count the passages."""
    rows = _rows(given, "passages", "text")
    texts = [_text_in(row, "text", i, "passages") for i, row in enumerate(rows)]
    paged = any(row.get("page") is not None or row.get("page_first") is not None for row in rows)
    books = [str(_first(row, "book_id", "book") or ONE_BOOK) for row in rows]
    seen: Counter[tuple[str, str]] = Counter()
    ids = []
    for row, book, text in zip(rows, books, texts, strict=True):
        seen[book, text] += 1
        given_id = _first(row, "passage_id", "id")
        ids.append(str(given_id) if given_id is not None else stable_id("p", book, text, str(seen[book, text])))
    _refuse_twice(ids, "passages", "passage_id")
    first = [_page(_first(row, "page_first", "page"), i, paged) for i, row in enumerate(rows)]
    last = [_page(_first(row, "page_last", "page_first", "page"), i, paged) for i, row in enumerate(rows)]
    columns: dict[str, list[Any]] = {
        "passage_id": ids,
        "book_id": books,
        "section": [row.get("section") for row in rows],
        "page_first": first,
        "page_last": last,
        "text": texts,
    }
    table = _typed(PASSAGES, columns)
    return table.with_columns(page_known=pl.lit(value=True)) if paged else table


def _page(value: object, number: int, paged: bool) -> int:
    if not paged:
        return number
    try:
        return int(str(value))
    except ValueError:
        raise SourceError(
            f"passages: row {number} has no whole page number ({value!r})", "Give a page to every passage, or to none."
        ) from None


def _terms(given: Any, passages: pl.DataFrame) -> pl.DataFrame:  # noqa: ANN401
    rows = [row for row in _rows(given, "terms", "term") if row.get("kept") is not False]
    names = [_text_in(row, "term", i, "terms") for i, row in enumerate(rows)]
    books = [_book_of(row, passages) for row in rows]
    ids = [
        str(_first(row, "term_id", "id") or stable_id("t", str(book), name))
        for row, book, name in zip(rows, books, names, strict=True)
    ]
    _refuse_twice(ids, "terms", "term_id")
    columns: dict[str, list[Any]] = {
        "term_id": ids,
        "book_id": books,
        "term": names,
        "forms": [_forms(row.get("forms")) for row in rows],
        "parent_id": [row.get("parent_id") for row in rows],
        "see_also": [_given_list(row.get("see_also")) for row in rows],
        "locators": [_locators(row) for row in rows],
        "kept": [True] * len(rows),
    }
    return _typed(TERMS, columns)


def _book_of(row: Row, passages: pl.DataFrame) -> str | None:
    """The term's book; one that cites pages without naming a book is of the only one."""
    book, homes = _first(row, "book_id", "book"), passages["book_id"].unique()
    if book is None and _given_list(row.get("cited_pages")):
        if "page_known" not in passages.columns or len(homes) > 1:
            what = "a `book`, as the passages are of several" if len(homes) > 1 else "each passage a `page`"
            raise SourceError(
                f"terms: {row['term']!r} has cited_pages, but it is not known of which passages", f"Give {what}."
            )
        return str(homes[0])
    return None if book is None else str(book)


def _forms(value: Any) -> list[str]:  # noqa: ANN401 - a cell
    parts = value.split("|") if isinstance(value, str) else _given_list(value)
    return [part.strip() for part in map(str, parts) if part.strip()]


def _locators(row: Row) -> list[dict[str, Any]]:
    pages = [{"label": str(page), "page": int(page), "range_end": None} for page in _given_list(row.get("cited_pages"))]
    return pages or _given_list(row.get("locators"))


def _find_mentions(passages: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Where the terms of a passage's book, and those of every book, are mentioned; by the rules that the package brings."""
    rows: list[tuple[object, ...]] = []
    context = Context(load_rules())
    for (book,), of_book in passages.group_by("book_id", maintain_order=True):
        own = terms.filter((pl.col("book_id") == book) | pl.col("book_id").is_null())
        matcher = Matcher(
            Form(term_id, form, canonical=form == term)
            for term_id, term, forms in own.select("term_id", "term", "forms").iter_rows()
            for form in dict.fromkeys([term, *forms])
        )
        tagged = Tagger(matcher, context).tag(of_book["text"])
        for passage_id, found in zip(of_book["passage_id"], tagged, strict=True):
            rows += [(passage_id, match.form.term_id, match.start, match.end) for match in found.mentions]
    return _typed(MENTIONS, {name: [row[i] for row in rows] for i, name in enumerate(_MENTION)})


def _given_mentions(given: Any) -> pl.DataFrame:  # noqa: ANN401
    rows = _rows(given, "mentions", "passage_id")
    missing = [name for name in _MENTION if name not in rows[0]]
    if missing:
        raise SourceError(f"mentions: no column {missing[0]!r}", f"Needed: {', '.join(_MENTION)}.")
    return _typed(MENTIONS, {name: [row[name] for row in rows] for name in _MENTION})


def _rows(given: Any, what: str, column: str) -> list[Row]:  # noqa: ANN401
    """Rows of a list of texts or dictionaries, or of a frame of whatever library."""
    if isinstance(given, str | bytes | Mapping):
        raise SourceError(f"{what}: one {type(given).__name__} was given", f"Give a list of {what}, or a frame.")
    if hasattr(given, "to_dicts"):  # polars
        rows = given.to_dicts()
    elif hasattr(given, "to_pylist"):  # pyarrow
        rows = given.to_pylist()
    elif hasattr(given, "columns") and hasattr(given, "to_dict"):  # pandas
        rows = given.to_dict("records")
    else:
        rows = list(given)
    if not rows:
        raise SourceError(f"{what}: the list is empty", f"Give at least one of the {what}.")
    strange = next((row for row in rows if not isinstance(row, str | Mapping)), None)
    if strange is not None:
        raise SourceError(f"{what}: a {type(strange).__name__} is in the list", "Give texts, or dictionaries.")
    return [{column: row} if isinstance(row, str) else row for row in rows]


def _text_in(row: Row, column: str, number: int, what: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise SourceError(
            f"{what}: row {number} has no text in {column!r} (it holds {value!r})", "Fill it, or leave it out."
        )
    return value


def _first(row: Row, *names: str) -> Any:  # noqa: ANN401 - a cell
    """The first cell that is there; pandas writes NaN where there is none."""
    values = (row.get(name) for name in names)
    return next((value for value in values if value is not None and value == value), None)


def _given_list(value: Any) -> list[Any]:  # noqa: ANN401 - a cell: a list, an array, None or NaN
    return [] if value is None or isinstance(value, float) else list(value)


def _refuse_twice(ids: Sequence[str], what: str, column: str) -> None:
    twice = [id_ for id_, count in Counter(ids).items() if count > 1]
    if twice:
        raise SourceError(
            f"{what}: {len(twice)} {column} occur more than once, such as {twice[0]!r}", f"Make each {column} unique."
        )


def _tools(model: Any, terms: pl.DataFrame, settings: MineSettings) -> Tools:  # noqa: ANN401
    return Tools(
        encoder=_encoder(model),
        mask_token=lambda: _mask_token(model),
        forms={
            term_id: [term, *forms] for term_id, term, forms in terms.select("term_id", "term", "forms").iter_rows()
        },
        cross_encoder=None if settings.cross_encoder is None else load_cross_encoder(settings.cross_encoder),
    )


def _encoder(model: Any) -> Encoder:  # noqa: ANN401
    if not isinstance(model, str | Path):
        return _OwnModel(model)
    return SentenceEncoder(resolve_encoder(str(model)), cache=None, progress=Progress(quiet=True))


def _mask_token(model: Any) -> str:  # noqa: ANN401
    if isinstance(model, str | Path):
        return resolve_encoder(str(model)).mask_token
    token = getattr(getattr(model, "tokenizer", None), "mask_token", None)
    if not isinstance(token, str):
        raise ConfigError(
            f"mask: the model, a {type(model).__name__}, has no mask token",
            "Leave mask at 0, or give a model that has one.",
        )
    return token


class _OwnModel:
    """Unit vectors of an object with ``encode``, checked."""

    fingerprint = "own model"

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        if not hasattr(model, "encode"):
            raise EncoderError(
                f"a {type(model).__name__} is no model",
                "Give a SentenceTransformer, a path or hub id, or an object with encode().",
            )
        self._model = model
        accepted = inspect.signature(model.encode).parameters
        self._options = {"show_progress_bar": False} if "show_progress_bar" in accepted else {}

    def encode(self, texts: Sequence[str], what: str = "texts", task: Tasks = "document") -> npt.NDArray[np.float32]:
        """float32, shape (len(texts), dimensions), rows of length 1."""
        call = getattr(self._model, f"encode_{task}", self._model.encode)
        given = call(list(texts), **self._options)
        rows = np.asarray(_on_cpu(given), dtype=np.float32)
        name = type(self._model).__name__
        if rows.ndim != 2 or len(rows) != len(texts):
            raise EncoderError(
                f"{name}.encode gave an array of shape {rows.shape} for {len(texts)} {what}",
                "It must give a row per text.",
            )
        broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(broken):
            raise EncoderError(
                f"{name}.encode gave NaN or infinity for {len(broken)} of {len(texts)} {what}, "
                f"first for {texts[int(broken[0])][:60]!r}",
                "Use another model, or float32 if it overflows in float16.",
            )
        unit: npt.NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return unit


def _on_cpu(vectors: Any) -> Any:  # noqa: ANN401 - arrays or tensors
    """Tensors, on whatever device and in whatever precision, as arrays; so are lists of them."""
    if isinstance(vectors, list | tuple):
        return [_on_cpu(vector) for vector in vectors]
    return vectors.detach().float().cpu().numpy() if hasattr(vectors, "detach") else vectors
