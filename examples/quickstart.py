"""Mine triplets from a few texts of your own, with your own terms and any SentenceTransformer: no PDF, no settings, no output folder.

Run: python examples/quickstart.py [ENCODER]. ENCODER is a folder, a Hub id or "embedded" (the default, from the extra of that name).
"""

import sys

from tripletkit import mine_triplets

PASSAGES = [
    "A stack is a list that removes the element added last. A queue removes the element added first.",
    "Each node of a binary tree has at most two children. The topmost node is called the root, a node without children a leaf.",
    "A hash table stores each key in the bucket that its hash code selects. Two keys in one bucket are a collision.",
    "A binary search tree keeps smaller keys in the left subtree, so that a search follows one path from the root to a leaf.",
]
TERMS = [
    "stack",
    "queue",
    "binary tree",
    "binary search tree",
    "root",
    "leaf",
    "hash table",
    "hash code",
    "collision",
    "subtree",
]


def main(encoder: str) -> None:
    """Print each triplet: the passage's beginning, the term in it, the term that it is not about."""
    for row in mine_triplets(PASSAGES, TERMS, encoder, negatives=2).iter_rows(named=True):
        print(f"{row['anchor'][:40]}…  + {row['positive']:20} - {row['negative']}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "embedded")
