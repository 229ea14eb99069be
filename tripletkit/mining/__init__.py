"""Triplets: which positives, which allowed negatives, and why."""
