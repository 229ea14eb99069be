"""The pages without a browser: who may ask, what is escaped, what a verdict does, filters, the queue, undo, pictures."""

from __future__ import annotations

import importlib.util
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import polars as pl
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from PIL import Image

from tests.review.conftest import FILE
from tripletkit.cli import main
from tripletkit.errors import ConfigError
from tripletkit.review import server
from tripletkit.review.folder import OutputFolder
from tripletkit.review.order import KEY, Filters, find_place, judged, key_of, triplet_order
from tripletkit.review.web import create_app
from tripletkit.reviews import FALSE_NEGATIVE, GOOD, Review
from tripletkit.terms.decided import JOINED

PORT = 8123
PAGES = ("triplets", "triplets?blind=true", "refused", "refused?stage=", "terms", "proposals", "passages", "verdicts")


class Client(TestClient):
    """Asks below the token."""

    def page(self, path: str) -> str:
        response = self.get(f"{self.app.state.base}/{path}")  # type: ignore[attr-defined]
        assert response.status_code == 200, response.text
        return response.text

    def submit(self, path: str, **form: str) -> Response:
        return self.post(f"{self.app.state.base}/{path}", data=form, follow_redirects=False)  # type: ignore[attr-defined, return-value]


@pytest.fixture
def client(folder: OutputFolder) -> Client:
    app = create_app(folder, port=PORT, reviewer="ann")
    return Client(app, base_url=f"http://127.0.0.1:{PORT}", client=("127.0.0.1", 40000))


class Elements(HTMLParser):
    """The elements of a page: names with attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def first_form(html: str, verdict: str) -> dict[str, str]:
    """The hidden fields of the first form with this verdict."""
    for form in re.findall(r"<form.*?</form>", html, re.DOTALL):
        fields = {
            str(of["name"]): str(of.get("value") or "")
            for tag, of in Elements(form).found
            if tag == "input" and of.get("type") == "hidden"
        }
        if fields.get("verdict") == verdict:
            return fields
    raise AssertionError(f"no form says {verdict!r}")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": f"localhost:{PORT}"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": f"evil.example:{PORT}"}, 403),
        ({"host": "127.0.0.1:80"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"http://127.0.0.1:{PORT}"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_only_this_machines_own_browser_may_ask(client: Client, headers: dict[str, str], status: int) -> None:
    base = client.app.state.base  # type: ignore[attr-defined]
    for path in ("/verdicts", "/static/review.css"):
        assert client.get(base + path, headers=headers).status_code == status
    assert client.post(f"{base}/reviewer", headers=headers, data={"name": "x"}).status_code == status


@pytest.mark.parametrize(
    "path", ["/", "/triplets", "/x/triplets", "/static/review.css", "//", "/docs", "/openapi.json"]
)
def test_without_the_token_there_is_nothing(client: Client, path: str) -> None:
    assert client.get(path).status_code == 403
    assert len(client.app.state.base) > 20  # type: ignore[attr-defined]


def test_another_machine_is_refused(folder: OutputFolder) -> None:
    app = create_app(folder, port=PORT)
    far = Client(app, base_url=f"http://127.0.0.1:{PORT}", client=("192.0.2.1", 40000))
    assert far.get(f"{app.state.base}/verdicts").status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_a_book_cannot_put_markup_on_a_page(client: Client, path: str) -> None:
    """Every script and image is ours, no element handles an event, and the text is there as text."""
    response = client.get(f"{client.app.state.base}/{path}")  # type: ignore[attr-defined]
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    base = client.app.state.base  # type: ignore[attr-defined]
    for tag, attributes in Elements(response.text).found:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        if tag in ("script", "img", "link"):
            assert (attributes.get("src") or attributes.get("href") or "").startswith(base), (tag, attributes)
        assert tag not in ("b", "iframe", "object", "embed", "style"), tag


def test_the_text_that_looks_like_markup_is_shown(client: Client, folder: OutputFolder) -> None:
    held = folder.scan("passages").filter(pl.col("text").str.contains("<script>", literal=True)).head(1).collect()
    html = client.page(f"passages/{held['passage_id'][0]}")
    assert "&lt;script&gt;" in html
    assert "<script>document" not in html
    terms = client.page("terms?q=onmouseover")
    assert "&lt;b onmouseover=owned()&gt;sand" in terms
    (folder.store.work / "books.parquet").touch()
    Path(folder.books[held["book_id"][0]]["path"]).rename(folder.store.work / "gone.pdf")
    try:
        assert "onerror=owned()&gt;" in client.page(f"passages/{held['passage_id'][0]}")  # the file's name
    finally:
        (folder.store.work / "gone.pdf").rename(Path(folder.books[held["book_id"][0]]["path"]))


def test_a_verdict_is_kept_and_the_next_triplet_shown(client: Client, folder: OutputFolder) -> None:
    html = client.page("triplets")
    fields = first_form(html, FALSE_NEGATIVE)
    answer = client.submit("verdict", **fields)
    assert answer.status_code == 303
    [row] = folder.reviews_file.read()
    assert (row.who, row.about, row.verdict, row.blind) == ("ann", "triplet", FALSE_NEGATIVE, False)
    assert (row.passage_id, row.term_id, row.other_id) == tuple(
        fields[name] for name in ("passage_id", "term_id", "other_id")
    )
    assert row.term == folder.terms[str(row.term_id)]["term"]
    following = client.get(answer.headers["location"]).text
    other = first_form(following, GOOD)
    assert [other[name] for name in ("passage_id", "term_id", "other_id")] != [
        fields[name] for name in ("passage_id", "term_id", "other_id")
    ]
    assert "1 of " in following


def test_undo_keeps_the_filters_of_the_page(client: Client, folder: OutputFolder) -> None:
    row = folder.store.read("triplets").row(0, named=True)
    given = {"passage_id": row["passage_id"], "term_id": row["positive_id"], "other_id": row["negative_id"]}
    client.submit("verdict", about="triplet", verdict=GOOD, blind="true", **given)
    base = client.app.state.base  # type: ignore[attr-defined]
    answer = client.submit("undo", next=f"{base}/triplets?after=x&split=train&state=all&blind=true")
    asked = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert asked == {"at": ".".join(given.values()), "split": "train", "state": "all", "blind": "true"}


def test_an_address_with_a_value_that_is_none_is_explained(client: Client) -> None:
    answer = client.get(f"{client.app.state.base}/triplets?state=bogus")  # type: ignore[attr-defined]
    assert answer.status_code == 422
    assert "state: Input should be" in answer.text
    assert "</html>" in answer.text


def test_undo_takes_back_ones_own_last_verdict_and_shows_it(client: Client, folder: OutputFolder) -> None:
    folder.reviews_file.add([Review(who="bob", about="passage", verdict="not prose", passage_id="p")])
    assert client.submit("undo", next="x").headers["location"].endswith("/")  # ann has none
    fields = first_form(client.page("triplets"), GOOD)
    client.submit("verdict", **fields)
    answer = client.submit("undo")
    key = ".".join(fields[name] for name in ("passage_id", "term_id", "other_id"))
    assert answer.headers["location"].endswith(f"/triplets?at={key}")
    assert [row.who for row in folder.reviews] == ["bob"]
    assert "Not judged by you yet" in client.get(answer.headers["location"]).text
    [held] = folder.reviews
    client.submit("undo", review_id=held.review_id, next=f"{client.app.state.base}/verdicts")  # type: ignore[attr-defined]
    assert folder.reviews == []
    assert "None yet." in client.page("verdicts")


def test_the_name_is_the_browsers(client: Client, folder: OutputFolder) -> None:
    client.submit("reviewer", name="Bea Ω <b>")
    client.submit("verdict", **first_form(client.page("triplets"), GOOD))
    assert folder.reviews_file.read()[0].who == "Bea Ω <b>"
    assert "Bea Ω &lt;b&gt;" in client.page("verdicts")


@pytest.mark.parametrize(
    "form",
    [
        {"about": "triplet", "verdict": "fine", "passage_id": "p", "term_id": "a", "other_id": "n"},
        {"about": "triplet", "verdict": "good", "passage_id": "p"},
        {"about": "review", "verdict": "undo"},
        {},
    ],
)
def test_a_form_that_says_nothing_of_use_is_refused(client: Client, folder: OutputFolder, form: dict[str, str]) -> None:
    assert client.submit("verdict", **form).status_code == 422
    assert folder.reviews_file.read() == []
    assert client.submit("verdict", note="x" * 20_000).status_code == 413


@pytest.mark.parametrize("next_", ["http://evil.example/", "//evil.example", "/x", "javascript:alert(1)", "\\\\evil"])
def test_a_form_leads_to_our_own_pages_only(client: Client, next_: str) -> None:
    base = client.app.state.base  # type: ignore[attr-defined]
    assert client.submit("reviewer", name="x", next=next_).headers["location"] == f"{base}/"
    assert client.submit("reviewer", name="x", next=f"{base}/terms").headers["location"] == f"{base}/terms"


def test_blind_pages_show_no_scores_and_mark_the_verdict(client: Client, folder: OutputFolder) -> None:
    html = client.page("triplets?blind=true")
    assert "cosine" not in html
    assert "Why" not in html
    client.submit("verdict", **first_form(html, GOOD))
    assert folder.reviews_file.read()[0].blind
    assert "1 of " in client.page("triplets?blind=true")
    assert "cosine" in client.page("triplets")


def test_a_rejected_candidate_is_taken_back(client: Client, folder: OutputFolder) -> None:
    html = client.page("refused")
    fields = first_form(html, "take back")
    client.submit("verdict", **fields)
    assert folder.decisions.allowed_negatives == {(fields["passage_id"], fields["term_id"])}
    assert "Taken back by ann" in client.page(f"refused?passage={fields['passage_id']}")
    assert "It cannot be taken back here." in client.page("refused?stage=tag")


def test_terms_are_dropped_joined_and_split(client: Client, folder: OutputFolder) -> None:
    loam = folder.find_term("loam", None)
    client.submit("verdict", **first_form(client.page("terms?q=loam"), "drop"))
    assert folder.decisions.kept_or_dropped == {loam["term_id"]: "drop"}
    page = client.page(f"terms/{loam['term_id']}")
    client.submit("verdict", **first_form(page, "join"), other_name="Humus")
    humus = folder.find_term("humus", None)["term_id"]
    assert folder.decisions.joins == {loam["term_id"]: humus}
    unknown = client.submit("verdict", **first_form(page, "join"), other_name="quark")
    assert (unknown.status_code, "no term is called" in unknown.text) == (404, True)
    proposal = first_form(client.page("proposals"), "join")
    assert {proposal["term"], proposal["other"]} == {"flood plain", "floodplain"}
    client.submit("verdict", **first_form(client.page("proposals"), "apart"))
    assert len(folder.decisions.apart) == 1


def test_a_term_is_not_joined_with_itself(client: Client, folder: OutputFolder) -> None:
    loam = folder.find_term("loam", None)
    form = first_form(client.page(f"terms/{loam['term_id']}"), "join")
    refused = client.submit("verdict", **form, other_name="Loam")
    assert (refused.status_code, "name another term" in refused.text) == (422, True)
    assert folder.reviews == []


def test_only_forms_that_can_leave_a_term_are_offered_for_it(client: Client, folder: OutputFolder) -> None:
    loam = folder.find_term("loam", None)
    rows = folder.scan("terms").collect()
    forms = pl.when(term_id=loam["term_id"]).then(pl.lit(["loam", "Loams", "greasy soil"])).otherwise("forms")
    rows.with_columns(forms=forms).write_parquet(folder.store.local("terms.parquet"))
    page = client.page(f"terms/{loam['term_id']}")
    assert first_form(page, "split")["other"] == "greasy soil"
    assert page.count('value="split"') == 1


def test_a_joined_term_is_taken_back_on_the_page_of_verdicts(client: Client, folder: OutputFolder) -> None:
    row = {"stage": "glossary", "item": "term_gone", "related": folder.find_term("loam", None)["term_id"]}
    row |= {"reason": JOINED, "detail": "greasy soil"}
    dropped = folder.scan("dropped").collect()
    pl.concat([dropped, pl.DataFrame([row], schema=dropped.schema)]).write_parquet(
        folder.store.local("dropped.parquet")
    )
    page = client.page(f"refused?{urlencode({'stage': 'glossary', 'reason': JOINED})}")
    assert "greasy soil" in page
    assert "Undo the join on the page" in page
    assert 'value="keep"' not in page


@pytest.mark.parametrize("path", ["refused", "terms", "passages", "proposals", "verdicts"])
def test_a_list_begins_at_a_row(client: Client, path: str) -> None:
    assert client.page(f"{path}?start=-1000") == client.page(path)
    assert "More →" not in client.page(f"{path}?start=1{30 * '0'}")


def test_passages_are_no_prose_and_terms_not_meant(client: Client, folder: OutputFolder) -> None:
    row = folder.scan("triplets").head(1).collect().row(0, named=True)
    page = client.page(f"passages/{row['passage_id']}")
    client.submit("verdict", **first_form(page, "not prose"))
    client.submit("verdict", **first_form(page, "not meant"))
    assert folder.decisions.not_prose == {row["passage_id"]}
    assert len(folder.decisions.not_meant) == 1
    page = client.page(f"passages/{row['passage_id']}")
    assert "Not prose, by ann." in page
    assert "not meant here, by ann" in page


def test_filters_and_paging(client: Client, folder: OutputFolder) -> None:
    row = folder.scan("triplets").head(1).collect().row(0, named=True)
    order = triplet_order(folder, Filters(term=row["positive_id"]))
    assert order.height
    assert all(row["positive_id"] in pair for pair in order.select("positive_id", "negative_id").iter_rows())
    name = quote(row["positive"])
    assert f" of {order.height} judged by you" in client.page(f"triplets?term={name}")
    assert (
        triplet_order(folder, Filters(split="test")).height
        == folder.scan("triplets").filter(split="test").collect().height
    )
    assert triplet_order(folder, Filters(book="none")).is_empty()
    assert "No triplet fits" in client.page("triplets?book=none")
    assert "Nothing." in client.page("passages?q=quark")
    total = folder.scan("passages").collect().height
    starts = [client.page(f"passages?start={start}").count("<li><a href") for start in range(0, total + 40, 40)]
    assert sum(starts) == total + 6 * len(starts)  # and the six pages of the menu
    assert client.get(f"{client.app.state.base}/passages?start=-5").status_code == 200  # type: ignore[attr-defined]
    assert client.get(f"{client.app.state.base}/passages/none").status_code == 404  # type: ignore[attr-defined]
    assert client.get(f"{client.app.state.base}/terms/none").status_code == 404  # type: ignore[attr-defined]


def test_the_queue_begins_with_the_doubtful_and_passes_over_the_judged(folder: OutputFolder) -> None:
    order = triplet_order(folder, Filters())
    assert order.select(KEY).is_unique().all()
    worth = order["near"] + order["used"] + order["teacher"] + order["far"] / 2
    assert worth.is_sorted(descending=True)
    key = key_of(order.row(1, named=True))
    row = Review(
        who="ann",
        about="triplet",
        verdict="good",
        **dict(zip(("passage_id", "term_id", "other_id"), key.split("."), strict=True)),
    )
    done = judged([row], "ann", blind=False)
    place = find_place(order, done, "open")
    assert place.row is not None
    assert (place.left, place.total) == (order.height - 1, order.height)
    assert place.after == key_of(order.row(2, named=True))
    assert find_place(order, done, "judged").left == 1
    assert find_place(order, done, "open", at=key).row == {"n": 1, **order.row(1, named=True)}
    last = find_place(order, done, "open", at=key_of(order.row(-1, named=True)))
    assert (last.after, last.before) == (None, key_of(order.row(-2, named=True)))
    assert judged([row], "bob", blind=False).is_empty()
    assert judged([row], "ann", blind=True).is_empty()


def test_every_reviewer_gets_the_same_random_sample(folder: OutputFolder) -> None:
    order = triplet_order(folder, Filters(blind=True))
    assert order.select(KEY).equals(triplet_order(OutputFolder(folder.settings), Filters(blind=True)).select(KEY))
    assert not order.select(KEY).equals(triplet_order(folder, Filters()).select(KEY))


def test_a_page_is_drawn_with_its_passage_and_its_index_entry(client: Client, folder: OutputFolder) -> None:
    row = folder.scan("triplets").head(1).collect().row(0, named=True)
    passage = folder.passage(row["passage_id"])
    pictures = {}
    for passage_id in (row["passage_id"], ""):
        if passage_id:
            html = client.page(f"passages/{passage_id}")
            source = next(of["src"] for tag, of in Elements(html).found if tag == "img")
            response = client.get(str(source))
            assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
            pictures[passage_id] = Image.open(io.BytesIO(response.content)).convert("RGB")
    drawn = pictures[row["passage_id"]]
    box = next(box for box in passage["boxes"] if box["page"] == passage["page_first"])
    scale = drawn.height / 600  # the small book's pages are 420 x 600 points
    left = drawn.getpixel((round(box["x0"] * scale) - 3, round((box["top"] + 2) * scale)))
    assert left != (255, 255, 255)
    term = next(term for term in folder.terms.values() if term["locators"])
    entry = client.page(f"entry?term={term['term_id']}")
    [source] = [of["src"] for tag, of in Elements(entry).found if tag == "img"]
    assert client.get(str(source)).status_code == 200
    assert "in no index" in client.page("entry?term=none")


def test_a_book_that_is_gone_or_another_is_said_to_be(client: Client, folder: OutputFolder, tmp_path: Path) -> None:
    row = folder.scan("triplets").head(1).collect().row(0, named=True)
    books = folder.scan("books").collect()
    for path, problem in (
        (tmp_path / "gone.pdf", "is not there any more"),
        (tmp_path / FILE, "is not the file that was read"),
    ):
        if problem.endswith("read"):
            path.write_bytes(b"%PDF-1.4")
        folder.store.write("books", books.with_columns(path=pl.lit(str(path))))
        assert problem in client.page(f"passages/{row['passage_id']}")
        response = client.get(f"{client.app.state.base}/picture?page=3&passage={row['passage_id']}")  # type: ignore[attr-defined]
        assert (response.status_code, problem in response.text) == (404, True)


def test_why_is_a_part_of_a_page(client: Client, folder: OutputFolder) -> None:
    row = folder.scan("triplets").head(1).collect().row(0, named=True)
    asked = f"passage={row['passage_id']}&term={row['negative_id']}"
    assert "no guard of mining has anything against it" in client.page(f"why?{asked}&positive={row['positive_id']}")
    assert "<strong>negative</strong>" in client.page(f"why?{asked}")
    assert client.get(f"{client.app.state.base}/why?passage={row['passage_id']}&term=quark").status_code == 404  # type: ignore[attr-defined]


def test_the_table_can_be_saved(client: Client, folder: OutputFolder) -> None:
    folder.reviews_file.add([Review(who="bob", about="passage", verdict="not prose", passage_id="p")])
    assert client.page("export.jsonl").encode() == folder.reviews_file.path.read_bytes()


def test_passages_that_are_gone_since_are_left_out_and_what_to_do_is_said(
    client: Client, folder: OutputFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `extract` has read a book again, before `mine`."""
    gone = folder.scan("triplets").head(1).collect()["passage_id"][0]
    at = folder.store.local("passages.parquet")
    pl.read_parquet(at).filter(pl.col("passage_id") != gone).write_parquet(at)
    assert gone not in triplet_order(folder, Filters())["passage_id"].to_list()
    assert "data-triplet" in client.page("triplets")
    assert client.page(f"refused?stage=&passage={gone}")
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    told = list[str]()
    monkeypatch.setattr(server.log, "warning", lambda form, *of: told.append(form % of))
    server.serve(folder, port=0, reviewer="ann", browser=False, say=lambda _: None)
    assert "is out of date: passages.parquet changed after it was made\n  Run `tripletkit " in told[0]


def test_own_passages_have_no_page(client: Client, folder: OutputFolder) -> None:
    row = folder.scan("triplets").head(1).collect().row(0, named=True)
    at = folder.store.local("passages.parquet")
    rows = pl.read_parquet(at)
    rows.with_columns(boxes=pl.lit([], dtype=rows.schema["boxes"])).write_parquet(at)
    pl.read_parquet(folder.store.local("lines.parquet")).clear().write_parquet(folder.store.local("lines.parquet"))
    page = client.page(f"passages/{row['passage_id']}")
    assert "Your own passages have no page." in page
    assert "No picture" not in page
    assert "No page of an index or a glossary has it." in client.page(
        f"entry?term={folder.find_term('loam', None)['term_id']}"
    )


def test_a_new_mining_is_seen_without_a_new_start(client: Client, folder: OutputFolder) -> None:
    client.page("triplets")
    triplets = folder.store.read("triplets")
    folder.store.write("triplets", triplets.head(3))
    assert " of 3 judged by you" in client.page("triplets")


def test_a_port_in_use_is_an_error(folder: OutputFolder) -> None:
    with server._bound(0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port {port}: cannot listen there"):
            server.serve(folder, port=port, reviewer="", browser=False, say=lambda _: None)


def test_without_the_extra_the_error_says_how_to_install_it(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "uvicorn" else find(name, *more)
    )
    with pytest.raises(SystemExit) as end:
        main(["review", "--output", str(output), "--no-open"])
    assert end.value.code == 1
    assert "uvicorn is not installed\n  pip install 'tripletkit[review]'" in capsys.readouterr().err
