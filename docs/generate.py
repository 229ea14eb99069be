"""Write the pages of docs/ that code can tell: docs/reference/ from the code, docs/trips.md and its drawings from docs/trips.toml.

Run ``make reference`` after a change to a command, a setting, a table, a rules file, a public function or a trip. A test compares
the committed pages with what this module makes, so an old page fails ``make test``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
import typing
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

import polars as pl
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import tripletkit
from tripletkit.cli import app
from tripletkit.pipeline import STAGES
from tripletkit.publishing import configs
from tripletkit.publishing.retrieval_sets import retrieval_configurations, retrieval_sets
from tripletkit.rules import KINDS
from tripletkit.schemas import TABLES
from tripletkit.settings import Settings

DOCS = Path(__file__).parent
RULES, PACKAGE = DOCS.parent / "rules", DOCS.parent / "tripletkit"
NOTE = "<!-- Written by docs/generate.py (`make reference`); do not edit. -->"


def pages() -> dict[str, str]:
    """Every generated file by its path below docs/."""
    trips = tomllib.loads((DOCS / "trips.toml").read_text(encoding="utf-8"))["trip"]
    drawings = {f"assets/trip-{trip['name']}.svg": drawing(trip) for trip in trips}
    return {
        "reference/cli.md": cli_page(),
        "reference/settings.md": settings_page(),
        "reference/tables.md": tables_page(),
        "reference/dataset.md": dataset_page(),
        "reference/rules.md": rules_page(),
        "reference/python.md": python_page(),
        "trips.md": trips_page(trips),
        **drawings,
    }


def page(title: str, introduction: str, lines: Iterator[str]) -> str:
    """A Markdown page whose blank lines are single."""
    text = "\n".join([f"# {title}", "", NOTE, "", introduction, "", *lines])
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.rstrip() + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table, with an empty line after it."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
    yield ""


def cli_page() -> str:
    """Every command with its arguments and options; the options that all commands share are told once."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = {name: {p.name for p in command.params} for name, command in commands.items()}
    shared = set.intersection(*named.values())
    return page(
        "Commands",
        "`tripletkit COMMAND --help` prints the same. An option overrides the settings file, and `--set` sets what has no option "
        "of its own (see [Settings](settings.md)).",
        _command_lines(commands, shared),
    )


def _command_lines(commands: dict[str, Any], shared: set[str]) -> Iterator[str]:
    yield "## Options of every command"
    yield ""
    first = next(iter(commands.values()))
    yield from table(("option", "meaning"), [_parameter(p) for p in first.params if p.name in shared])
    for name, command in commands.items():
        yield f"## {name}"
        yield ""
        yield from (command.help or "").splitlines()
        yield ""
        own = [_parameter(p) for p in command.params if p.name not in shared and not getattr(p, "hidden", False)]
        yield from table(("argument or option", "meaning"), own) if own else ()


def _parameter(parameter: Any) -> tuple[str, str]:  # noqa: ANN401 - typer's own kind of parameter, untyped
    if parameter.param_type_name == "argument":
        name = f"`{parameter.metavar or parameter.name.rstrip('_').upper()}`" + (" …" if parameter.nargs == -1 else "")
    else:
        name = ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])
        if not parameter.is_flag:
            name += f" {parameter.metavar or 'VALUE'}"
    return name, getattr(parameter, "help", None) or ""


def settings_page() -> str:
    """Every setting: key, type, default, meaning."""
    return page(
        "Settings",
        "Settings live in `tripletkit.toml` in the folder you work in, or in the file that `--config` names. `tripletkit settings` "
        "prints them all, as a file you can keep and edit. An unknown key is an error that names the nearest known one. In Python they "
        "are keyword arguments of `Project`, a section as a dictionary.",
        _settings_lines(),
    )


def _settings_lines() -> Iterator[str]:
    sections = {name: info for name, info in Settings.model_fields.items() if _section(info) is not None}
    plain = {name: info for name, info in Settings.model_fields.items() if name not in sections}
    yield from ("## Top level", "")
    yield from table(_SETTING_HEAD, [_setting(name, info) for name, info in plain.items()])
    for name, info in sections.items():
        section = _section(info)
        assert section is not None
        yield from (f"## `[{name}]`", "", inspect.getdoc(section) or "", "")
        yield from table(_SETTING_HEAD, [_setting(key, field) for key, field in section.model_fields.items()])


_SETTING_HEAD = ("key", "type", "default", "meaning")


def _section(info: FieldInfo) -> type[BaseModel] | None:
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _setting(name: str, info: FieldInfo) -> tuple[str, str, str, str]:
    default = info.get_default(call_default_factory=True)
    shown = "none" if default in (None, (), {}) else f"`{_toml(default)}`"
    return f"`{name}`", type_in_words(info), shown, info.description or ""


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return str(value)


#: What a bound of pydantic's is called in a sentence.
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_TYPES = {int: "integer", float: "number", str: "text", bool: "true or false", Path: "path"}


def type_in_words(info: FieldInfo) -> str:
    """A field's type for a person, with its bounds: "integer ≥ 1"."""
    bounds = [f"{sign} {getattr(m, name)}" for m in info.metadata for name, sign in _BOUNDS.items() if hasattr(m, name)]
    return " ".join([_type(info.annotation), ", ".join(bounds)]).strip()


def _type(kind: Any) -> str:  # noqa: ANN401 - an annotation
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is typing.Annotated:
        return _type(inner[0])
    if origin is tuple:
        return "two: " + _type(inner[0]) if len(inner) == 2 and inner[1] is not ... else "list of " + _type(inner[0])
    if origin is dict:
        return f"{_type(inner[0])} → {_type(inner[1])}"
    if origin is not None and type(None) in inner:
        return _type(next(one for one in inner if one is not type(None)))
    return _TYPES.get(kind, getattr(kind, "__name__", str(kind)))


def tables_page() -> str:
    """Every table: meaning, key, columns."""
    return page(
        "Tables",
        'Parquet, one file a table, in the output folder: `polars.read_parquet("output/triplets.parquet")`. Every read and write is '
        "checked against these columns. The same input, settings and seed give the same bytes.",
        _table_lines(),
    )


def _table_lines() -> Iterator[str]:
    stages = [importlib.import_module(f"tripletkit.stages.{name}").STAGE for name in STAGES]
    for one in TABLES.values():
        written = [f"`{stage.name}`" for stage in stages if one.name in stage.writes]
        read = [f"`{stage.name}`" for stage in stages if one.name in stage.reads]
        yield from (
            f"## {one.name}",
            "",
            f"{one.meaning}.",
            "",
            "Key: " + ", ".join(f"`{key}`" for key in one.key) + ".",
            f"Written by {', '.join(written) or 'every stage'}; read by {', '.join(read) or 'you'}.",
            "",
        )
        rows = [
            (f"`{name}`", str(column.dtype), "may be empty" if column.null else "", column.meaning)
            for name, column in one.columns.items()
        ]
        yield from table(("column", "type", "", "meaning"), rows)


def dataset_page() -> str:
    """Every configuration of a published dataset: what a row is, and what each column holds."""
    empty = {name: pl.DataFrame(schema=one.schema) for name, one in TABLES.items()}
    return page(
        "Dataset",
        "The configurations of a dataset folder that `tripletkit publish` writes. Each is opened by its name: "
        '`load_dataset("output/dataset", "triplet")`.',
        _configuration_lines(
            [*configs.open_configurations(empty), *retrieval_configurations(retrieval_sets(empty, (), "[MASK]"))]
        ),
    )


def _configuration_lines(configurations: Sequence[Any]) -> Iterator[str]:
    for one in configurations:
        meaning = re.sub(r"its \d+ nearest", "its nearest", one.meaning)  # empty tables know of one
        yield from (f"## {one.name}", "", f"One row: {meaning}.", "")
        yield from table(("column", "meaning"), [(f"`{name}`", meaning) for name, meaning in one.columns.items()])


def rules_page() -> str:
    """Every rules file: how its entries are written, and what its own first comment says. Then the modules of language/."""
    return page(
        "Rules and language",
        "Everything English is here: in rules files, which a user can change, and in the modules of `tripletkit/language/`, which "
        "belong to the code around them.",
        _rules_lines(),
    )


def _rules_lines() -> Iterator[str]:
    yield from (
        "## Rules files",
        "",
        "Text files in `rules/`, one entry a line, `#` starts a comment line. `--rules DIR` names a folder of your own: `NAME.txt` in it "
        "replaces a file, `NAME.extra.txt` adds to it. See [how to add a rule](../extending.md#add-a-rule).",
        "",
    )
    rows = [(f"`{name}.txt`", kind, _first_comment(RULES / f"{name}.txt")) for name, kind in KINDS.items()]
    yield from table(("file", "entries", "meaning"), rows)
    yield from ("## Modules of language", "", "Each says what a second language must bring.", "")
    for path in sorted((PACKAGE / "language").glob("[a-z]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        yield from (f"### language/{path.name}", "", docstring, "")


def _first_comment(file: Path) -> str:
    comment = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# ").strip())
    return " ".join(comment)


def python_page() -> str:
    """Every public name with its signature and docstring."""
    return page(
        "Python",
        "Importing `tripletkit` loads none of this until it is used, and changes no global state. See "
        "[Using it from Python](../python.md) for examples.",
        _python_lines(),
    )


def _python_lines() -> Iterator[str]:
    for name in getattr(tripletkit, "__all__", ()):
        thing = getattr(tripletkit, name)
        if not callable(thing):
            yield from (f"## {name}", "", "The version of the package." if name == "__version__" else "", "")
            continue
        yield from (f"## {name}", "", *_signature(name, thing), *docstring(thing), "")
        if inspect.isclass(thing) and not issubclass(thing, BaseModel | Exception):
            for method, function in vars(thing).items():
                if not method.startswith("_") and (callable(function) or isinstance(function, property | classmethod)):
                    yield from _method(name, method, function)


def _signature(name: str, thing: Any) -> Iterator[str]:  # noqa: ANN401 - a function or class
    if inspect.isclass(thing) and issubclass(thing, BaseModel | Exception):
        return
    yield from ("```python", _shown(name, thing), "```", "")


def _shown(name: str, thing: Any) -> str:  # noqa: ANN401 - a function or class
    """The call of a function or class: on one line, or a parameter a line."""
    signature = inspect.signature(thing)
    parts: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        if parameter.name != "self":
            parts.append(str(parameter).replace("'", ""))
    result = signature.return_annotation
    returns = "" if inspect.isclass(thing) or result is signature.empty else f" -> {result}".replace("'", "")
    line = f"{name}({', '.join(parts)}){returns}"
    return line if len(line) <= 90 else f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def _method(owner: str, name: str, function: Any) -> Iterator[str]:  # noqa: ANN401 - a method or property
    yield from (f"### {owner}.{name}", "")
    plain = function.__func__ if isinstance(function, classmethod) else function
    if not isinstance(function, property):
        yield from ("```python", _shown(name, plain), "```", "")
    yield from (*docstring(plain), "")


_SECTIONS = ("Args:", "Returns:", "Raises:", "Yields:")


def docstring(thing: object) -> list[str]:
    """A docstring as Markdown: its sections (Args, Returns, Raises) become headed lists."""
    lines: list[str] = []
    section = ""
    for line in (inspect.getdoc(thing) or "").splitlines():
        item = re.fullmatch(r"    (\w+): (.*)", line)
        if line in _SECTIONS:
            section = line
            lines += ["", f"**{line.rstrip(':')}**", ""]
        elif section and line.startswith(" " * 5):
            lines[-1] += " " + line.strip()
        elif section in ("Args:", "Raises:") and item:
            lines.append(f"- `{item[1]}`: {item[2]}")
        else:
            lines.append(line.strip() if section else line)
    return lines


def trips_page(trips: Sequence[dict[str, Any]]) -> str:
    """The four trips, drawn and listed."""
    return page(
        "Four trips through the code",
        "How four things travel through the package, step by step: use them to find the place for a change. "
        "A test checks that each module and function named below exists.",
        _trip_lines(trips),
    )


def _trip_lines(trips: Sequence[dict[str, Any]]) -> Iterator[str]:
    for trip in trips:
        yield from (f"## {trip['title']}", "", trip["introduction"], "")
        yield from (f"![{trip['title']}: {len(trip['steps'])} steps, listed below](assets/trip-{trip['name']}.svg)", "")
        rows = [(str(number), f"`{step['at']}`", step["does"]) for number, step in enumerate(trip["steps"], 1)]
        yield from table(("", "module and function", "what it does"), rows)


#: Colours of a drawing by the package that a step lies in: a fill that is readable on white and on dark grey.
_COLOURS = {
    "stages": "#c2410c",
    "pdf": "#0f766e",
    "language": "#4d7c0f",
    "terms": "#7e22ce",
    "tagging": "#a21caf",
    "mining": "#b91c1c",
    "encoding": "#1d4ed8",
    "training": "#0369a1",
    "evaluation": "#15803d",
    "publishing": "#92400e",
}
_STYLE = (
    "<style>.p{fill:#fff}.t{fill:#1f2937}.m{fill:#fff;font-family:ui-monospace,Menlo,Consolas,monospace}.a{stroke:#6b7280}"
    "@media(prefers-color-scheme:dark){.p{fill:#1e2129}.t{fill:#e5e7eb}.a{stroke:#9ca3af}}</style>"
)
_ROW, _LEFT, _BOX, _WIDTH = 52, 16, 380, 900


def drawing(trip: dict[str, Any]) -> str:
    """A trip as an SVG: a box for each module, in order, with what it does beside it; readable on light and dark pages."""
    steps = trip["steps"]
    height = _ROW * len(steps) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" font-family="system-ui,sans-serif" '
        f'font-size="14"><title>{escape(trip["title"])}</title>{_STYLE}<rect class="p" width="{_WIDTH}" height="{height}" rx="8"/>'
    ]
    for number, step in enumerate(steps):
        parts += _box(16 + _ROW * number, step, last=number == len(steps) - 1)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(top: int, step: dict[str, str], *, last: bool) -> Iterator[str]:
    folder = step["at"].split("/")[0]
    colour = _COLOURS.get(folder, "#475569")
    yield f'<rect x="{_LEFT}" y="{top}" width="{_BOX}" height="34" rx="6" fill="{colour}"/>'
    yield f'<text class="m" x="{_LEFT + 12}" y="{top + 22}" font-size="13">{escape(step["at"])}</text>'
    lines = wrap(step["does"], 62)[:2]
    for number, line in enumerate(lines):
        y = top + 22 + (0 if len(lines) == 1 else 18 * number - 9)
        yield f'<text class="t" x="{_LEFT + _BOX + 18}" y="{y}">{escape(line)}</text>'
    if not last:
        x = _LEFT + 24
        yield f'<path class="a" d="M{x} {top + 35}v12m-4 -5l4 5l4 -5" fill="none" stroke-width="1.5"/>'


def main() -> None:
    """Write every page that differs."""
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
