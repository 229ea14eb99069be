"""Pictures: the same bytes for the same data, the page's colours, text of a book as text, and words for who cannot see them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests.evaluation.reports import make_report
from tripletkit.figures import drawing, plots
from tripletkit.figures.drawing import Picture
from tripletkit.figures.forest import forest
from tripletkit.figures.plots import PageCounts, Step

EVIL = """<script>alert("$x_1$")</script> & 'co'"""
CURVE = [{"step": 0, "eval_ndcg": 0.4}, {"step": 10, "loss": 2.0, "violation_rate": 0.5}, {"step": 20, "loss": 1.0}]
PICTURES = [
    plots.flow([[Step("terms found", 12), Step("terms kept", 9, ((EVIL, 2), ("no letters", 1)))], [Step("pages", 0)]]),
    plots.cosines({"nearest": (np.array([0.5, 0.6]), np.array([0.1, 0.4])), EVIL: (np.array([0.5]), np.array([0.5]))}),
    plots.scatter([(EVIL, 0.2, 0.9), ("b", 0.5, 0.1), ("c", 0.3, 0.3)], ("base", "fine-tuned"), "nDCG@10"),
    plots.training(CURVE),
    plots.coverage(EVIL, PageCounts([1, 0, 3], [0, 2, 0], ["none", "train", "test"])),
    plots.frequency([0, 0, 1, 3, 500]),
    plots.splits({"passages": {"train": 5, "test": 1}}),
    plots.costs({"extract": (3.5, 210), "train": (230.0, 0)}),
    forest(make_report()),
    forest(make_report(["/a/very/long/path/of/one", "/a/very/long/path/of/another"])),
]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_one_inert_element_in_the_colours_of_its_page(picture: Picture) -> None:
    svg = picture.svg()
    root = ET.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
    assert root.get("role") == "img"
    assert root.get("aria-label") == picture.alt
    assert not {child.tag for child in root.iter()} & {"script", "a", "style", "metadata"}
    assert root.get("width") is None
    assert "var(--ink)" in svg
    assert not [colour for colour in drawing._VARIABLES if colour in svg]
    assert svg == picture.svg()
    assert picture.png().startswith(b"\x89PNG")
    assert picture.png() == picture.png()


def test_a_point_names_its_term_as_text_of_the_book() -> None:
    root = ET.fromstring(PICTURES[2].svg().replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
    titles = {element.text for element in root.iter("title")}
    assert titles == {f"{EVIL}: 0.200 → 0.900", "b: 0.500 → 0.100", "c: 0.300 → 0.300"}


def test_what_a_picture_shows_is_said_in_words() -> None:
    by_name = {picture.name: picture.alt for picture in PICTURES}
    assert "12 terms found, then 9 terms kept (without 2: <script>" in by_name["flow"]
    assert "1 are found better by fine-tuned, 1 worse, 1 equally well" in by_name["terms"]
    assert "loss from 2.000 to 1.000" in by_name["training"]
    assert (
        "of 6 citations by the index, 4 are of a page where a passage mentions the term" in by_name[f"coverage-{EVIL}"]
    )
    assert "0 mentions: 2, 1 mentions: 1, 2–3 mentions: 1" in by_name["frequency"]
    assert "128+ mentions: 1" in by_name["frequency"]
    assert "extract 3.5 s and 210 MB, train 230.0 s" in by_name["costs"]
    assert "term→passage: exact match 0.000 [-0.100 +0.100], BM25 +0.200" in forest(make_report()).alt


def test_a_thousand_reasons_are_a_few_lines() -> None:
    reasons = plots.most_frequent({f"reason {i}": i for i in range(1000)})
    assert reasons[0] == ("reason 999", 999)
    assert reasons[-1] == ("994 other reasons", sum(range(995)))


def test_a_long_book_has_no_more_bars_than_a_page_can_show() -> None:
    svg = plots.coverage("long", PageCounts([1] * 2000, [0] * 2000, ["train"] * 2000)).svg()
    assert len(re.findall(r"<path", svg)) < 3 * plots.MOST_BARS
