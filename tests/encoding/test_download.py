"""Encoders from a Hub on 127.0.0.1, in processes that know no other."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import make_tiny_encoder
from tests.encoding.layouts import half, loaded, prompts
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
DOCTOR = """
import sys
from tripletkit.cli import main
from tripletkit.encoding import resolve
resolve.time.sleep = lambda seconds: None
main(["doctor", "--encoder", "ann/encoder", "--output", sys.argv[1], "--set", "precision=float32"])
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


def doctor(hub: LoopbackHub, home: Path) -> tuple[int, str]:
    """Exit status and all that is printed, on one line."""
    process = start(hub, DOCTOR, home, home / "output")
    out, problem = process.communicate(timeout=200)
    return process.returncode, " ".join(f"{out} {problem}".split())


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


@pytest.mark.slow
def test_doctor_says_what_an_encoder_of_the_hub_is(tmp_path: Path) -> None:
    folder = half(prompts(make_tiny_encoder(tmp_path / "tiny", seed=1)))
    with running_hub() as hub:
        upload(hub, folder)
        code, text = doctor(hub, tmp_path / "home")
    assert code == 0, text
    assert "ok encoder: ann/encoder" in text
    assert "it was loaded and encodes" in text
    assert "32 dimensions, 128 tokens, cosine similarity, Transformer → Pooling" in text
    assert "prompts in use: query 'roots of ', document 'a layer of '" in text
    assert "saved in float16, held in float32, computed in float32" in text


@pytest.mark.slow
def test_doctor_names_the_answer_of_a_hub_that_fails(tmp_path: Path) -> None:
    folder = make_tiny_encoder(tmp_path / "tiny", seed=1)
    with running_hub() as hub:
        upload(hub, folder)
        hub.faults.append(Fault("GET", "/api/models/ann/encoder", status=500, times=99, page=PAGE))
        code, text = doctor(hub, tmp_path / "home")
    assert code == 1
    assert "FAIL encoder: " in text
    assert "the Hub answered 500 for /api/models/ann/encoder" in text
    assert "Traceback" not in text
