"""tripletkit: textbook PDFs → a triplet dataset and a better sentence encoder."""

__version__ = "0.1.0"
