"""What the Hub answered when its client failed: the client wraps the answer, or loses it in another error."""

from __future__ import annotations

from json import JSONDecodeError
from traceback import walk_tb
from typing import Any

#: Answers after which another try may succeed: time-outs, a head that moved, too many requests, a server in trouble.
RETRY_STATUS = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})


def answered(error: BaseException) -> BaseException:
    """The error with the Hub's answer, an HfHubHTTPError, if ``error`` comes from one; else ``error``, or its cause.

    The client reads some answers as JSON before it looks at their status, so a page of HTML ends in a JSON error.
    """
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    while isinstance(error, RuntimeError | LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, JSONDecodeError):
        for frame, _ in walk_tb(error.__traceback__):
            response: Any = frame.f_locals.get("self")
            if hasattr(response, "status_code") and hasattr(response, "request"):
                return HfHubHTTPError("its answer is no JSON", response=response)
    return error


def status_of(error: BaseException) -> int | None:
    """The status of the answer; None if there was none."""
    return getattr(getattr(error, "response", None), "status_code", None)


def describe_error(error: BaseException) -> str:
    """The answer behind an error: status and path, without the query, which may hold a signature; else the error's name."""
    status, url = status_of(error), getattr(getattr(error, "response", None), "url", None)
    return type(error).__name__ if status is None else f"{status} for {url.path}" if url else str(status)
