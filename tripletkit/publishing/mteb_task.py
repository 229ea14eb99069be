"""The retrieval sets of a published dataset as a task of mteb."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tripletkit.errors import ConfigError, HubError
from tripletkit.publishing.dataset_folder import read_manifest
from tripletkit.publishing.hub import MAIN, find_dataset
from tripletkit.publishing.retrieval_sets import HELD_OUT, SETS

if TYPE_CHECKING:
    from tripletkit.publishing.mteb_retrieval import PublishedRetrieval


def mteb_task(dataset: str | Path, *, split: str = "test", revision: str = MAIN) -> PublishedRetrieval:
    """The retrieval sets of a published dataset as a task for ``mteb.evaluate``. Needs the extra ``[mteb]``.

    Its subsets are term-to-passage, passage-to-term and, where the dataset has definitions, definition-to-passage. As in
    ``evaluate``, terms and definitions are encoded as queries and passages as documents in all of them. Its name contains a
    hash of the sets, so that mteb never takes the cached results of another dataset for those of this one.

    Args:
        dataset: A dataset folder, or OWNER/NAME on the Hub.
        split: test or validation.
        revision: Branch, tag or commit on the Hub.

    Returns:
        An ``AbsTaskRetrieval`` whose main score is nDCG@10.

    Raises:
        ConfigError: mteb is not installed.
        HubError: The dataset is not there, holds no text, or has no such split.

    """
    if find_spec("mteb") is None:
        raise ConfigError("mteb_task: mteb is not installed", "pip install 'tripletkit[mteb]'")
    folder = find_dataset(dataset, revision)
    manifest = read_manifest(folder)
    if manifest["redacted"]:
        raise HubError(f"{folder}: is redacted, its texts are missing", "Restore them with `tripletkit fill`.")
    names = [name for name in SETS if split in manifest["rows"].get(f"{name}-queries", {})]
    if not names:
        problem = f"{folder}: has no retrieval set with a split {split!r} (splits can be {' and '.join(HELD_OUT)})"
        raise HubError(problem, "Name another split, or make the dataset again with `tripletkit publish`.")
    from tripletkit.publishing.mteb_retrieval import make_task

    titles = ", ".join(book["title"] for book in manifest["books"])
    return make_task(Path(dataset).name, folder, _hash_of(folder, names), names, split, titles)


def _hash_of(folder: Path, names: list[str]) -> str:
    """sha256 of the sets' files, the first 12 hexadecimal digits."""
    found = hashlib.sha256()
    for name in names:
        for path in sorted(folder.glob(f"{name}-*/*.parquet")):
            found.update(path.read_bytes())
    return found.hexdigest()[:12]
