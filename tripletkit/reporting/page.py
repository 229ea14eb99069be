"""What a page of HTML is made of, and its rendering by Jinja2, which escapes everything that is not a picture of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from tripletkit.figures.drawing import Picture


@dataclass(frozen=True)
class Grid:
    """A table. Long ones are folded; numbers stand to the right."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    folded: bool = False


@dataclass(frozen=True)
class Part:
    """One section of one output folder: sentences, pictures and tables; or a ``note`` that says why there are none."""

    lines: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Grid] = ()
    note: str = ""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tripletkit.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"drawn": _drawn, "cell": cell}
    environment.tests["figure"] = lambda value: isinstance(value, int | float)
    return environment


def _drawn(picture: Picture) -> Markup:
    return Markup(picture.svg())


def render(template: str, **values: object) -> str:
    """The page that a template of this package makes."""
    return _environment().get_template(template).render(**values)


def cell(value: object) -> str:
    """A table's cell: thousands separators, three digits after the point, a dash for nothing."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}" if isinstance(value, float) else str(value)
