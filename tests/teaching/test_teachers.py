"""Teachers of each kind against their definitions, what is refused, and what a change of the teacher runs again."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import ANY_COSINE, make_tiny_cross_encoder, make_tiny_encoder
from tests.encoding.test_refused import broken_configuration, not_a_number, sparse, token_classifier
from tests.teaching.models import make_tiny_multi_vector
from tripletkit import Project
from tripletkit.encoding import resolve
from tripletkit.encoding.encoder import MAXSIM, Encoder, SentenceEncoder
from tripletkit.encoding.multi_vector_encoder import MultiVectorScorer
from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.errors import EncoderError
from tripletkit.progress import Progress
from tripletkit.settings import TrainSettings
from tripletkit.teaching.draw import BEST_TERMS, Row
from tripletkit.teaching.place import resolve_teacher
from tripletkit.teaching.teachers import (
    EncoderTeacher,
    Teacher,
    check_teacher,
    load_teacher,
    reordered,
    usable_weights,
)
from tripletkit.training.multi_vector import save_multi_vector

NAMES = ["humus", "crevasse", "the water table", "delta", "loess", "moraine", "aquifer", "fault"]
TEXTS = [
    "A crevasse opens in the ice.",
    "The humus is dark. It rots.",
    "Water fills the aquifer below the water table.",
]
QUIET: dict[str, Any] = {"progress": Progress(quiet=True), "precision": "float32"}


@pytest.fixture
def base(tiny_encoder: Path) -> Encoder:
    return SentenceEncoder(resolve_encoder(str(tiny_encoder)), cache=None, **QUIET)


def teacher_in(folder: Path, base: Encoder, cache: Path | None = None) -> Teacher:
    def encoder(place: EncoderFolder) -> Encoder:
        return SentenceEncoder(place, cache=cache, **QUIET)

    return load_teacher(resolve_teacher(str(folder)), base, encoder, cache=cache, **QUIET)


def unit(rows: Any) -> Any:  # noqa: ANN401 - an array
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_self_is_the_base_encoder(base: Encoder) -> None:
    assert resolve_teacher("self") is None
    teacher = load_teacher(None, base, lambda _: base, cache=None, **QUIET)
    parts = teacher.parts(NAMES, TEXTS)
    assert np.array_equal(parts["cosine"], base.encode(TEXTS) @ base.encode(NAMES, task="query").T)
    tokens = base.max_similarities(NAMES, TEXTS)
    assert tokens is not None
    assert np.array_equal(parts["maxsim"], tokens.T)
    rows: list[Row] = [{"list": 0}]
    assert teacher.reorder(rows, {}, {}) == rows


def test_another_encoder_takes_the_place_of_the_base(tmp_path: Path, base: Encoder) -> None:
    from sentence_transformers import SentenceTransformer

    folder = make_tiny_encoder(tmp_path / "other", seed=7)
    parts = teacher_in(folder, base).parts(NAMES, TEXTS)
    model = SentenceTransformer(str(folder), device="cpu")
    wanted = unit(model.encode(TEXTS)) @ unit(model.encode(NAMES)).T
    assert np.allclose(parts["cosine"], wanted, atol=1e-5)
    assert not np.allclose(parts["cosine"], EncoderTeacher(base).parts(NAMES, TEXTS)["cosine"], atol=1e-3)
    assert parts["maxsim"].shape == (len(TEXTS), len(NAMES))


def test_a_multi_vector_encoder_gives_the_mean_over_query_tokens_of_the_best_cosine(
    tmp_path: Path, base: Encoder
) -> None:
    from sentence_transformers import MultiVectorEncoder

    folder = make_tiny_multi_vector(tmp_path / "many", seed=3)
    parts = teacher_in(folder, base).parts(NAMES, [*TEXTS, "."])
    assert set(parts) == {"maxsim"}
    model = MultiVectorEncoder(str(folder), device="cpu")
    wanted = np.array(
        [
            [(query @ text.T).max(axis=1).values.mean().item() for query in model.encode_query(NAMES)]
            for text in model.encode_document([*TEXTS, "."])
        ]
    )
    assert np.allclose(parts["maxsim"], wanted, atol=1e-5)


def test_the_base_encoders_own_multi_vector_folder_teaches_as_the_base_does(
    tmp_path: Path, base: Encoder, tiny_encoder: Path
) -> None:
    save_multi_vector(TrainSettings(multi_vector=True), resolve_encoder(str(tiny_encoder)), tmp_path / "many")
    parts, wanted = (of.parts(NAMES, TEXTS) for of in (teacher_in(tmp_path / "many", base), EncoderTeacher(base)))
    assert np.allclose(parts["maxsim"], wanted["maxsim"], atol=1e-5)


def test_a_teacher_on_the_hub_is_fetched_as_the_base_encoder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = {"ann/cross": make_tiny_cross_encoder(tmp_path / "cross", seed=1)}
    monkeypatch.setattr(resolve, "_download", fetched.__getitem__)
    place = resolve_teacher("ann/cross")
    assert place is not None
    assert check_teacher(place).startswith(f"CrossEncoder in {tmp_path / 'cross'}")


def test_token_scores_are_kept_under_the_teachers_weights(
    tmp_path: Path, base: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = make_tiny_multi_vector(tmp_path / "many", seed=3), tmp_path / "cache"
    first = teacher_in(folder, base, cache).parts(NAMES, TEXTS)
    place = resolve_teacher(str(folder))
    assert place is not None
    assert {file.parent.name for file in (cache / MAXSIM).rglob("*.npy")} == {f"{place.fingerprint}-float32"}
    monkeypatch.setattr(MultiVectorScorer, "_vectors", None)  # any use of the model fails
    assert np.array_equal(teacher_in(folder, base, cache).parts(NAMES, TEXTS)["maxsim"], first["maxsim"])


def some_rows(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Two lists of three passages by eight terms, with logits that are all different."""
    ids = [f"t{j}" for j in range(len(NAMES))]
    rows = list[dict[str, Any]]()
    for number in range(2):
        over_terms, over_passages = rng.permutation(48).astype(np.float32).reshape(2, 3, 8).tolist()
        for i in range(3):
            rows.append(
                {
                    "list": number,
                    "passage_id": f"p{i}",
                    "term_ids": ids,
                    "over_terms": over_terms[i],
                    "over_passages": over_passages[i],
                    "bm25": [0.0] * 8,
                }
            )
    return rows


def by_cross_encoder(rows: list[dict[str, Any]], score: Callable[[str, str], float]) -> list[dict[str, Any]]:
    """The definition, a value at a time: the k-th largest of a group's values goes to the k-th best by the cross-encoder."""
    found: list[dict[str, Any]] = [
        {**row, "over_terms": [*row["over_terms"]], "over_passages": [*row["over_passages"]]} for row in rows
    ]
    best = [np.argsort([-value for value in row["over_terms"]], kind="stable")[:BEST_TERMS].tolist() for row in rows]

    def assign(places: list[tuple[int, int]], name: str) -> None:
        values = sorted((rows[i][name][j] for i, j in places), reverse=True)
        order = sorted(places, key=lambda at: -score(NAMES[at[1]], TEXTS[at[0] % 3]))
        for (i, j), value in zip(order, values, strict=True):
            found[i][name][j] = value

    for i, places in enumerate(best):
        assign([(i, j) for j in places], "over_terms")
    for of_list, j in itertools.product(((0, 1, 2), (3, 4, 5)), range(8)):
        assign([(i, j) for i in of_list if j in best[i]], "over_passages")
    return found


def test_a_cross_encoder_orders_the_best_terms_of_each_passage(
    tmp_path: Path, base: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import CrossEncoder

    folder = make_tiny_cross_encoder(tmp_path / "cross", seed=2)
    model, rows = CrossEncoder(str(folder), device="cpu"), some_rows(np.random.default_rng(0))
    teacher = teacher_in(folder, base, tmp_path / "cache")
    names, texts = {f"t{j}": name for j, name in enumerate(NAMES)}, {f"p{i}": text for i, text in enumerate(TEXTS)}
    found = teacher.reorder(rows, names, texts)
    wanted = by_cross_encoder(rows, lambda name, text: float(model.predict([(name, text)])[0]))
    assert found == wanted
    assert found != rows
    assert [sorted(row["over_terms"]) for row in wanted] == [sorted(row["over_terms"]) for row in rows]
    assert np.array_equal(teacher.parts(NAMES, TEXTS)["maxsim"], EncoderTeacher(base).parts(NAMES, TEXTS)["maxsim"]), (
        "the base encoder scores all pairs"
    )
    place = resolve_teacher(str(folder))
    assert place is not None
    assert {file.parent.name for file in (tmp_path / "cache/pairs").rglob("*.npz")} == {f"{place.fingerprint}-float32"}
    monkeypatch.setattr(CrossEncoder, "predict", None)
    assert teacher_in(folder, base, tmp_path / "cache").reorder(rows, names, texts) == wanted


def test_only_scored_values_change_places_and_equal_scores_change_nothing() -> None:
    logits = np.array([[5, 1, 4, 2], [1, 2, 3, 4]], dtype=np.float32)
    judged = np.array([[0.1, np.nan, 0.2, 0.9], [7, 7, 7, np.nan]], dtype=np.float32)
    assert reordered(logits, judged).tolist() == [[2, 1, 4, 5], [1, 2, 3, 4]]
    assert reordered(logits, judged * 100 - 3).tolist() == [[2, 1, 4, 5], [1, 2, 3, 4]]


def test_the_weight_of_a_part_that_is_missing_goes_to_the_other() -> None:
    weights, some = {"cosine": 0.0, "maxsim": 1.0, "bm25": 0.0, "label": 3.0}, np.zeros((1, 1), dtype=np.float32)
    assert usable_weights(weights, {"cosine": some, "maxsim": some}) == weights
    assert usable_weights(weights, {"cosine": some}) == {"cosine": 1.0, "maxsim": 0.0, "bm25": 1.0, "label": 3.0}
    assert usable_weights({"cosine": 2.0, "label": 3.0}, {"maxsim": some}) == {
        "cosine": 0.0,
        "maxsim": 2.0,
        "label": 3.0,
    }


def missing(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def cross_encoder_of_two_scores(folder: Path) -> Path:
    from transformers import AutoModelForSequenceClassification

    make_tiny_cross_encoder(missing(folder), seed=0)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, ignore_mismatched_sizes=True)
    model.save_pretrained(folder)
    return folder


def cross_encoder_with_nan(folder: Path) -> Path:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(make_tiny_cross_encoder(missing(folder), seed=0))
    next(model.parameters()).data[0, 0] = float("nan")
    model.save_pretrained(folder)
    return folder


def multi_vector_with_nan(folder: Path) -> Path:
    from sentence_transformers import MultiVectorEncoder

    model = MultiVectorEncoder(str(make_tiny_multi_vector(missing(folder), seed=0)), device="cpu")
    next(model.parameters()).data[0, 0] = float("nan")
    shutil.rmtree(folder)
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (missing, "no such folder"),
        (sparse, "is a SparseEncoder"),
        (token_classifier, "BertForTokenClassification, which is no encoder"),
        (not_a_number, "hold NaN"),
        (broken_configuration, "configuration file .* cannot be read"),
        (cross_encoder_of_two_scores, "gives 2 scores a pair"),
        (cross_encoder_with_nan, "hold NaN"),
        (multi_vector_with_nan, "hold NaN"),
    ],
)
def test_what_cannot_teach_is_refused_in_one_line(tmp_path: Path, spoil: Callable[[Path], Path], why: str) -> None:
    folder = spoil(make_tiny_encoder(tmp_path / "teacher", seed=1))
    with pytest.raises(EncoderError, match=f"train.teacher: .*{why}") as refused:
        check_teacher(resolve_teacher(str(folder)))  # type: ignore[arg-type]
    assert str(folder) in refused.value.problem
    assert "\n" not in refused.value.problem
    assert "self or none" in refused.value.hint


KINDS = {
    "SentenceTransformer": make_tiny_encoder,
    "MultiVectorEncoder": make_tiny_multi_vector,
    "CrossEncoder": make_tiny_cross_encoder,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_teacher_is_named_by_its_kind(tmp_path: Path, kind: str) -> None:
    place = resolve_teacher(str(KINDS[kind](tmp_path / "teacher", seed=1)))
    assert place is not None
    assert check_teacher(place).startswith(f"{kind} in {place.folder}, fingerprint {place.fingerprint}; ")


STAGES = ("extract", "glossary", "tag", "split", "mine", "teach")


def project_with(teacher: str, output: Path, book: Path, encoder: Path) -> Project:
    settings: dict[str, Any] = {"train.teacher": teacher, "train.max_steps": 6, "publish.license": "CC-BY-4.0"}
    return Project(output, books=[book], encoder=encoder, **settings | ANY_COSINE)


def test_a_teacher_that_cannot_be_used_is_refused_before_any_work(
    book: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    project = project_with(str(cross_encoder_with_nan(tmp_path / "cross")), tmp_path / "out", book, tiny_encoder)
    assert any("train.teacher: " in check.what and not check.fine for check in project.checks())
    with pytest.raises(EncoderError, match=r"train\.teacher: .* hold NaN"):
        project.extract()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_another_teacher_runs_teach_again_and_nothing_before_it(book: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "teacher", tmp_path / "out"

    def taught(teacher: str) -> tuple[list[str], str, pl.DataFrame]:
        project = project_with(teacher, output, book, tiny_encoder)
        reports = list(project.stages(*STAGES))
        ran = [report.stage for report in reports if not report.fresh]
        return ran, reports[-1].summary, project.table("teacher")

    ran, summary, by_self = taught("self")
    assert ran == list(STAGES)
    assert "by teacher 'self' (maxsim 1" in summary
    for kind, make in KINDS.items():
        shutil.rmtree(folder, ignore_errors=True)
        ran, summary, table = taught(str(make(folder, seed=5)))
        assert ran == ["teach"]
        assert f"({kind}" in summary
        assert table.columns == by_self.columns
        assert not table.equals(by_self)
        if kind == "CrossEncoder":
            assert table.drop("over_terms", "over_passages").equals(by_self.drop("over_terms", "over_passages"))
        assert taught(str(folder))[0] == []
    published = project_with(str(folder), output, book, tiny_encoder)
    published.publish()
    rows = published.dataset("scored-list")
    assert sum(one.num_rows for one in rows.values()) == table.height
    card = (output / "dataset/README.md").read_text()
    assert "| `train.teacher` | `teacher` |" in card
    assert str(tmp_path) not in card
    ran, _, table = taught("none")
    assert ran == ["teach"]
    assert table.is_empty()
