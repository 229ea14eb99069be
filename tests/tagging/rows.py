"""Mentions made by the real tagger, for the tests of other parts."""

from __future__ import annotations

import polars as pl

from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Matcher
from tripletkit.tagging.mentions import Context, Tagger
from tripletkit.tagging.tag_texts import Row, form_matcher, mention_rows


def matcher_of(terms: pl.DataFrame) -> Matcher:
    """A matcher for every form of every term in a terms table."""
    return form_matcher(terms.select("term_id", "term", "forms").iter_rows())


def mentions_in(passage_id: str, text: str, matcher: Matcher) -> list[Row]:
    """One passage's rows of ``mentions`` by the packaged rules."""
    (tagged,) = Tagger(matcher, Context(load_rules())).tag([text])
    return mention_rows(passage_id, text, tagged)
