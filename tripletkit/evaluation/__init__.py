"""Retrieval of passages by terms and of terms by passages, on passages that training has not seen.

Accuracy on mined triplets is no measure: it is 1.0 by construction, as the same cosines chose the negatives.
"""
