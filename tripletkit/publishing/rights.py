"""Licences: what the licence of each book allows, and which licence a dataset made from the books can carry.

A dataset is an adaptation of its books: passages are cut out, line breaks and hyphens undone, terms masked. So a licence
must allow adaptations to be shared. The ND licences of Creative Commons do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

import polars as pl

from tripletkit.errors import RightsError
from tripletkit.publishing.markdown import plain

GIVE_A_LICENSE = (
    "Give a licence with --license, in a file BOOK.pdf.license beside the book or under [licenses] in the settings; "
)
REMEDIES = f"{GIVE_A_LICENSE}publish without text with --redact; or say --i-have-the-right if the owner allows it."

#: The Creative Commons licences that the Hub has a name for; any other is "other" there, with its own name.
HUB_CC = re.compile(r"cc0-1\.0|cc-by-(2\.[05]|[34]\.0)|cc-by-sa-[34]\.0|cc-by-nc(-sa)?-[234]\.0")


@dataclass(frozen=True)
class License:
    """What a licence asks of those who share an adaptation."""

    name: str
    hub: str  # the Hub's identifier, or "other"
    family: str  # licences of one family can be combined: cc, open (asks nothing but credit), or the licence's own name
    version: str = ""
    noncommercial: bool = False
    share_alike: bool = False
    objection: str = ""  # why adaptations may not be shared

    @property
    def link(self) -> str:
        """Address of its text; "" if that is not known."""
        if self.objection:
            return ""
        if self.hub == "cc0-1.0":
            return "https://creativecommons.org/publicdomain/zero/1.0/"
        if self.family == "cc" and self.version:
            return (
                f"https://creativecommons.org/licenses/{_cc_code(self.noncommercial, self.share_alike)}/{self.version}/"
            )
        return next((link for _, hub, _, link in KNOWN if hub == self.hub and link and self.hub != "other"), "")


@dataclass(frozen=True)
class DatasetLicense:
    """The dataset's own licence as the Hub writes it; ``name`` and ``link`` only for "other"."""

    hub: str
    name: str
    link: str
    note: str


#: Pattern of the name, the Hub's identifier, whether adaptations must carry it, the address of its text.
KNOWN = (
    (r"\bcc-?0\b|creativecommons\.org/publicdomain/zero", "cc0-1.0", False, ""),
    (r"public domain|\bpdm\b|publicdomain/mark", "other", False, ""),
    (r"\bpddl\b", "pddl", False, "https://opendatacommons.org/licenses/pddl/1-0/"),
    (r"\bunlicense\b", "unlicense", False, "https://unlicense.org/"),
    (r"\bgfdl\b|gnu free documentation", "gfdl", True, "https://www.gnu.org/licenses/fdl-1.3.html"),
    (r"\bodbl\b|open database", "odbl", True, "https://opendatacommons.org/licenses/odbl/1-0/"),
    (r"\bodc-by\b|open data commons attribution", "odc-by", False, "https://opendatacommons.org/licenses/by/1-0/"),
    (r"\bgpl[- ]?v?3", "gpl-3.0", True, "https://www.gnu.org/licenses/gpl-3.0.html"),
    (r"\bgpl[- ]?v?2", "gpl-2.0", True, "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html"),
    (r"\bmit\b(?! press)", "mit", False, "https://opensource.org/license/mit"),
    (r"\bapache", "apache-2.0", False, "https://www.apache.org/licenses/LICENSE-2.0"),
    (r"\bbsd-?3", "bsd-3-clause", False, "https://opensource.org/license/bsd-3-clause"),
    (r"\bbsd-?2", "bsd-2-clause", False, "https://opensource.org/license/bsd-2-clause"),
    (r"free art|\blal-1", "other", True, ""),
    (r"\bogl\b|open government", "other", False, ""),
)

_CC_WORDS = (
    (r"attribution", "by"),
    (r"non[- ]?commercial", "nc"),
    (r"share[- ]?alike", "sa"),
    (r"no[- ]?deriv\w*", "nd"),
)


def parse_license(text: str) -> License:
    """The licence with this SPDX id, name or address. It has an objection if it is unknown or forbids adaptations."""
    name, plain = text.strip(), text.strip().lower()
    if re.search(r"all rights reserved|proprietary|\bnone\b", plain):
        return License(name, "other", "closed", objection="it reserves all rights")
    for pattern, hub, share_alike, _ in KNOWN:
        if re.search(pattern, plain):
            return License(name, hub, hub if share_alike else "open", share_alike=share_alike)
    return _creative_commons(name, plain) or License(
        name, "other", "unknown", objection="tripletkit does not know what it allows"
    )


def license_cell(text: str) -> str:
    """A book's licence in a card's table, with a link to it where that is known."""
    link = parse_license(text).link if text else ""
    return f"[{plain(text)}]({link})" if link else plain(text) or "none given"


def _creative_commons(name: str, plain: str) -> License | None:
    for pattern, short in _CC_WORDS:
        plain = re.sub(pattern, short, plain)
    parts = set(re.findall(r"[a-z]+", plain))
    if "by" not in parts or not parts & {"cc", "creative", "creativecommons"}:
        return None
    numbers = re.findall(r"\d\.\d", plain)
    version, nc, sa = numbers[0] if numbers else "", "nc" in parts, "sa" in parts
    objection = (
        "an ND licence lets nobody share adaptations, and a dataset of cut and masked passages is one"
        if "nd" in parts
        else ""
    )
    return License(name, "other" if objection else _cc_hub(nc, sa, version), "cc", version, nc, sa, objection)


def _cc_code(nc: bool, sa: bool) -> str:
    return "by" + ("-nc" if nc else "") + ("-sa" if sa else "")


def _cc_hub(nc: bool, sa: bool, version: str) -> str:
    hub = f"cc-{_cc_code(nc, sa)}-{version}" if version else "cc"
    return hub if hub == "cc" or HUB_CC.fullmatch(hub) else "other"


def objections(books: pl.DataFrame) -> dict[str, str]:
    """Why the text of a book may not be published, by book_id. Books whose text may be published are not in it."""
    found = {}
    for book_id, text in books.select("book_id", "license").iter_rows():
        problem = parse_license(text).objection if text and text.strip() else "it has no licence"
        if problem:
            found[book_id] = f"{text}: {problem}" if text and text.strip() else problem
    return found


def refuse_without_rights(books: pl.DataFrame) -> None:
    """Raises RightsError if the text of a book may not be published. It names every such book."""
    _refuse(books, "the text of", REMEDIES)


def refuse_weights_without_rights(books: pl.DataFrame) -> None:
    """Raises RightsError if weights trained on the text of a book may not be published. It names every such book.

    Whether weights are an adaptation of what they were trained on is not settled; here they need the same right.
    """
    _refuse(
        books,
        "weights trained on the text of",
        f"{GIVE_A_LICENSE}or, if the owner allows it, `tripletkit publish --fine-tuned --i-have-the-right`.",
    )


def _refuse(books: pl.DataFrame, what: str, remedies: str) -> None:
    against = objections(books)
    if against:
        named = [
            f"{row['title']!r} ({PurePath(row['path']).name}): {against[row['book_id']]}"
            for row in books.iter_rows(named=True)
            if row["book_id"] in against
        ]
        raise RightsError(
            f"no right to publish {what} {len(named)} of {books.height} books\n  " + "\n  ".join(named), remedies
        )


def combine_licenses(texts: Iterable[str]) -> DatasetLicense:
    """The licence for a dataset made from books with these licences: one that meets the terms of all, else "other"."""
    given = sorted({parse_license(text) for text in texts}, key=lambda one: one.name)
    bound = [one for one in given if one.family != "open"]
    if not given or any(one.objection for one in given):
        return _mixed(given)
    if not bound:
        return _single(given[0], given) if len({one.hub for one in given}) == 1 else _mixed(given)
    if len({(one.hub, one.family, one.version, one.noncommercial, one.share_alike) for one in bound}) == 1:
        return _single(bound[0], given)
    return _combined_cc(bound, given) if all(one.family == "cc" for one in bound) else _mixed(given)


def _combined_cc(bound: list[License], given: list[License]) -> DatasetLicense:
    nc, sa = any(one.noncommercial for one in bound), any(one.share_alike for one in bound)
    version = max(one.version for one in bound)
    # Share-alike text stays under its own licence: BY-SA text cannot go under BY-NC-SA. From 2.0 on a later version is allowed.
    conflicting = nc and any(one.share_alike and not one.noncommercial for one in bound)
    no_later_version = any(one.share_alike and one.version in ("", "1.0") and one.version != version for one in bound)
    hub = _cc_hub(nc, sa, version)
    if conflicting or no_later_version or hub == "other" or not all(one.version for one in bound):
        return _mixed(given)
    return DatasetLicense(hub, "", "", _note(given, "which meets the terms of every book"))


def _single(one: License, given: list[License]) -> DatasetLicense:
    name = "" if one.hub != "other" else _slug(one.name)
    return DatasetLicense(
        one.hub, name, "" if one.hub != "other" else one.link, _note(given, "the licence of its text")
    )


def _mixed(given: list[License]) -> DatasetLicense:
    return DatasetLicense(
        "other",
        "each-book-its-own",
        "",
        _note(given, "no one licence covers all; each book's text stays under its own"),
    )


def _note(given: list[License], verdict: str) -> str:
    return f"{', '.join(one.name for one in given)}: {verdict}" if given else "no licence is named"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")


def check_dataset_license(stated: str, texts: Iterable[str]) -> DatasetLicense:
    """``stated`` as the dataset's licence. Raises RightsError where it grants more than a book's licence does."""
    own, books = parse_license(stated), [parse_license(text) for text in texts]
    combined = combine_licenses(book.name for book in books)
    for book in books:
        loosens = book.share_alike and own.hub not in {book.hub, combined.hub} - {"other"}
        sells = book.noncommercial and not own.noncommercial
        if loosens or sells:
            raise RightsError(
                f"the dataset cannot be {stated}: a book is {book.name}, which "
                f"{'must be passed on' if loosens else 'forbids commercial use'}",
                f"Leave the dataset's licence out; it would be {combined.hub}.",
            )
    named = (_slug(stated), own.link) if own.hub == "other" else ("", "")
    return DatasetLicense(own.hub, *named, f"{stated}, chosen by its publisher")
