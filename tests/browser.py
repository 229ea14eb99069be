"""A real browser for tests: Debian's chromium, headless. Tests that need one are skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: What browsers are called, on Debian and on the machines of GitHub.
NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"width": 390, "height": 844}
#: Of axe-core's grades, those that keep somebody out.
GRAVE = ("serious", "critical")


@contextmanager
def browser_page(**context: Any) -> Iterator[Any]:  # noqa: ANN401 - of playwright, an extra of development
    """A page with the given options of playwright's ``new_context``. An error in a page's script fails the test."""
    binary = next(filter(None, map(shutil.which, NAMES)), None)
    if binary is None:
        pytest.skip(f"no browser is installed: none of {', '.join(NAMES)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        page = browser.new_context(**context).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield page
        finally:
            browser.close()
        assert errors == []


def grave_faults(page: Any) -> list[str]:  # noqa: ANN401 - of playwright
    """What axe-core finds on the page that keeps somebody out. The page needs ``bypass_csp=True`` if it allows no script."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{of['id']}: {node['html'][:200]}" for of in found if of["impact"] in GRAVE for node in of["nodes"]]


def open_file(page: Any, path: Path) -> list[str]:  # noqa: ANN401 - of playwright
    """Open a file, and return every address that was asked for beside it."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    return [url for url in asked if url != path.as_uri() and not url.startswith("data:")]
