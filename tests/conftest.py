"""Shared by all tests: no network but this machine's own, a book of twenty-one pages, a random encoder of a few thousand weights."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

# Before any library reads them.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# As many threads as cores in each of several processes wait for each other: tests of training took three times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pytest

from tests.book import CHAPTERS, write_book
from tripletkit.language.normalise import term_key

#: Mining settings that accept any cosine: a random encoder finds all texts alike.
ANY_COSINE = {"mine.synonym_threshold": 1, "mine.relative_margin": 0}


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for another machine fails."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: tuple[str, int] | str) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise AssertionError(f"a test reached for the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A bucket on an S3 server of this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
            patched.setenv(f"AWS_{name}", value)
        patched.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        import fsspec

        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
    server.stop()


class HashEncoder:
    """A hashed bag of words: no weights, equal on every machine, and cosines that a reader can guess."""

    fingerprint = "hash-256"

    def encode(self, texts: Sequence[str], what: str = "texts", task: object = "document") -> npt.NDArray[np.float32]:
        rows = np.zeros((len(texts), 256), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in term_key(text):
                row[sum(ord(c) * 31**i for i, c in enumerate(word)) % 256] += 1
        unit: npt.NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return unit

    def max_similarities(self, queries: Sequence[str], documents: Sequence[str], what: str = "texts") -> None:
        """No token vectors."""


@pytest.fixture
def hash_encoder() -> HashEncoder:
    return HashEncoder()


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_book(tmp_path_factory.mktemp("books") / "earth.pdf")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentenceTransformer folder with random weights: one layer, 32 dimensions, 128 tokens at most."""
    return make_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny", seed=0)


def make_tiny_encoder(folder: Path, *, seed: int) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertModel

    torch.manual_seed(seed)
    plain = folder.with_name("plain")
    tokenizer = tiny_tokenizer()
    BertModel(_tiny_config(tokenizer)).save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    transformer = Transformer(str(plain), max_seq_length=128)
    SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode="mean")], device="cpu").save_pretrained(
        str(folder), create_model_card=False
    )
    return folder


def make_tiny_cross_encoder(folder: Path, *, seed: int) -> Path:
    """A CrossEncoder folder with random weights and one score."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    model = BertForSequenceClassification(_tiny_config(tokenizer, num_labels=1))
    torch.nn.init.normal_(model.classifier.weight, std=2.0)  # else all scores are .50
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tiny_config(tokenizer: Any, **more: object) -> Any:  # noqa: ANN401 - untyped library
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        **more,
    )


def tiny_tokenizer() -> Any:  # noqa: ANN401 - untyped library
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    # Spelt out: the library's trainer breaks ties otherwise in each process, and passages are cut by tokens.
    words = {word for terms in CHAPTERS.values() for pair in terms.items() for word in " ".join(pair).lower().split()}
    signs = sorted({sign for word in words for sign in word} | set(".,;:?!()'-0123456789"))
    pieces = [*signs, *(f"##{sign}" for sign in signs), *sorted(words - set(signs))]
    vocabulary = {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=128,
    )


@pytest.fixture
def count_words() -> Callable[[Sequence[str]], list[int]]:
    """Stands in for a tokenizer: one token a word, and two special ones."""
    return lambda texts: [len(text.split()) + 2 for text in texts]
