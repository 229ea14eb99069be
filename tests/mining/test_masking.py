"""Positives masked in their anchors."""

from __future__ import annotations

from tripletkit.mining.masking import hide


def test_masking_a_positive() -> None:
    forms = ["binary search tree", "BST"]
    assert hide("Binary search-trees (a BST) and trees.", forms, "[MASK]") == "[MASK] (a [MASK]) and trees."
    assert hide("Nothing here.", forms, "[MASK]") == "Nothing here."
