"""The review in a real browser: keys, undo, two reviewers, a server that is killed, a hostile book, access without a mouse."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.review.conftest import OPTIONS
from tripletkit.reviews import Decisions, Review, ReviewFile
from tripletkit.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Start = Callable[[], "Server"]
PAGES = ("triplets", "triplets?blind=true", "refused", "terms", "proposals", "passages", "verdicts")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        problem = "no Chromium on the path: apt-get install chromium, or name it in CHROMIUM"
        pytest.fail(problem) if os.environ.get("CI") else pytest.skip(problem)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Server:
    """`tripletkit review` in a process of its own."""

    def __init__(self, output: Path, encoder: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "tripletkit",
            "review",
            "--no-open",
            "--output",
            str(output),
            "--encoder",
            str(encoder),
        ]
        root = str(Path(__file__).parents[2])
        self.process = subprocess.Popen(
            [*command, *OPTIONS], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
        )
        assert self.process.stdout is not None
        self.base = self.process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", self.base)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def start(output: Path, tiny_encoder: Path) -> Iterator[Start]:
    servers: list[Server] = []

    def started() -> Server:
        servers.append(Server(output, tiny_encoder))
        return servers[-1]

    yield started
    for server in servers:
        server.kill()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A new browser profile each. At the end: nothing asked another machine, no script of the book ran, no page failed."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def opened(address: str, **options: Any) -> Page:  # noqa: ANN401 - of a context
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        own = address.split("/")[2]
        page.on("request", lambda request: None if request.url.split("/")[2] == own else faults.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
        page.goto(address)
        return page

    yield opened
    owned = [page.title() for context in contexts for page in context.pages if "owned" in page.title()]
    for context in contexts:
        context.close()
    assert faults + owned == []


def key_of(page: Page) -> str:
    return page.locator("[data-triplet]").get_attribute("data-triplet") or ""


def press(page: Page, key: str) -> None:
    """Press a key and wait until another triplet is shown."""
    before = key_of(page)
    page.keyboard.press(key)
    page.wait_for_function("before => document.querySelector('[data-triplet]')?.dataset.triplet !== before", arg=before)


def triplet_of(row: Review) -> str:
    return f"{row.passage_id}.{row.term_id}.{row.other_id}"


def test_a_sitting(start: Start, visit: Callable[..., Page], mined: Path, output: Path, tiny_encoder: Path) -> None:
    """Three triplets by keys, one undone; one refused taken back; two terms joined; the server killed; then `mine`."""
    server, file = start(), ReviewFile(output)
    page = visit(server.base)
    shown = []
    for key in ("1", "2", "4"):
        shown.append(key_of(page))
        press(page, key)
    press(page, "u")
    assert key_of(page) == shown[2]
    assert "Not judged by you yet" in page.inner_text("[role=status]")
    held = Decisions.read(output).rows
    assert [(triplet_of(row), row.verdict) for row in held] == [(shown[0], "good"), (shown[1], "false negative")]
    press(page, "ArrowLeft")
    press(page, "ArrowRight")
    page.get_by_role("link", name="Refused").click()
    page.wait_for_selector("text=take it back")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # the second row has the focus
    term = page.locator("[data-row]:focus strong").inner_text()
    page.keyboard.press("1")
    page.wait_for_selector("text=Taken back by")
    page.get_by_role("link", name="Proposals").click()
    page.wait_for_selector("text=one term: join")
    page.keyboard.press("1")
    page.wait_for_selector("text=Nothing is left to decide")
    # The server dies in the middle: what was marked is there, what was not is said to be lost.
    page.get_by_role("link", name="Triplets", exact=True).click()
    page.wait_for_selector("[data-triplet]")
    rows = file.read()
    server.kill()
    page.keyboard.press("1")
    page.wait_for_selector("[role=alert]")
    assert "this was not kept" in page.inner_text("[role=alert]")
    assert file.read() == rows
    again = visit(start().base)
    assert "2 of " in again.inner_text(".progress p")
    assert file.read() == rows
    back, joined = Decisions.read(output).rows[-2:]
    assert (back.verdict, joined.verdict) == ("take back", "join")
    told = mine(output, tiny_encoder, mined.with_name("terms.txt"))
    assert "by review: negatives that are positives 1, candidates taken back 1" in told
    assert "since the last mining: " in told
    store = Store(output)
    passage, _, negative = shown[1].split(".")
    assert store.read("triplets").filter(passage_id=passage, negative_id=negative).is_empty()
    assert joined.term_id not in set(store.read("terms")["term_id"])
    assert joined.term in store.read("terms").filter(term_id=joined.other_id)["forms"][0]
    triplets = store.read("triplets").unique(["passage_id", "positive_id", "negative_id"]).height
    refused = store.read("dropped").filter(stage="mine", item=back.passage_id, related=back.term_id)
    assert not [reason for reason in refused["reason"] if "nearest" in reason], term
    again.reload()  # the page shows the new triplets
    assert key_of(again) not in shown[:2]
    assert f"of {triplets} judged by you" in again.inner_text(".progress p")


def mine(output: Path, encoder: Path, terms: Path) -> str:
    command = [sys.executable, "-m", "tripletkit", "mine", "--output", str(output), "--encoder", str(encoder), *OPTIONS]
    command += ["--set", f"glossary.terms={terms}"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_reviewers_and_two_tabs_at_once(start: Start, visit: Callable[..., Page], output: Path) -> None:
    server = start()
    ann, bob = visit(server.base), visit(server.base)
    for page, name in ((ann, "ann"), (bob, "bob")):
        page.fill("#who", name)
        page.get_by_role("button", name="Set").click()
        page.wait_for_function("name => document.querySelector('#who')?.defaultValue === name", arg=name)
        page.wait_for_selector("[data-triplet]")
    tab = ann.context.new_page()
    tab.goto(server.base)
    tab.wait_for_selector("[data-triplet]")
    assert key_of(ann) == key_of(bob) == key_of(tab)
    for _ in range(3):
        press(ann, "1")
        press(bob, "3")
    press(tab, "2")  # the triplet that ann's first tab has judged: her later verdict counts
    rows = Decisions.read(output).rows
    by_who = {name: [row.verdict for row in rows if row.who == name] for name in ("ann", "bob")}
    assert by_who == {"ann": ["good", "good", "false negative"], "bob": ["trivial"] * 3}
    assert len(ReviewFile(output).read()) == 7
    # The tab goes on where ann has judged nothing yet.
    assert key_of(tab) == key_of(ann)


def test_a_hostile_book_stays_inert_on_every_page(start: Start, visit: Callable[..., Page], output: Path) -> None:
    server = start()
    page = visit(server.base)
    passages = Store(output).read("passages")
    hostile = passages.filter(passages["text"].str.contains("<script>", literal=True))["passage_id"][0]
    term = next(row["term_id"] for row in Store(output).read("terms").to_dicts() if "<b " in row["term"])
    for path in (*PAGES, f"passages/{hostile}", f"terms/{term}", f"triplets?passage={hostile}&state=all"):
        page.goto(server.base + path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.title").endswith("· tripletkit")
        assert page.locator("main script, main b, main img[src='x']").count() == 0
    page.goto(f"{server.base}passages/{hostile}")
    assert "<script>document.title='owned'</script>" in page.inner_text(".text")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_every_page_is_accessible(
    start: Start, visit: Callable[..., Page], output: Path, scheme: str, width: int
) -> None:
    """axe-core finds nothing serious; nothing is wider than the window; what has the focus shows it."""
    server, axe = start(), files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page = visit(server.base, color_scheme=scheme, viewport={"width": width, "height": 800})
    row = Store(output).read("triplets").row(0, named=True)
    ReviewFile(output).add([Review(who="ann", about="passage", verdict="not prose", passage_id=row["passage_id"])])
    for path in (*PAGES, f"passages/{row['passage_id']}", f"terms/{row['positive_id']}"):
        page.goto(server.base + path)
        page.wait_for_load_state("networkidle")
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.evaluate(axe)
        found = page.evaluate("axe.run()")
        serious = [
            (fault["id"], [node["html"] for node in fault["nodes"]])
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", path


def test_the_keyboard_is_enough(start: Start, visit: Callable[..., Page], output: Path) -> None:
    page = visit(start().base)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    before = key_of(page)
    for _ in range(30):  # from the content on, Tab comes to the verdicts
        page.keyboard.press("Tab")
        if "false negative" in page.evaluate("document.activeElement.textContent"):
            break
    page.keyboard.press("Enter")
    page.wait_for_function("before => document.querySelector('[data-triplet]').dataset.triplet !== before", arg=before)
    assert [row.verdict for row in Decisions.read(output).rows] == ["false negative"]
    page.wait_for_function("document.activeElement.id === 'main'", timeout=10_000)  # Tab goes on from the new triplet
    page.get_by_role("link", name="Terms").click()
    page.wait_for_selector("input[name=q]")
    page.fill("input[name=q]", "1234u")  # typed into a field, a key is a letter
    assert len(Decisions.read(output).rows) == 1
