"""Lines and words for tests, with the places that matter and usual values for the rest."""

from __future__ import annotations

from collections.abc import Sequence

from tripletkit.pdf.lines import Line
from tripletkit.pdf.words import Word

LEFT, RIGHT, SIZE, LEADING = 50.0, 350.0, 10.0, 12.0


def line(
    text: str,
    *,
    page: int = 1,
    y: float = 100.0,
    x0: float = LEFT,
    x1: float = RIGHT,
    size: float = SIZE,
    style: str = "r",
    column: int = 0,
    notes: tuple[int, ...] = (),
    gaps: int = 0,
) -> Line:
    return Line(
        page,
        column,
        text,
        style * len(text.split()),
        x0,
        x1,
        y - 0.7 * size,
        y + 0.2 * size,
        y,
        size,
        LEFT,
        RIGHT,
        notes,
        gaps,
    )


def block(
    texts: Sequence[str], *, page: int = 1, y: float = 100.0, size: float = SIZE, short_last: bool = True
) -> list[Line]:
    """Lines of one paragraph, the first not indented, the last short."""
    return [
        line(
            text,
            page=page,
            y=y + i * LEADING,
            size=size,
            x1=RIGHT - 150 if short_last and i == len(texts) - 1 else RIGHT,
        )
        for i, text in enumerate(texts)
    ]


def word(
    text: str,
    x0: float,
    *,
    y: float = 100.0,
    size: float = SIZE,
    space: bool = True,
    width: float | None = None,
    note: bool = False,
) -> Word:
    return Word(
        text,
        x0,
        x0 + (width if width is not None else 0.5 * size * len(text)),
        y - 0.7 * size,
        y + 0.2 * size,
        y,
        size,
        "r",
        space,
        note,
    )


def count_words(texts: Sequence[str]) -> list[int]:
    """A tokenizer that anyone can follow: a token a word, and two special ones."""
    return [len(text.split()) + 2 for text in texts]


def count_characters(texts: Sequence[str]) -> list[int]:
    """A tokenizer that cuts everything: a token a character, and two special ones."""
    return [len(text) + 2 for text in texts]
