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

GIVE_A_LICENSE = (
    "Give a licence with --license, in a file BOOK.pdf.license beside the book or under [licenses] in the settings; "
)
PUBLISH_TEXT = "publish without text with --redact; or say --i-have-the-right if the owner allows it."
PUBLISH_WEIGHTS = "or, if the owner allows it, `tripletkit publish --fine-tuned --i-have-the-right`."

CC = "https://creativecommons.org"
#: The Creative Commons licences that the Hub has a name for; any other is "other" there, with its own name.
HUB_CC = re.compile(r"cc-by-(2\.[05]|[34]\.0)|cc-by-sa-[34]\.0|cc-by-nc(-sa)?-[234]\.0")


@dataclass(frozen=True)
class DatasetLicense:
    """The dataset's own licence as the Hub writes it; ``name`` and ``link`` only for "other"."""

    hub: str
    name: str
    link: str
    note: str


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
    link: str = ""  # address of its text; "" if that is not known

    def of_dataset(self, note: str) -> DatasetLicense:
        """The licence of a dataset that takes this one, with a note for its card."""
        name = re.sub(r"[^a-z0-9.]+", "-", self.name.lower()).strip("-")
        return DatasetLicense(self.hub, *((name, self.link) if self.hub == "other" else ("", "")), note)


#: Pattern of the name, the Hub's identifier, whether adaptations must carry it, the address of its text.
KNOWN = (
    (r"\bcc-?0\b|creativecommons\.org/publicdomain/zero", "cc0-1.0", False, f"{CC}/publicdomain/zero/1.0/"),
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

_CC_WORDS = {"attribution": "by", "non[- ]?commercial": "nc", "share[- ]?alike": "sa", r"no[- ]?deriv\w*": "nd"}


def parse_license(text: str) -> License:
    """The licence with this SPDX id, name or address. It has an objection if it is unknown or forbids adaptations."""
    name, plain = text.strip(), text.strip().lower()
    if re.search(r"all rights reserved|proprietary|\bnone\b", plain):
        return License(name, "other", "closed", objection="it reserves all rights")
    for pattern, hub, share_alike, link in KNOWN:
        if re.search(pattern, plain):
            return License(name, hub, hub if share_alike else "open", share_alike=share_alike, link=link)
    unknown = License(name, "other", "unknown", objection="tripletkit does not know what it allows")
    return _creative_commons(name, plain) or unknown


def _creative_commons(name: str, plain: str) -> License | None:
    for pattern, short in _CC_WORDS.items():
        plain = re.sub(pattern, short, plain)
    parts = set(re.findall(r"[a-z]+", plain))
    if "by" not in parts or not parts & {"cc", "creative", "creativecommons"}:
        return None
    version = next(iter(re.findall(r"\d\.\d", plain)), "")
    if "nd" in parts:
        reason = "an ND licence lets nobody share adaptations, and a dataset of cut and masked passages is one"
        return License(name, "other", "cc", version, "nc" in parts, "sa" in parts, reason)
    return _cc(name, version, noncommercial="nc" in parts, share_alike="sa" in parts)


def _cc(name: str, version: str, *, noncommercial: bool, share_alike: bool) -> License:
    code = "by" + ("-nc" if noncommercial else "") + ("-sa" if share_alike else "")
    hub = f"cc-{code}-{version}"
    link = f"{CC}/licenses/{code}/{version}/" if version else ""
    known = (hub if HUB_CC.fullmatch(hub) else "other") if version else "cc"
    return License(name, known, "cc", version, noncommercial, share_alike, link=link)


def objection(text: str | None) -> str:
    """Why the text of a book with this licence may not be published; "" if it may."""
    if not text or not text.strip():
        return "it has no licence"
    found = parse_license(text).objection
    return f"{text}: {found}" if found else ""


def refuse_without_rights(books: pl.DataFrame, *, weights: bool = False) -> None:
    """Raises RightsError if the text of a book, or weights trained on it, may not be published. It names every such book.

    Whether weights are an adaptation of what they were trained on is not settled; here they need the same right.
    """
    rows = [(row, objection(row["license"])) for row in books.iter_rows(named=True)]
    named = [f"{row['title']!r} ({PurePath(row['path']).name}): {problem}" for row, problem in rows if problem]
    if named:
        what = f"{'weights trained on ' if weights else ''}the text of {len(named)} of {books.height} books"
        problem = "\n  ".join([f"no right to publish {what}", *named])
        raise RightsError(problem, GIVE_A_LICENSE + (PUBLISH_WEIGHTS if weights else PUBLISH_TEXT))


def combine_licenses(texts: Iterable[str]) -> DatasetLicense:
    """The licence for a dataset made from books with these licences: one that meets the terms of all, else "other"."""
    given = sorted({parse_license(text) for text in texts}, key=lambda one: one.name)
    names, common = ", ".join(one.name for one in given), _common(given)
    if common is None:
        note = f"{names}: no one licence covers all; each book's text stays under its own"
        return DatasetLicense("other", "each-book-its-own", "", note)
    reason = "the licence of its text" if common in given else "which meets the terms of every book"
    return common.of_dataset(f"{names}: {reason}")


def _common(given: list[License]) -> License | None:
    """The licence that meets the terms of all, if there is one."""
    bound = [one for one in given if one.family != "open"]
    if not given or any(one.objection for one in given):
        return None
    if not bound:
        return given[0] if len({one.hub for one in given}) == 1 else None
    if len({(one.hub, one.family, one.version, one.noncommercial, one.share_alike) for one in bound}) == 1:
        return bound[0]
    return _combined_cc(bound) if all(one.family == "cc" and one.version for one in bound) else None


def _combined_cc(bound: list[License]) -> License | None:
    nc, version = any(one.noncommercial for one in bound), max(one.version for one in bound)
    share_alike = [one for one in bound if one.share_alike]
    # Share-alike text stays under its own licence: BY-SA text cannot go under BY-NC-SA. From 2.0 on a later version is allowed.
    conflicting = nc and any(not one.noncommercial for one in share_alike)
    no_later_version = any(one.version == "1.0" != version for one in share_alike)
    made = _cc("", version, noncommercial=nc, share_alike=bool(share_alike))
    return None if conflicting or no_later_version or made.hub == "other" else made
