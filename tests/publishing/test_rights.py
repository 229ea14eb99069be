from __future__ import annotations

import pytest

from tests.publishing.tables import ALPHA, BETA, small_tables, unlicensed
from tripletkit.errors import RightsError
from tripletkit.publishing.rights import (
    combine_licenses,
    objection,
    parse_license,
    refuse_without_rights,
)


@pytest.mark.parametrize(
    ("text", "hub"),
    [
        ("CC BY 4.0", "cc-by-4.0"),
        ("CC-BY-SA-3.0", "cc-by-sa-3.0"),
        ("CC BY 2.5 Canada", "cc-by-2.5"),  # ported licences go by their version
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International", "cc-by-nc-sa-4.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "cc-by-sa-4.0"),
        ("CC BY-SA 2.0", "other"),  # the Hub has no name for it
        ("CC0 1.0", "cc0-1.0"),
        ("GFDL-1.3-or-later", "gfdl"),
        ("GNU Free Documentation License", "gfdl"),
        ("MIT", "mit"),
        ("GPL v3", "gpl-3.0"),
    ],
)
def test_licenses_by_many_names(text: str, hub: str) -> None:
    license_ = parse_license(text)
    assert (license_.hub, license_.objection) == (hub, "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("CC BY-ND 4.0", "adaptations"),
        ("CC BY-NC-ND 3.0", "adaptations"),
        ("Attribution-NonCommercial-NoDerivs 3.0 (Creative Commons)", "adaptations"),
        ("All rights reserved", "reserves all rights"),
        ("Copyright 2020 MIT Press", "does not know"),
        ("by permission", "does not know"),
    ],
)
def test_licenses_that_forbid(text: str, why: str) -> None:
    assert why in parse_license(text).objection


@pytest.mark.parametrize(
    ("texts", "hub"),
    [
        (["CC BY 4.0"], "cc-by-4.0"),
        (["CC BY 3.0", "CC BY 4.0"], "cc-by-4.0"),
        (["CC BY 4.0", "CC BY-SA 4.0"], "cc-by-sa-4.0"),  # share-alike wins
        (["CC BY-SA 3.0", "CC BY-SA 4.0"], "cc-by-sa-4.0"),  # 3.0 allows later versions
        (["CC BY 4.0", "CC BY-NC 4.0"], "cc-by-nc-4.0"),
        (["MIT", "CC BY-NC-SA 4.0"], "cc-by-nc-sa-4.0"),
        (["CC0", "CC BY-SA 4.0"], "cc-by-sa-4.0"),
        (["CC BY-SA 4.0", "CC BY-NC 4.0"], "other"),  # one forbids adding what the other demands
        (["CC BY-SA 4.0", "GFDL"], "other"),  # two that each want themselves passed on
        (["CC BY-SA 1.0", "CC BY-SA 4.0"], "other"),  # 1.0 knows no later versions
        (["CC BY-SA", "CC BY 4.0"], "other"),  # which version?
        (["CC BY 4.0", "All rights reserved"], "other"),
    ],
)
def test_combined_license(texts: list[str], hub: str) -> None:
    assert combine_licenses(texts).hub == hub
    assert combine_licenses(reversed(texts)) == combine_licenses(texts)


def test_mixed_license_has_a_name_and_names_its_parts() -> None:
    mixed = combine_licenses(["GFDL", "CC BY-SA 4.0"])
    assert (mixed.name, mixed.link) == ("each-book-its-own", "")
    assert "CC BY-SA 4.0" in mixed.note
    assert "GFDL" in mixed.note


def test_refusal_names_the_books_and_the_ways_on() -> None:
    books = small_tables(ALPHA, unlicensed(BETA))["books"]
    with pytest.raises(
        RightsError, match=r"1 of 2 books\n +'The beta book' \(beta\.pdf\): it has no licence"
    ) as refusal:
        refuse_without_rights(books)
    for way in ("--license", "BOOK.pdf.license", "settings", "--redact", "--i-have-the-right"):
        assert way in refusal.value.hint
    assert "someone" not in str(refusal.value)  # nor where the books lie


def test_no_objection_to_free_books() -> None:
    books = small_tables()["books"]
    assert [objection(text) for text in books["license"]] == ["", ""]
    refuse_without_rights(books)
    assert [bool(objection(text)) for text in ("CC BY 4.0", "CC BY-ND 4.0", None, " ")] == [False, True, True, True]
