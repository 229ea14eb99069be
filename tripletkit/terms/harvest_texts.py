"""``harvest_terms``: the terms of a PDF, or of anybody's own texts, as the stage ``glossary`` finds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tripletkit.errors import ConfigError
from tripletkit.ids import file_sha256, stable_id
from tripletkit.language.normalise import normalised_by
from tripletkit.language.section_paths import section_titles
from tripletkit.rules import Rules, load_rules
from tripletkit.schemas import LINES, PAGES, PASSAGES, TERMS, make_table
from tripletkit.terms.harvest import Harvest, harvest_book, harvest_passages
from tripletkit.terms.text_terms import heading_terms
from tripletkit.user_rows import Given, PassageRow, read_rows, with_ids


def harvest_terms(
    source: Path | str | Given,
    *,
    automatic: int = 0,
    headings: bool = False,
    bold: bool = False,
    rules: Rules | Path | str | None = None,
) -> pl.DataFrame:
    """The terms that a textbook or a list of texts holds, one row a concept.

    ``source`` is the path of a PDF, or texts, or rows (dictionaries or a frame) with ``text`` and perhaps ``section``
    (titles of headings, joined by " › "). A PDF gives the entries of its index and glossary and
    the acronyms that it introduces. Texts give the phrases that a sentence defines and the text uses again ("X is called
    Y", "A Y is a …"), and the acronyms that they introduce.

    ``automatic`` adds so many phrases by C-value; to a PDF only if it has neither index nor glossary. ``headings`` adds
    terms of section titles that the text uses. ``bold`` adds, of a PDF, emphasised phrases where they are defined.
    ``rules`` is a folder of your own rules, as for ``--rules``.

    Returns a frame with the columns of ``schemas.TERMS``, sorted by ``term_id``: among others ``term``, ``forms``
    (list), ``sources`` (list), ``definition``, ``locators`` (pages that an index cites), ``kept``, and ``reason`` where
    it is not kept. It may be empty. ``tag_terms`` takes it as it is, and leaves out what is not kept.

    Raises SourceError for a PDF that cannot be read, a bad row or an id that occurs twice, ConfigError for a negative
    ``automatic`` or ``bold`` with texts, and RulesError for faulty rules.
    """
    is_pdf = isinstance(source, Path | str)
    if automatic < 0:
        raise ConfigError(f"automatic = {automatic}: must be 0 or more", "It is the number of phrases to add.")
    if bold and not is_pdf:
        raise ConfigError("bold = True: texts hold no bold type", "Leave it out, or give the path of a PDF.")
    in_force = rules if isinstance(rules, Rules) else load_rules(Path(rules) if rules is not None else None)
    with normalised_by(in_force):
        if is_pdf:
            found = _of_pdf(Path(source), in_force, bold=bold, headings=headings, automatic=automatic)
        else:
            rows = with_ids(read_rows(source, PassageRow, "texts"), "passage_id", pl.col("place"))
            titles = _titles(rows, in_force) if headings else None
            found = harvest_passages(None, rows["text"], in_force, headings=titles, automatic=automatic)
    return make_table(TERMS, found.terms)


def _of_pdf(path: Path, rules: Rules, *, bold: bool, headings: bool, automatic: int) -> Harvest:
    # Loaded here: a PDF library is not needed for texts.
    from tripletkit.pdf.book_tables import extract_book
    from tripletkit.pdf.book_task import PassageLimits

    if not path.is_file():
        raise ConfigError(f"{path}: no such file", "Give the path of a PDF, or a list of texts.")
    book_id = stable_id("book", file_sha256(path))

    def count_words(texts: Sequence[str]) -> list[int]:
        """Stands in for a tokenizer: where passages end makes no difference to terms."""
        return [len(text.split()) for text in texts]

    held = extract_book(path, book_id=book_id, limits=PassageLimits(512), count_tokens=count_words, rules=rules)
    titles = _titles(make_table(PASSAGES, held.passages), rules) if headings else None
    lines, pages = make_table(LINES, held.lines), make_table(PAGES, held.pages)
    return harvest_book(book_id, lines, pages, rules, bold=bold, headings=titles, automatic=automatic)


def _titles(rows: pl.DataFrame, rules: Rules) -> list[str]:
    titles = {title for section in rows["section"] for title in section_titles(section)} - {""}
    return heading_terms(titles, rows["text"], rules)
