"""A small book from its lines to its rows; and the public function: terms of a PDF and of anybody's own texts."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.terms.layout import harvested, page
from tripletkit import schemas
from tripletkit.errors import ConfigError, SourceError
from tripletkit.schemas import make_table
from tripletkit.tagging.tag_texts import tag_terms
from tripletkit.terms.harvest import Harvest, harvest_terms, merge_user_terms
from tripletkit.user_rows import UserTerm

TEXT = (
    "The binomial distribution has two parameters. A distribution sums to one.\n"
    "Principal component analysis (PCA) is linear. An interface is abstract."
)
INDEX = (
    "abstract data type, see interface\nAbel, Niels Henrik, 3\ndistribution, 2\n"
    "    binomial, 2–4\n    definition of, 1\nexample, 5\n"
    "interface, 3, see also distribution\nPCA, 4\nx, 2"
)
GLOSSARY = "# Glossary\n*distribution* how values are\n    spread\n*interface* what a type offers\n*parameter* a number"


@pytest.fixture(scope="module")
def small() -> Harvest:
    pages = {1: page(1, TEXT), 6: page(6, GLOSSARY), 7: page(7, INDEX)}
    return harvested(pages, {6: "glossary", 7: "index"}, last=7)


def row(found: Harvest, term: str) -> dict[str, object]:
    return next(row for row in found.terms if row["term"] == term)


def test_rows_fit_the_tables_and_equal_each_other_on_a_second_run(small: Harvest) -> None:
    terms = make_table(schemas.TERMS, small.terms)
    assert terms.height == len(small.terms) == 8
    make_table(schemas.DROPPED, small.dropped)
    again = harvested({1: page(1, TEXT), 6: page(6, GLOSSARY), 7: page(7, INDEX)}, {6: "glossary", 7: "index"}, last=7)
    assert again == small


def test_every_source_is_joined(small: Harvest) -> None:
    distribution, interface, pca = (
        row(small, term) for term in ("distribution", "interface", "Principal component analysis")
    )
    assert (distribution["sources"], distribution["definition"]) == (["glossary", "index"], "how values are spread")
    assert [locator["label"] for locator in distribution["locators"]] == ["2", "1"]  # type: ignore[attr-defined]
    assert "abstract data type" in interface["forms"]  # type: ignore[operator]
    assert interface["see_also"] == [distribution["term_id"]]
    assert (pca["forms"], pca["sources"]) == (["Principal component analysis", "PCA"], ["acronym", "index"])


def test_a_subentry_is_said_with_its_head_and_points_to_it(small: Harvest) -> None:
    binomial = row(small, "binomial distribution")
    assert binomial["parent_id"] == row(small, "distribution")["term_id"]
    assert binomial["locators"] == [
        {"label": label, "page": int(label), "range_end": "4", "main": False} for label in ("2", "3", "4")
    ]


def test_filtered_terms_stay_with_their_reason(small: Harvest) -> None:
    reasons = {str(row["term"]): row["reason"] for row in small.terms if not row["kept"]}
    assert reasons == {"Abel, Niels Henrik": "person name", "example": "too general", "x": "single character"}


def test_what_is_missing_is_said() -> None:
    nothing = harvested({1: page(1, TEXT)}, {}, last=1)
    assert [line.split(":")[0] for line in nothing.sought if "none found" in line] == ["index", "glossary"]


def test_a_users_terms_join_rows_or_stand_alone(small: Harvest) -> None:
    both = merge_user_terms(
        small,
        [
            UserTerm("distributions", ("law",), "mine", "a:1"),
            UserTerm("entropy", (), None, "a:2"),
            UserTerm("example", (), None, "a:3"),
        ],
        ["b"],
    )
    distribution, entropy = row(both, "distribution"), row(both, "entropy")
    assert (distribution["definition"], distribution["sources"]) == ("mine", ["glossary", "index", "user"])
    assert "law" in distribution["forms"]  # type: ignore[operator]
    assert (entropy["book_id"], entropy["sources"], entropy["kept"]) == (None, ["user"], True)
    assert row(both, "example")["kept"]  # the user wants it


def test_what_a_user_gives_is_lost_or_joined_by_no_row_that_does_not_name_the_line(small: Harvest) -> None:
    given = [
        UserTerm("distributions", (), "mine", "a:1"),
        UserTerm("Naive Bayes (NB)", (), "a classifier", "a:2"),
        UserTerm("tropical meadows", (), "one", "a:3"),
        UserTerm("tropical meadow", ("grassland",), "two", "a:4"),
        UserTerm("momentum (optimization)", (), None, "a:5"),
    ]
    both = merge_user_terms(small, given, ["b"])
    own = {str(row["term"]): row for row in both.terms if row["book_id"] is None}
    assert own.keys() == {"Naive Bayes (NB)", "tropical meadows", "momentum (optimization)"}  # none is shortened
    assert set(own["tropical meadows"]["forms"]) == {"tropical meadows", "tropical meadow", "grassland"}  # type: ignore[call-overload]
    assert own["tropical meadows"]["definition"] == "one"
    told = [(row["item"], row["related"], row["reason"], row["detail"]) for row in both.dropped[len(small.dropped) :]]
    before = row(small, "distribution")["definition"]
    assert told == [
        ("distributions", "distribution", "given term joined to another", "a:1"),
        ("distribution", "a:1", "another definition was kept", before),
        ("tropical meadow", "tropical meadows", "given term joined to another", "a:4"),
        ("tropical meadows", "a:4", "another definition was kept", "two"),
    ]


CODE_INDEX = "# Index\n\nalgorithm, 3\nbinary tree, 5\n`hash(x), 7`\n`TreeMap, 9`\nqueue, 17\nzero, 19"


def test_index_entries_in_code_type_have_their_own_source() -> None:
    found = {str(row["term"]): row for row in harvested({400: page(400, CODE_INDEX)}, {400: "index"}).terms}
    assert found["TreeMap"]["sources"] == ["index_code"]
    assert found["TreeMap"]["reason"] == "name from program code"
    assert found["queue"]["sources"] == ["index"]


TEXTS = [
    "We use support vector machines (SVM) here. The SVM is old. An SVM has a margin.",
    "A hash table is a table of buckets. Looking on in the next bucket is called linear probing.",
    "A hash table with linear probing is fast. A hash table is full at last; the hash table grows.",
]


def terms(frame: pl.DataFrame) -> dict[str, list[str]]:
    return {row["term"]: row["sources"] for row in frame.to_dicts() if row["kept"]}


def test_texts_give_what_they_define_and_the_acronyms_they_introduce() -> None:
    found = harvest_terms(TEXTS)
    assert found.schema == schemas.TERMS.schema
    assert terms(found) == {
        "support vector machines": ["acronym"],
        "hash table": ["definition"],
        "linear probing": ["definition"],
    }
    assert found["book_id"].null_count() == found.height


def test_statistics_and_section_titles_are_asked_for() -> None:
    assert terms(harvest_terms(TEXTS * 2, automatic=1))["linear probing"] == ["automatic", "definition"]
    rows = [{"text": text, "section": "2 Tables › 2.1 Full Hash Tables and Hash Tables"} for text in TEXTS]
    assert terms(harvest_terms(rows, headings=True))["hash table"] == ["definition", "heading"]
    assert harvest_terms(pl.DataFrame(rows), headings=True).equals(harvest_terms(rows, headings=True))


def test_what_is_found_can_be_tagged() -> None:
    found = harvest_terms(TEXTS)
    name = dict(found.select("term_id", "term").iter_rows())
    assert {(row["passage_id"], name[row["term_id"]]) for row in tag_terms(TEXTS, found).to_dicts()} == {
        ("0", "support vector machines"), ("1", "hash table"), ("1", "linear probing"), ("2", "hash table"), ("2", "linear probing"),
    }  # fmt: skip


def test_texts_without_a_term_give_an_empty_frame() -> None:
    assert harvest_terms(["Nothing here."]).is_empty()
    assert harvest_terms([]).schema == schemas.TERMS.schema


def test_a_pdf_gives_its_index(book: Path) -> None:
    found = harvest_terms(book)
    assert "index" in {source for sources in found["sources"] for source in sources}
    assert found.equals(harvest_terms(str(book)))
    assert found["locators"].list.len().max() > 0  # type: ignore[operator]


def test_a_users_rules_are_in_force_inside_the_call_only(tmp_path: Path) -> None:
    (tmp_path / "stop_terms.extra.txt").write_text("hash table\n")
    assert "hash table" not in terms(harvest_terms(TEXTS, rules=tmp_path))
    assert "hash table" in terms(harvest_terms(TEXTS))
    texts = ["Two kine (KI) graze. KI and KI.", "A red cow is a cow. The red kine (RK) and a red cow. RK and RK."]
    assert terms(harvest_terms(texts)) == {"red cow": ["definition"], "red kine": ["acronym"]}
    (tmp_path / "plurals.extra.txt").write_text("kine: cow\n")
    assert terms(harvest_terms(texts, rules=tmp_path)) == {"red cow": ["acronym", "definition"]}


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ("no/such.pdf", {}, ConfigError, r"no/such\.pdf: no such file"),
        (["a"], {"automatic": -1}, ConfigError, r"automatic = -1: must be 0 or more"),
        (["a"], {"bold": True}, ConfigError, r"texts hold no bold type"),
        ([{"txt": "a"}], {}, SourceError, r"texts: row 0: no text \(it has 'txt'"),
        (
            [{"text": "a", "id": 1}, {"text": "b", "id": 1}],
            {},
            SourceError,
            r"texts: row 1: passage_id '1' occurs twice",
        ),
    ],
)
def test_what_cannot_be_read_is_named(
    source: object, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        harvest_terms(source, **options)  # type: ignore[arg-type]


def test_a_file_that_is_no_pdf_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("no PDF")
    with pytest.raises(SourceError, match=r"a\.pdf"):
        harvest_terms(tmp_path / "a.pdf")


def test_terms_turned_round_are_shown_as_the_text_says_them() -> None:
    body = (
        "The normal distribution and binary heaps of Donald Knuth.\nA hidden Markov chain by Arthur Young;"
        " a young\nmethod of Black. The transpose of a matrix. A key,\nvalue pair. A junk and a bond."
    )
    index = (
        "Black, Fischer, 3\nBonds, Junk, 3\nDistribution, Normal, 3\nHeaps, Binary, 3\nkey, value, 3\nKnuth, Donald, 3\n"
        "Markov Chains, Hidden, 3\nmatrix, transpose of a, 3\nYoung, Arthur, 3"
    )
    found = harvested({3: page(3, body), 400: page(400, index)}, {400: "index"}).terms
    rows = {str(row["term"]): row for row in found}
    kept = {term for term, row in rows.items() if row["kept"]}
    assert kept == {
        "binary heaps",
        "hidden Markov chains",
        "junk bonds",  # never said, but its words are
        "key, value",
        "normal distribution",
        "transpose of a matrix",
    }
    assert rows["normal distribution"]["forms"] == [
        "normal distribution",
        "Distribution, Normal",
        "Normal Distribution",
    ]
    assert {row["reason"] for term, row in rows.items() if term not in kept} == {"person name"}


def test_two_printed_entries_that_are_one_keep_both_names() -> None:
    index = "Bond, 3\nbonds, 4, 5\ncode, 6"
    found = harvested({3: page(3, "A bond."), 400: page(400, index)}, {400: "index"}).terms
    bond = next(row for row in found if "bonds" in row["forms"])  # type: ignore[operator]
    assert {"bond", "bonds"} <= {str(form).lower() for form in bond["forms"]}  # type: ignore[attr-defined]
    assert [locator["label"] for locator in bond["locators"]] == ["3", "4", "5"]  # type: ignore[attr-defined]


def test_a_reference_is_a_name_of_its_target_as_it_is_spelled() -> None:
    index = "Σ-type, /see/ type, dependent pair\ncode, 6\ntype, 7\n    dependent pair, 8"
    found = harvested({3: page(3, "A dependent pair type."), 400: page(400, index)}, {400: "index"}).terms
    pair = next(row for row in found if "Σ-type" in row["forms"])  # type: ignore[operator]
    assert (pair["term"], "type, dependent pair" in pair["forms"]) == ("dependent pair type", True)  # type: ignore[operator]
