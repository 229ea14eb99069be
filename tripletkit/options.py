"""Command-line options made from Settings: an option's type is its setting's type, its help the setting's description."""

from __future__ import annotations

import inspect
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from tripletkit.errors import ConfigError
from tripletkit.progress import is_first_process
from tripletkit.settings import SECTIONS, Settings

if TYPE_CHECKING:
    from tripletkit.project import Project

#: Options that are not simply called as their setting is.
FLAGS: dict[str, tuple[str, ...]] = {
    "output": ("--output", "-o"),
    "mine.hard_negatives": ("--hard-negatives/--random-negatives",),
    "train.learning_rate": ("--lr",),
    "train.lora_rank": ("--lora",),
}
#: Settings that every command takes as options.
SHARED = ("output", "encoder", "rules", "seed")


@dataclass(kw_only=True)
class Call:
    """One call of a command: the options that every command takes, and the settings given as options of their own."""

    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Settings file [default: tripletkit.toml, if there].", show_default=False),
    ] = None
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting, such as --set mine.negatives=3; may be repeated.",
            show_default=False,
        ),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Run even if nothing has changed.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per line; errors too.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print more about what is done.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False
    given: dict[str, Any] = field(default_factory=dict)  # by the setting's dotted name

    def project(self, **more: object) -> Project:
        """The project with settings from the file, from --set and from options; later ones override earlier ones."""
        from tripletkit.project import Project

        options = {name: value for name, value in (self.given | more).items() if value is not None and value != []}
        assigned = dict(_assignment(text) for text in self.set_ or ())
        default = Path("tripletkit.toml")
        config = self.config or (default if default.is_file() else None)
        return Project(config=config, progress=not (self.quiet or self.as_json), **(assigned | options))

    def run(self, *stages: str, project: Project | None = None) -> Project:
        """Run stages and print each report when it is done."""
        project = project or self.project()
        for report in project.stages(*stages, force=self.force):
            self.show([report.as_dict()], report.lines(), report.notes)
        return project

    def show(self, rows: Iterable[Mapping[str, Any]], lines: Iterable[str], notes: Iterable[str] = ()) -> None:
        """Print the rows as JSON with --json, else the lines and notes unless --quiet; only the first of several processes.

        A note goes to standard error unless it is indented, as the rows of a table are.
        """
        if self.as_json:
            lines, notes = (json.dumps(row, ensure_ascii=False, default=str) for row in rows), ()
        if not is_first_process() or (self.quiet and not self.as_json):
            return
        for line in lines:
            echo(line)
        for note in notes:
            echo(note, err=not note.startswith(" "))


def echo(text: str, *, err: bool = False) -> None:
    """Print a line at once. Not typer.echo, which writes UTF-8 to a stream that is set to ASCII."""
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def command(app: typer.Typer, *settings: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command of ``app``, with an option for each of ``settings`` and the shared ones.

    The function's first parameter is the Call; the options of its other parameters come first.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        taken = {parameter.name for parameter in own}
        generated = {_variable(name): name for name in (*settings, *SHARED) if _variable(name) not in taken}
        common = [p for p in inspect.signature(Call, eval_str=True).parameters.values() if p.name != "given"]

        def wrapper(**options: Any) -> None:  # noqa: ANN401
            given = {dotted: options.pop(variable) for variable, dotted in generated.items()}
            function(Call(given=given, **{p.name: options.pop(p.name) for p in common}), **options)

        made = [_parameter(variable, dotted) for variable, dotted in generated.items()]
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *made, *common)]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(function.__name__.rstrip("_"), help=function.__doc__)(wrapper)
        return function

    return register


def _parameter(variable: str, dotted: str) -> inspect.Parameter:
    info = _field(dotted)
    kind, metavar = _type(info.annotation)
    name = variable.replace("_", "-")
    flags = FLAGS.get(dotted) or (f"--{name}/--no-{name}" if kind is bool else f"--{name}",)
    common: dict[str, Any] = {"help": _help(info), "show_default": False}
    option = typer.Argument(**common) if dotted == "books" else typer.Option(*flags, metavar=metavar, **common)
    return inspect.Parameter(
        variable, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _variable(dotted: str) -> str:
    return dotted.rpartition(".")[2]


def _field(dotted: str) -> FieldInfo:
    section, _, name = dotted.rpartition(".")
    return (SECTIONS[section] if section else Settings).model_fields[name]


def _help(info: FieldInfo) -> str:
    text = info.description or ""
    default = "" if info.default in (None, (), False, "") else f" [default: {info.default}]"
    begins_with_value = text.split(" ", 1)[0].endswith(":")
    return (text if begins_with_value else text[:1].upper() + text[1:]) + default


def _type(annotation: Any) -> tuple[Any, str | None]:  # noqa: ANN401 - a type
    """What Typer takes for a setting's type, and how its values are shown in the help."""
    plain = next((one for one in get_args(annotation) if one is not NoneType), annotation)
    if get_origin(annotation) is Literal:
        return str, "[" + "|".join(map(str, get_args(annotation))) + "]"
    if get_origin(annotation) is tuple:
        return list[plain], None  # type: ignore[valid-type]
    return plain, None


def _assignment(text: str) -> tuple[str, Any]:
    """The text "mine.negatives=3" as a name and a TOML value. A value that is not TOML is taken as a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r}: expected KEY=VALUE", "For example --set mine.negatives=3.")
    try:
        return key.strip(), tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return key.strip(), {"true": True, "false": False}.get(value.strip().lower(), value)
