"""A picture: a drawing that matplotlib makes into SVG for a page of HTML, or into PNG for a card.

Text is text and not mathematics: terms of a book may contain dollar signs.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tripletkit.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Colours that colour-blind people tell apart (Okabe & Ito 2008), without the ones that are too pale on white.
BLUE, RED, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#c0649a"
INK, MUTED, RULE = "#1c1d1f", "#5d6166", "#cfd2d6"
SERIES = (BLUE, RED, GREEN, PINK, INK, MUTED)
#: In SVG each colour is a variable of the page's style sheet, which has other values for a dark screen.
_VARIABLES = {BLUE: "blue", RED: "red", GREEN: "green", PINK: "pink", INK: "ink", MUTED: "muted", RULE: "rule"}
#: Width of a picture in inches: as wide as a phone, so that its text can be read there.
WIDTH = 5.2
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "figure.dpi": 72,
    "svg.fonttype": "none",
    "svg.hashsalt": "tripletkit",  # names within an SVG follow from their content, and are no draw
}


@dataclass(frozen=True)
class Picture:
    """What to draw, ``height`` in inches, and what it shows in words, for those who do not see it."""

    name: str
    alt: str
    draw: Callable[[Figure], None]
    height: float = 2.4

    def svg(self) -> str:
        """An element for a page of HTML, in the page's colours. What `hover` was given is shown under the pointer."""
        return _for_a_page(self._saved("svg", transparent=True).decode(), self.alt)

    def png(self) -> bytes:
        """The picture on white, for a card."""
        return self._saved("png", dpi=200)

    def _saved(self, kind: str, **how: Any) -> bytes:  # noqa: ANN401 - matplotlib's
        with _styled():
            from matplotlib.figure import Figure

            figure, file = Figure(figsize=(WIDTH, self.height)), BytesIO()
            self.draw(figure)
            # Without dates and versions, so that the same data give the same file.
            figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None}, **how)
        return file.getvalue()


@contextmanager
def _styled() -> Iterator[None]:
    check_matplotlib()
    import matplotlib as mpl

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's browser has other fonts
        yield


def has_matplotlib() -> bool:
    """Whether pictures can be drawn; it comes with the extra ``report``."""
    return importlib.util.find_spec("matplotlib") is not None


def check_matplotlib() -> None:
    """Raise ConfigError, which says how to install it, if matplotlib is not there."""
    if not has_matplotlib():
        raise ConfigError("pictures need matplotlib, which is not installed", "pip install 'tripletkit[report]'")


def hover(text: str) -> str:
    """``text`` as the url of something drawn, by which it is shown under the pointer. matplotlib knows no other place."""
    return f"{_HOVER}{' '.join(text.split())}"


_HOVER = "hover:"
_LINK = re.compile(
    rf"""<a xlink:href=(["']){_HOVER}(.*?)\1[^>]*>"""
)  # in apostrophes where the text has quotation marks
_FILE_ONLY = re.compile(r'<metadata>.*?</metadata>|<style[^>]*>.*?</style>|(?<=<g) id="[^"]*"', re.DOTALL)


def _for_a_page(svg: str, alt: str) -> str:
    """Without the file's head, its own style and the names that every picture would share; sizes are left to the page."""
    head, body = svg[svg.index("<svg") :].split(">", 1)
    body = _FILE_ONLY.sub("", body)
    body = _LINK.sub(r"<g><title>\2</title>", body).replace("</a>", "</g>")
    for colour, name in _VARIABLES.items():
        body = body.replace(colour, f"var(--{name})")
    box = re.search(r'viewBox="[^"]*"', head)
    return f'<svg {box[0] if box else ""} role="img" aria-label="{escape(alt)}">{body}'
