"""Encoders: where they lie, what identifies them, their tokens and their vectors."""
