from __future__ import annotations

import sys

import pytest

from tripletkit.memory import PeakMemory


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of the whole process")
def test_the_peak_is_that_since_the_beginning() -> None:
    first = PeakMemory()
    held = bytearray(b"x") * (64 << 20)
    with_it = first.megabytes()
    del held
    later = PeakMemory().megabytes()
    assert with_it - later >= 50
    assert later > 0
