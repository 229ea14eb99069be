"""The real clients in processes of their own, with HF_ENDPOINT at a Hub on 127.0.0.1 before anything is imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.publishing.loopback_hub import WRITER, LoopbackHub, running_hub
from tests.publishing.retrieval import RETRIEVAL_CONFIGURATIONS, sets_of
from tests.publishing.tables import CONFIGURATIONS, DETAILS, small_tables
from tripletkit.publishing.dataset_folder import write_dataset

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"  # nothing listens there: what asks for another machine fails at once

PUSH_AND_LOAD = """
import json, sys
from pathlib import Path
from tripletkit.publishing.hub import PushOptions, fetch_dataset, plan_push, push
folder, options = Path(sys.argv[1]), PushOptions(tag="v1")
first, second = (push(plan_push(folder, "ann/small", "dataset", options)) for _ in range(2))
from datasets import get_dataset_config_names, load_dataset
def rows(name, **more):
    return {split: data.to_list() for split, data in load_dataset("ann/small", name, **more).items()}
names = get_dataset_config_names("ann/small")
from tripletkit import mteb_task
task = mteb_task("ann/small", revision="v1")
task.load_data()
streamed = list(load_dataset("ann/small", "triplet", split="test", revision="v1", streaming=True))
print(json.dumps({
    "commits": [first.commit, second.commit], "changed": [first.changed, second.changed], "names": names,
    "hub": {name: rows(name) for name in names}, "streamed": streamed,
    "default": load_dataset("ann/small")["train"].column_names,
    "mteb": {name: task.dataset[name]["test"]["corpus"]["text"][:] for name in task.hf_subsets},
    "fetched": sorted(path.name for path in fetch_dataset("ann/small", "v1").iterdir()),
}))
"""

PUSH = """
import json, sys
from pathlib import Path
from tripletkit.publishing.hub import plan_push, push
report = push(plan_push(Path(sys.argv[1]), "ann/small", "dataset"))
print(json.dumps({"commit": report.commit, "tries": report.tries}))
"""

#: Runs the code of the published card as it stands, but for the encoder's name.
MODEL = """
import json, re, sys
from pathlib import Path
from huggingface_hub import hf_hub_download
from sentence_transformers import SentenceTransformer
from tests.conftest import make_tiny_encoder
from tripletkit.publishing.hub import plan_push, push
encoder = make_tiny_encoder(Path("tiny").absolute(), seed=0)
report, again = (push(plan_push(encoder, "ann/encoder", "model")) for _ in range(2))
text = ["the gradient of the loss"]
names = ("ann/encoder", str(encoder))
from_hub, from_disk = (SentenceTransformer(name, device="cpu").encode(text).tolist() for name in names)
push(plan_push(Path(sys.argv[1]), "ann/small", "dataset"))
card = Path(hf_hub_download("ann/small", "README.md", repo_type="dataset")).read_text()
code = "".join(re.findall(r"```python\\n(.*?)```", card, re.S))
assert "all-MiniLM-L6-v2" in code
names = {}
exec(code.replace("sentence-transformers/all-MiniLM-L6-v2", "ann/encoder"), names)
trained = names["model"].encode(text).tolist()
print(json.dumps({"commits": [report.commit, again.commit], "same": from_hub == from_disk, "moved": trained != from_disk,
                  "steps": names["trainer"].state.global_step,
                  "loss": names["trainer"].state.log_history[-1]["train_loss"],
                  "ndcg": names["scores"]["cosine_ndcg@10"]}))
"""


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with running_hub() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tables = small_tables()
    write_dataset(tables, tmp_path / "set", details=DETAILS, sets=sets_of(tables))
    return tmp_path / "set"


def start(hub: LoopbackHub, code: str, home: Path, *arguments: Path) -> subprocess.Popen[str]:
    """``code`` in a new process that knows no Hub but ``hub``, with a cache of its own in ``home``."""
    home.mkdir(exist_ok=True)
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(home),
        "HF_TOKEN": WRITER,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, **settings},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-4000:]
    assert WRITER not in out + err
    return dict(json.loads(out.splitlines()[-1]))


@pytest.mark.slow
def test_push_then_load_every_configuration(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    got = result(start(hub, PUSH_AND_LOAD, tmp_path / "home", folder))
    assert got["changed"] == [True, False]
    assert got["commits"][0] == got["commits"][1]
    assert hub.count("POST", "/commit/") == 1
    assert set(got["names"]) == {*CONFIGURATIONS, *RETRIEVAL_CONFIGURATIONS}
    written = {
        name: {split: pl.read_parquet(folder / name / f"{split}-*.parquet").to_dicts() for split in splits}
        for name, splits in got["hub"].items()
    }
    assert got["hub"] == written
    rows = small_tables()["triplets"].select("split", "anchor", "positive", "negative").to_dicts()
    for split, published in got["hub"]["triplet"].items():
        assert published == [
            {key: row[key] for key in ("anchor", "positive", "negative")} for row in rows if row["split"] == split
        ]
    assert got["streamed"] == got["hub"]["triplet"]["test"]
    assert got["default"] == ["anchor", "positive", "negative"]
    corpora = {
        name.removesuffix("-corpus"): rows["test"] for name, rows in got["hub"].items() if name.endswith("-corpus")
    }
    assert got["mteb"] == {name: [row["text"] for row in rows] for name, rows in corpora.items()}
    assert {"README.md", "tripletkit.json", "triplet"} <= set(got["fetched"])


@pytest.mark.slow
def test_a_push_that_was_killed_goes_on_where_it_was(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    process = start(hub, PUSH, tmp_path / "home", folder)
    arrived: list[str] = []

    def kill_at_the_eighth(oid: str) -> None:
        arrived.append(oid)
        if len(arrived) == 8:
            process.send_signal(signal.SIGKILL)

    hub.on_put = kill_at_the_eighth
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    hub.on_put = None
    repo, kept = hub.repos["dataset", "ann/small"], set(hub.store)
    assert len(kept) >= 8
    assert set(repo.commits[repo.branches["main"]]) == {".gitattributes"}  # nothing half-made to be seen
    uploads = hub.count("PUT", "/store/")
    report = result(start(hub, PUSH, tmp_path / "home", folder))
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")}
    assert hub.count("PUT", "/store/") - uploads == len(set(files.values())) - len(kept)  # equal files go up once
    assert len(repo.commits) == 2
    assert {
        path: blob.data for path, blob in repo.commits[report["commit"]].items() if path.endswith(".parquet")
    } == files


@pytest.mark.slow
def test_model_goes_up_comes_back_and_trains_by_the_card(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    got = result(start(hub, MODEL, tmp_path / "home", folder))
    assert got["commits"][0] == got["commits"][1]
    assert got["same"]
    assert got["moved"]
    assert got["steps"] == 9  # 24 triplets in batches of 8, three times
    assert 0 < got["loss"] < 1
    assert 0 < got["ndcg"] < 1
