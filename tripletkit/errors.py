"""Errors that a user can put right. Only ``cli.main`` turns them into a message and an exit code.

TripletkitError
├── ConfigError   a setting or a flag
├── RulesError    a file of rules
├── SourceError   a book or a file of the user's
├── TableError    a missing, foreign or damaged table
├── EncoderError  an encoder that cannot be loaded, or that training did not improve
├── RightsError   text or weights that may not be published
└── HubError      the Hub, or a dataset folder
"""

from __future__ import annotations

#: What to do about a fault of tripletkit's own.
REPORT = (
    "Please report it in the issue tracker of tripletkit's repository, with what --debug prints and, if you may share it, "
    "the file."
)


class TripletkitError(Exception):
    """What went wrong (with the value and the place), and what to do next."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(f"{problem}\n  {hint}" if hint else problem)
        self.problem, self.hint = problem, hint

    def __reduce__(self) -> tuple[type[TripletkitError], tuple[str, str]]:
        """Pickle both parts: an error may come from another process."""
        return type(self), (self.problem, self.hint)


class ConfigError(TripletkitError):
    """A setting or flag that cannot be used."""


class RulesError(TripletkitError):
    """A file of rules that cannot be used."""


class SourceError(TripletkitError):
    """A book or a user's file that cannot be read."""


class TableError(TripletkitError):
    """A table that is missing, foreign or damaged."""


class EncoderError(TripletkitError):
    """An encoder that cannot be loaded, or that training did not improve."""


class RightsError(TripletkitError):
    """Text, or weights trained on it, that no licence allows to be published."""


class HubError(TripletkitError):
    """The Hub or a dataset folder that cannot be used."""
