"""`mine_triplets`: triplets from anybody's own passages, terms and model, by the miner that the mine stage uses."""

from __future__ import annotations

from typing import Literal, overload

import polars as pl

from tripletkit.encoding.cross_encoder import load_cross_encoder
from tripletkit.encoding.given_encoder import given_encoder, mask_token_of
from tripletkit.errors import ConfigError, SourceError
from tripletkit.ids import stable_id
from tripletkit.mining.miner import Tools, check_any_triplet, mine_pool
from tripletkit.mining.pool import build_pool
from tripletkit.rules import load_rules
from tripletkit.schemas import INT, LOCATORS, TEXT, TRIPLETS
from tripletkit.settings import load_settings
from tripletkit.tagging.tag_texts import find_mentions
from tripletkit.user_rows import Given, MentionRow, PassageRow, TermRow, read_rows, with_ids

#: The columns of the result, those that a triplet loss reads first.
COLUMNS = (
    *("anchor", "positive", "negative", "passage_id", "positive_id", "negative_id"),
    *("cos_ap", "cos_an", "cos_pn", "rank", "rule", "masked"),
)


@overload
def mine_triplets(
    passages: Given, terms: Given, model: Given, *, return_rejected: Literal[False] = ..., **settings: Given
) -> pl.DataFrame: ...


@overload
def mine_triplets(
    passages: Given, terms: Given, model: Given, *, return_rejected: Literal[True], **settings: Given
) -> tuple[pl.DataFrame, pl.DataFrame]: ...


def mine_triplets(
    passages: Given,
    terms: Given,
    model: Given,
    *,
    mentions: Given = None,
    seed: int = 0,
    return_rejected: bool = False,
    **settings: Given,
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
        model: A SentenceTransformer, its folder or Hub id, or any object whose ``encode(list of texts)`` returns one
            vector per text. It stays on its device. Vectors are scaled to length 1.
        mentions: Rows with ``passage_id``, ``term_id``, ``start`` and ``end`` (character offsets). Without them, each term is
            looked up in the passages of its book, in any case, singular or plural.
        seed: Seed of all random draws.
        return_rejected: Also return what was left out.
        settings: Any setting of ``[mine]``, such as ``negatives=3``, ``relative_margin=0.1`` or ``strategy="top"``.

    Returns:
        One row per triplet: ``anchor``, ``positive`` and ``negative`` are texts, then their ids, the three cosines
        (``cos_ap`` of anchor and positive, ``cos_an``, ``cos_pn``), ``rank`` (of the negative among all terms, 1 = nearest to
        the anchor), ``rule`` (why this negative) and ``masked``. With ``return_rejected`` a second frame: ``passage_id``,
        ``term_id``, ``reason``, ``detail``.

    Raises:
        SourceError: There are no passages or terms, a row is bad, an id occurs twice.
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
    texts = _passages(passages)
    names = _terms(terms, texts)
    tagged = (
        find_mentions(texts, names, load_rules()) if mentions is None else read_rows(mentions, MentionRow, "mentions")
    )
    pool = build_pool(texts, names, tagged, page_margin=chosen.page_margin)
    encoder = given_encoder(model)
    tools = Tools(
        encoder, lambda: _given_token(mask_token_of(encoder), model), load_cross_encoder(chosen.cross_encoder)
    )
    found = mine_pool(pool, tools, chosen, seed=seed)
    check_any_triplet([found])
    triplets = pl.DataFrame(found.columns(), schema_overrides=TRIPLETS.schema).select(COLUMNS)
    # A pair's negatives stay in the order in which they were chosen.
    order = texts.select("passage_id", order=pl.int_range(pl.len()))
    triplets = triplets.join(order, on="passage_id", maintain_order="left")
    triplets = triplets.sort("order", "positive_id", maintain_order=True).drop("order")
    rejected = dict.fromkeys(("passage_id", "term_id", "reason", "detail"), TEXT)
    return (triplets, pl.DataFrame(list(found.rejections()), rejected, orient="row")) if return_rejected else triplets


def _passages(given: Given) -> pl.DataFrame:
    """Passages as the pool reads them, with ``page_known`` if they have pages; otherwise pages count the passages."""
    rows = _not_empty(read_rows(given, PassageRow, "passages"), "passages")
    blank = rows.filter(pl.col("text").str.strip_chars() == "")
    if not blank.is_empty():
        raise SourceError(f"{blank['place'][0]}: empty text", "Fill it, or leave it out.")
    rows = rows.with_columns(book_id=pl.col("book").fill_null("own texts"))
    again = (pl.int_range(pl.len()).over("book_id", "text") + 1).cast(TEXT)
    ids = [stable_id("p", *key) for key in rows.select("book_id", "text", again=again).iter_rows()]
    rows = with_ids(rows, "passage_id", pl.Series(ids, dtype=TEXT))
    if rows["page"].is_null().all():
        return rows.with_columns(page_first=pl.int_range(pl.len()), page_last=pl.int_range(pl.len()))
    pages = rows.with_columns(
        page_first=pl.col("page").cast(INT, strict=False),
        page_last=pl.coalesce("page_last", "page").cast(INT, strict=False),
        page_known=pl.lit(value=True),
    )
    wrong = pages.filter(pl.any_horizontal(pl.col("page_first", "page_last").is_null()))
    if not wrong.is_empty():
        problem = f"{wrong['place'][0]} has no whole page number ({wrong['page'][0]!r})"
        raise SourceError(problem, "Give a page to every passage, or to none.")
    return pages


def _not_empty(rows: pl.DataFrame, what: str) -> pl.DataFrame:
    if rows.is_empty():
        raise SourceError(f"{what}: the list is empty", f"Give at least one of the {what}.")
    return rows


def _terms(given: Given, passages: pl.DataFrame) -> pl.DataFrame:
    """Terms with the columns that the pool reads; terms that cite pages without naming a book are of the only one."""
    rows = _not_empty(read_rows(given, TermRow, "terms"), "terms").filter("kept")
    cites = (pl.col("cited_pages").list.len() > 0) & pl.col("book").is_null()
    homes = passages["book_id"].unique()
    if rows.select(cites.any()).item() and ("page_known" not in passages.columns or len(homes) > 1):
        what = "a `book`, as the passages are of several" if len(homes) > 1 else "each passage a `page`"
        name = rows.filter(cites)["term"][0]
        raise SourceError(f"terms: {name!r} has cited_pages, but it is not known of which passages", f"Give {what}.")
    locators = [
        [{"label": str(page), "page": page, "range_end": None} for page in cited] or given
        for cited, given in rows.select("cited_pages", "locators").iter_rows()
    ]
    home = pl.when(cites).then(pl.lit(homes[0])).otherwise("book")
    rows = rows.with_columns(book_id=home, locators=pl.Series(locators, dtype=LOCATORS))
    ids = [stable_id("t", str(book), name) for book, name in rows.select("book_id", "term").iter_rows()]
    return with_ids(rows, "term_id", pl.Series(ids, dtype=TEXT))


def _given_token(token: str | None, model: Given) -> str:
    if token is not None:
        return token
    raise ConfigError(
        f"mask: the model, a {type(model).__name__}, has no mask token",
        "Leave mask at 0, or give a model that has one.",
    )
