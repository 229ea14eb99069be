"""Triplets to a fine-tuned encoder: losses, batches, the trainer, and what to check before training."""
