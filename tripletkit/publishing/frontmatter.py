"""The YAML at a card's head, written by hand: a few lines, no dependency, and the same bytes every time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Yaml: TypeAlias = "str | int | float | bool | Sequence[Yaml] | Mapping[str, Yaml]"

#: Words that YAML readers of any version leave a string without quotes; all else is quoted.
PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9_./*-]*", re.IGNORECASE)


def front_matter(values: Mapping[str, Yaml]) -> str:
    """``values`` between two lines of dashes."""
    return "\n".join(["---", *_mapping(values, ""), "---", ""])


def _mapping(values: Mapping[str, Yaml], indent: str) -> list[str]:
    lines = []
    for key, value in values.items():
        if _is_leaf(value):
            lines.append(f"{indent}{_scalar(key)}: {_scalar(value)}")
        else:
            lines += [f"{indent}{_scalar(key)}:", *_block(value, indent)]
    return lines


def _block(value: Yaml, indent: str) -> list[str]:
    if isinstance(value, Mapping):
        return _mapping(value, f"{indent}  ")
    lines = []
    for item in value if isinstance(value, Sequence) else ():
        inner = [f"{indent}  {_scalar(item)}"] if _is_leaf(item) else _block(item, indent)
        lines += [f"{indent}- {inner[0].removeprefix(f'{indent}  ')}", *inner[1:]]
    return lines


def _is_leaf(value: Yaml) -> bool:
    return isinstance(value, str | int | float) or not value


def _scalar(value: Yaml) -> str:
    if isinstance(value, str) and PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
