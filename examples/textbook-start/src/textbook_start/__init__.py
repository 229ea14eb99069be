"""The folder of all-MiniLM-L6-v2 trained by tripletkit on openly licensed textbooks: `SentenceTransformer(str(FOLDER))`."""

from pathlib import Path

FOLDER = Path(__file__).parent / "encoder"
