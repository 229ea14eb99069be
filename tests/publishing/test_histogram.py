from __future__ import annotations

import xml.etree.ElementTree as ET

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publishing.tables import small_tables
from tripletkit.publishing.histogram import bin_counts, histogram_svg

COSINES = st.floats(-1, 1, width=32)


def test_bins_by_hand() -> None:
    # Edges are 0, .02, .04, .06, .08, .1; the last takes its upper edge.
    assert bin_counts([0.0, 0.019, 0.02, 0.05, 0.1], 0.0, 0.1) == [2, 1, 1, 0, 1]


@given(st.lists(st.tuples(COSINES, COSINES), min_size=1, max_size=20))
def test_every_triplet_is_drawn_inside_the_picture(cosines: list[tuple[float, float]]) -> None:
    frame = pl.DataFrame({"cos_ap": [a for a, _ in cosines], "cos_an": [b for _, b in cosines]})
    root = ET.fromstring(histogram_svg("train", frame))
    marks = [float(mark.get(name, "0")) for mark in root.iter() for name in ("x", "x1", "x2") if mark.get(name)]
    assert 0 <= min(marks) <= max(marks) <= float(root.get("width", "0"))


def test_a_picture_is_small_and_names_what_it_shows() -> None:
    svg = histogram_svg("<test>", small_tables()["triplets"])
    assert len(svg) < 6_000
    told = "".join(ET.fromstring(svg).itertext())
    for name in ("<test>: 45 triplets", "anchor, positive", "anchor, negative", "gap: positive − negative"):
        assert name in told


@pytest.mark.parametrize("value", [0.0, 1.0, -0.3])
def test_equal_cosines_do_not_end_in_an_error(value: float) -> None:
    assert histogram_svg("train", pl.DataFrame({"cos_ap": [value], "cos_an": [value]})).startswith("<svg")
