"""The pages of the review: FastAPI routes under a random token, for this machine's own browser only."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import AfterValidator, ValidationError

from tripletkit.errors import TripletkitError
from tripletkit.review import paper, views
from tripletkit.review.folder import OutputFolder
from tripletkit.review.order import Filters, State
from tripletkit.reviews import UNDO, Review, reviewer_name

#: No page asks another machine for anything, runs a script but ours, or is shown in another page's frame.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With "no-referrer" a browser sends `Origin: null` with a form that no script sends, and the guard would refuse it.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: The cookie with the reviewer's name.
NAME = "reviewer"
#: The columns of a verdict that a form gives.
_GIVEN = ("about", "verdict", "passage_id", "term_id", "other_id", "term", "other", "blind")
#: A verdict's form is a few ids and names.
MOST_BYTES = 10_000
TEMPLATES = Environment(
    loader=PackageLoader("tripletkit.review"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


@dataclass(frozen=True)
class Guard:
    """Who may ask: this machine, with the token, from a page of ours or by typing the address."""

    token: str
    port: int

    def refusal(self, request: Request) -> str | None:
        """Why the request is refused, or None."""
        hosts = {f"{host}:{self.port}" for host in ("127.0.0.1", "localhost")}
        headers = request.headers
        if request.client is not None and request.client.host not in ("127.0.0.1", "::1"):
            return "only this machine may look"
        if headers.get("host") not in hosts:
            return "this address is not ours"
        if "origin" in headers and headers["origin"] not in {f"http://{host}" for host in hosts}:
            return "a page of another origin asks"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "a page of another site asks"
        given = request.url.path.split("/")[1]
        return None if hmac.compare_digest(given.encode(), self.token.encode()) else "the token is wrong"


def create_app(folder: OutputFolder, *, port: int, token: str = "", reviewer: str = "") -> FastAPI:
    """The app for an output folder. Its pages are below /TOKEN/, which ``app.state.base`` names.

    ``reviewer`` is the name under which verdicts are kept until the browser sets another.
    """
    token = token or secrets.token_urlsafe(24)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.base, app.state.folder, app.state.reviewer = f"/{token}", folder, reviewer_name(reviewer)
    guard = Guard(token, port)

    @app.middleware("http")
    async def guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        refusal = guard.refusal(request)
        response = await call(request) if refusal is None else PlainTextResponse(f"refused: {refusal}\n", 403)
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(TripletkitError)
    async def told(request: Request, error: Exception) -> Response:
        return _page(request, "error", status=404, problem=str(error))

    @app.exception_handler(RequestValidationError)
    async def misread(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return _page(request, "error", status=422, problem=f"{first['loc'][-1]}: {first['msg']}")

    app.include_router(router, prefix=app.state.base)
    app.mount(f"{app.state.base}/static", StaticFiles(packages=[("tripletkit.review", "static")]))
    return app


def _page(request: Request, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - what a template shows
    """A template as a page. It escapes all text."""
    shared = {"base": request.app.state.base, "who": _who(request), "page": name, "link": _link}
    return HTMLResponse(TEMPLATES.get_template(f"{name}.html.jinja").render(**shared, **values), status)


def _link(path: str, **values: object) -> str:
    """An address with those values that are not empty."""
    given = {name: value for name, value in values.items() if value not in ("", None, False)}
    return f"{path}?{urlencode(given)}" if given else path


def _who(request: Request) -> str:
    named = unquote(request.cookies.get(NAME, "")).strip()[:80]
    return named or str(request.app.state.reviewer)


def _folder(request: Request) -> OutputFolder:
    folder: OutputFolder = request.app.state.folder
    return folder


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent."""
    body = await request.body()
    if len(body) > MOST_BYTES:
        raise HTTPException(413)
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _filters(
    book: str = "",
    rule: str = "",
    term: str = "",
    passage: str = "",
    split: str = "",
    state: State = "open",
    blind: bool = False,
) -> Filters:
    return Filters(book, rule, term, passage, split, state, blind)


Folder = Annotated[OutputFolder, Depends(_folder)]
Form = Annotated[dict[str, str], Depends(_form)]
Wanted = Annotated[Filters, Depends(_filters)]
#: Where a page of a list begins; a number that can be none is the nearest that can.
Start = Annotated[int, AfterValidator(lambda start: min(max(start, 0), 10**9))]


router = APIRouter()


@router.get("/", response_class=HTMLResponse)
def start(request: Request) -> Response:
    """The first page: the queue of triplets."""
    return RedirectResponse(f"{request.app.state.base}/triplets", 303)


@router.get("/triplets", response_class=HTMLResponse)
def triplets(request: Request, folder: Folder, wanted: Wanted, at: str = "", after: str = "") -> Response:
    """One triplet of the queue."""
    return _page(request, "triplets", **views.triplet_page(folder, wanted, _who(request), at=at, after=after))


@router.get("/refused", response_class=HTMLResponse)
def refused(
    request: Request, folder: Folder, stage: str = "mine", reason: str = "", passage: str = "", start: Start = 0
) -> Response:
    """What was left out, and how to take it back."""
    return _page(request, "refused", **views.refused_page(folder, stage, reason, passage, start))


@router.get("/terms", response_class=HTMLResponse)
def terms(request: Request, folder: Folder, q: str = "", book: str = "", kept: str = "", start: Start = 0) -> Response:
    """The terms."""
    return _page(request, "terms", **views.terms_page(folder, q, book, kept, start))


@router.get("/proposals", response_class=HTMLResponse)
def proposals(request: Request, folder: Folder, start: Start = 0) -> Response:
    """Pairs of terms that may be one."""
    return _page(request, "proposals", **views.proposals_page(folder, start))


@router.get("/terms/{term_id}", response_class=HTMLResponse)
def term(request: Request, folder: Folder, term_id: str) -> Response:
    """One term."""
    return _page(request, "term", **views.term_page(folder, term_id))


@router.get("/passages", response_class=HTMLResponse)
def passages(
    request: Request, folder: Folder, q: str = "", book: str = "", kind: str = "", split: str = "", start: Start = 0
) -> Response:
    """The passages."""
    return _page(request, "passages", **views.passages_page(folder, q, book, kind, split, start))


@router.get("/passages/{passage_id}", response_class=HTMLResponse)
def passage(request: Request, folder: Folder, passage_id: str) -> Response:
    """One passage."""
    return _page(request, "passage", **views.passage_page(folder, passage_id))


@router.get("/verdicts", response_class=HTMLResponse)
def verdicts(request: Request, folder: Folder, start: Start = 0) -> Response:
    """The verdicts that hold."""
    return _page(request, "verdicts", **views.verdicts_page(folder, start))


@router.get("/why", response_class=HTMLResponse)
def why(request: Request, folder: Folder, term: str, passage: str, positive: str = "") -> Response:
    """A part of a page: why a term is what it is."""
    return _page(request, "why", **views.why(folder, term, passage, positive))


@router.get("/entry", response_class=HTMLResponse)
def entry(request: Request, folder: Folder, term: str) -> Response:
    """A part of a page: the index's entry of a term."""
    return _page(request, "entry", **paper.index_entry(folder, term))


@router.get("/picture", response_class=HTMLResponse)
def picture(folder: Folder, page: int, passage: str = "", term: str = "") -> Response:
    """A page of a book as PNG."""
    return Response(paper.picture(folder, page, passage, term), media_type="image/png")


@router.get("/export.jsonl", response_class=HTMLResponse)
def export(folder: Folder) -> Response:
    """The whole table as JSON lines."""
    rows = b"".join(row.line() for row in folder.reviews_file.read())
    return Response(rows, media_type="application/jsonl", headers={"Content-Disposition": "attachment"})


@router.post("/verdict")
def verdict(request: Request, folder: Folder, form: Form) -> Response:
    """Keep one verdict; it is on the disk before the next page is shown."""
    given: dict[str, Any] = {name: form[name] for name in _GIVEN if form.get(name)}
    if named := form.get("other_name"):
        other = folder.find_term(named, folder.terms.get(form.get("term_id", ""), {}).get("book_id"))
        given |= {"other_id": other["term_id"], "other": other["term"]}
    try:
        row = Review(who=_who(request), **given)
    except ValidationError as error:
        return _page(request, "error", status=422, problem=error.errors()[0]["msg"])
    folder.reviews_file.add([row])
    return RedirectResponse(_back(request, form), 303)


@router.post("/undo")
def undo(request: Request, folder: Folder, form: Form) -> Response:
    """Take back the verdict that a form names, else the reviewer's last one, and show what it was about."""
    rows = [row for row in folder.reviews if row.who == _who(request)]
    chosen = form.get("review_id")
    held = [row for row in folder.reviews if row.review_id == chosen] if chosen else rows[-1:]
    for row in held:
        folder.reviews_file.add([Review(who=_who(request), about="review", verdict=UNDO, undoes=row.review_id)])
    return RedirectResponse(_back(request, form) if chosen or not held else _shown(request, form, held[0]), 303)


@router.post("/reviewer")
def reviewer(request: Request, form: Form) -> Response:
    """Keep the reviewer's name in a cookie."""
    response = RedirectResponse(_back(request, form), 303)
    response.set_cookie(
        NAME, quote(form.get("name", "")[:80]), path=request.app.state.base, httponly=True, samesite="strict"
    )
    return response


def _shown(request: Request, form: Mapping[str, str], row: Review) -> str:
    """The page that shows what a verdict is about, with the filters of the page from which it is asked."""
    place, asked = urlsplit(request.app.state.base + views.place_of(row)), urlsplit(_back(request, form))
    filters = {name: value for name, value in parse_qsl(asked.query) if name != "after"}
    query = (filters if asked.path == place.path else {}) | dict(parse_qsl(place.query))
    return _link(place.path, **query)


def _back(request: Request, form: Mapping[str, str]) -> str:
    """The page of ours that a form names as the next one."""
    base, next_ = str(request.app.state.base), form.get("next", "")
    safe = next_.startswith(f"{base}/") and "\\" not in next_ and "//" not in next_
    return next_ if safe else f"{base}/"
