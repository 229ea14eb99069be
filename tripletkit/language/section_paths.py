"""A passage's section: the titles of the headings above it, outermost first, joined by one mark."""

from __future__ import annotations

#: Stands between two titles: "1 Intro › 1.2 Types".
SECTION_MARK = " › "


def section_titles(section: object) -> list[str]:
    """The titles of a path, outermost first; one empty title for no section."""
    return str(section or "").split(SECTION_MARK)


def chapter_of(section: object) -> str:
    """The outermost title; "" for no section."""
    return section_titles(section)[0]
