"""Encoders from a Hub on 127.0.0.1, in processes that know no other."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import make_tiny_encoder
from tests.encoding.layouts import loaded
from tests.publishing.loopback_hub import Blob, Fault, LoopbackHub, running_hub
from tests.publishing.test_loopback import start

FETCH = """
import json, sys
from tripletkit.encoding import resolve
from tripletkit.encoding.loading import check_encoder
from tripletkit.errors import TripletkitError
resolve.time.sleep = lambda seconds: None
try:
    place = resolve.resolve_encoder("ann/encoder")
    print(json.dumps([place.max_tokens, check_encoder(place)]))
except TripletkitError as error:
    print(json.dumps([error.problem, error.hint]))
"""
PAGE = b"<html>Internal Server Error</html>"


def upload(hub: LoopbackHub, folder: Path) -> None:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    repo = hub.make("model", "ann/encoder", private=False)
    repo.commit("main", {path: Blob(data, large=path.endswith(("safetensors", "bin"))) for path, data in files.items()})
    hub.store |= {Blob(data, large=True).sha256: data for data in files.values()}


def fetch(hub: LoopbackHub, home: Path) -> list[object]:
    process = start(hub, FETCH, home)
    out, problem = process.communicate(timeout=200)
    assert process.returncode == 0, problem
    found: list[object] = json.loads(out.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_an_encoder_is_fetched_whatever_its_weights_are_saved_in(tmp_path: Path, weights: str) -> None:
    folder = make_tiny_encoder(tmp_path / "tiny", seed=1)
    if weights.endswith("bin"):
        import torch

        torch.save(loaded(folder).transformers_model.state_dict(), folder / weights)
        (folder / "model.safetensors").unlink()
    with running_hub() as hub:
        upload(hub, folder)
        assert fetch(hub, tmp_path / "home") == [128, 32]


@pytest.mark.slow
def test_an_answer_of_500_is_tried_again_and_named_with_its_path(tmp_path: Path) -> None:
    folder = make_tiny_encoder(tmp_path / "tiny", seed=1)
    with running_hub() as hub:
        upload(hub, folder)
        hub.faults.append(Fault("GET", "/api/models/ann/encoder", status=500, times=1, page=PAGE))
        assert fetch(hub, tmp_path / "home") == [128, 32]
        shutil.rmtree(tmp_path / "home")
        hub.faults.append(Fault("GET", "/api/models/ann/encoder", status=500, times=99, page=PAGE))
        problem, _ = fetch(hub, tmp_path / "home")
        assert "the Hub answered 500 for /api/models/ann/encoder" in str(problem)
