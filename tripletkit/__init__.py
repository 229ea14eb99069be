"""tripletkit turns textbook PDFs into a triplet dataset and a better sentence encoder.

Each public name is imported when it is first used, so ``import tripletkit`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tripletkit.errors import TripletkitError
    from tripletkit.project import Project
    from tripletkit.settings import Settings, load_settings

__version__ = "0.1.0"
__all__ = ["Project", "Settings", "TripletkitError", "__version__", "load_settings"]

_HOMES = {
    "Project": "project",
    "Settings": "settings",
    "load_settings": "settings",
    "TripletkitError": "errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'tripletkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tripletkit.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
