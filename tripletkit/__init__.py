"""tripletkit turns textbook PDFs into a triplet dataset and a better sentence encoder.

Each public name is imported when it is first used, so ``import tripletkit`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tripletkit.errors import TripletkitError
    from tripletkit.evaluation.compare import evaluate_encoders
    from tripletkit.mining.own_texts import mine_triplets
    from tripletkit.project import Project
    from tripletkit.publishing.mteb_task import mteb_task
    from tripletkit.settings import Settings, load_settings
    from tripletkit.tagging.tag_texts import tag_terms
    from tripletkit.terms.harvest import harvest_terms

__version__ = "0.1.0"
__all__ = [
    "Project",
    "Settings",
    "TripletkitError",
    "__version__",
    "evaluate_encoders",
    "harvest_terms",
    "load_settings",
    "mine_triplets",
    "mteb_task",
    "tag_terms",
]

_MODULES = {
    "Project": "project",
    "Settings": "settings",
    "TripletkitError": "errors",
    "evaluate_encoders": "evaluation.compare",
    "harvest_terms": "terms.harvest",
    "load_settings": "settings",
    "mine_triplets": "mining.own_texts",
    "mteb_task": "publishing.mteb_task",
    "tag_terms": "tagging.tag_texts",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'tripletkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tripletkit.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
