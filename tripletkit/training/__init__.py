"""Triplets → a tuned encoder: losses, the trainer, the watch over held-out passages, and what to look at before."""

from tripletkit.training.trainer import HeldOut, Trained, train

__all__ = ["HeldOut", "Trained", "train"]
