import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tripletkit.encoding.encoder import SentenceEncoder, VectorCache, text_key
from tripletkit.encoding.resolve import EMBEDDED, resolve_encoder
from tripletkit.encoding.tokens import token_counter
from tripletkit.errors import EncoderError
from tripletkit.progress import Progress

QUIET = Progress(quiet=True)
TEXTS = ["a layer of porous rock", "roots", "the flat land that a river covers when it rises", "roots"]


def test_vectors_have_length_one_and_equal_texts_equal_vectors(tiny_encoder: Path) -> None:
    rows = SentenceEncoder(resolve_encoder(str(tiny_encoder)), cache=None, progress=QUIET).encode(TEXTS)
    assert rows.shape == (4, 32)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert (rows[1] == rows[3]).all()


def test_cached_texts_need_no_encoder(tiny_encoder: Path, tmp_path: Path) -> None:
    place = resolve_encoder(str(tiny_encoder))
    first = SentenceEncoder(place, cache=tmp_path, progress=QUIET).encode(TEXTS)
    again = SentenceEncoder(place, cache=tmp_path, progress=QUIET)
    again._encode = lambda *_: pytest.fail("the model was asked although every vector was cached")  # type: ignore[method-assign]
    assert (again.encode(TEXTS) == first).all()


def test_other_weights_never_get_old_vectors(tiny_encoder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    copy = tmp_path / "copy"
    shutil.copytree(tiny_encoder, copy)
    before = resolve_encoder(str(copy))
    old = SentenceEncoder(before, cache=tmp_path / "cache", progress=QUIET).encode(TEXTS)
    weights = load_file(copy / "model.safetensors")
    save_file(
        {name: value * 1.5 for name, value in weights.items()}, copy / "model.safetensors", metadata={"format": "pt"}
    )
    after = resolve_encoder(str(copy))
    assert after.fingerprint != before.fingerprint
    assert not np.allclose(SentenceEncoder(after, cache=tmp_path / "cache", progress=QUIET).encode(TEXTS), old)


@pytest.mark.parametrize("file", ["1_Pooling/config.json", "sentence_bert_config.json", "tokenizer.json"])
def test_the_fingerprint_depends_on_pooling_length_limit_and_tokenizer(
    tiny_encoder: Path, tmp_path: Path, file: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_encoder, copy)
    before = resolve_encoder(str(copy)).fingerprint
    (copy / file).write_text((copy / file).read_text() + "\n")
    assert resolve_encoder(str(copy)).fingerprint != before
    (copy / "README.md").write_text("words")
    assert resolve_encoder(str(copy)).fingerprint == resolve_encoder(str(copy)).fingerprint


def test_a_damaged_cache_file_is_encoded_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = VectorCache(tmp_path)
    cache.add([text_key("a")], np.ones((1, 2), dtype=np.float32))
    cache.add([text_key("b")], np.zeros((1, 2), dtype=np.float32))
    broken = sorted(tmp_path.glob("*.npz"))[0]
    broken.write_bytes(broken.read_bytes()[:40])
    assert len(cache.load()) == 1
    assert "damaged" in caplog.text


@pytest.mark.parametrize("spoiled", ["nan", "from another encoder"])
def test_a_cache_file_with_nan_or_of_other_weights_is_encoded_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoiled: str
) -> None:
    """The second kind is what copying a file between the folders of two encoders leaves."""
    one, other = VectorCache(tmp_path / "one"), VectorCache(tmp_path / "other")
    one.add([text_key("a")], np.ones((1, 2), dtype=np.float32))
    bad = one if spoiled == "nan" else other
    bad.add([text_key("b")], np.full((1, 2), np.nan if spoiled == "nan" else 1, dtype=np.float32))
    for path in (tmp_path / "other").glob("*.npz"):
        path.rename(tmp_path / "one" / path.name)
    assert list(one.load()) == [text_key("a")]
    assert "encoded again" in caplog.text


def test_a_cache_file_of_an_older_version_is_used(tmp_path: Path) -> None:
    np.savez(tmp_path / "old.npz", keys=np.array([text_key("a")]), vectors=np.ones((1, 2), dtype=np.float32))
    assert list(VectorCache(tmp_path).load()) == [text_key("a")]


def test_token_counts_include_special_tokens_and_cut_nothing(tiny_encoder: Path) -> None:
    place = resolve_encoder(str(tiny_encoder))
    count = token_counter(place.folder)
    assert place.max_tokens == 128
    assert count(["", "roots"])[0] == 2
    assert count(["rock " * 500])[0] >= 502


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", r"encoder '\./nowhere': no such folder"),
        ("a/b/c", "no such folder"),
        ("what ever", "neither a folder nor a hub id"),
        ("no-such-owner/no-such-encoder", r"the Hub cannot be reached.*\n.*embedded"),
    ],
)
def test_an_encoder_that_cannot_be_found_is_named(name: str, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        resolve_encoder(name)


def test_a_folder_without_an_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"has no SentenceTransformer"):
        resolve_encoder(str(tmp_path))


def test_weights_that_do_not_load_are_an_encoder_error(tiny_encoder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_encoder, copy)
    (copy / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        SentenceEncoder(resolve_encoder(str(copy)), cache=None, progress=QUIET).encode(["a"])


def test_the_embedded_encoder_is_checked_and_named() -> None:
    place = resolve_encoder(EMBEDDED)
    assert place.base == "sentence-transformers/all-MiniLM-L6-v2"
    assert place.max_tokens == json.loads((place.folder / "sentence_bert_config.json").read_text())["max_seq_length"]


def test_other_weights_under_the_embedded_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tripletkit.encoding.resolve._EMBEDDED_WEIGHTS_SHA256", "0" * 64)
    place = resolve_encoder(EMBEDDED)
    assert place.tokenizer_fingerprint
    with pytest.raises(EncoderError, match="other weights"):
        _ = place.fingerprint


def test_auto_falls_back_to_the_embedded_encoder_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert resolve_encoder("auto").name == EMBEDDED
    assert "cannot be reached; using the packaged all-MiniLM-L6-v2" in caplog.text
