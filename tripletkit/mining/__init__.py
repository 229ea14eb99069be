"""Triplets: which positives, which legal negatives, and why."""
