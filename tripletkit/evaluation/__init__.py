"""Retrieval of passages by terms and terms by passages, on held-out text: the only judge of an encoder here.

Accuracy on self-mined triplets is 1.0 by construction and says nothing.
"""

from tripletkit.evaluation.gold import Gold, Term, build_gold
from tripletkit.evaluation.metrics import Metrics, mean_metrics
from tripletkit.evaluation.tasks import score, score_vectors

__all__ = ["Gold", "Metrics", "Term", "build_gold", "mean_metrics", "score", "score_vectors"]
