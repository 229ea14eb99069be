"""The published retrieval sets, read by other evaluators, give the scores of ``tripletkit evaluate``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer

import tripletkit
from tests.publishing.retrieval import KINDS, SETS, cited_tables, published, sets_of
from tests.publishing.tables import DETAILS, small_tables
from tripletkit.encoding.given_encoder import given_encoder
from tripletkit.errors import ConfigError, HubError
from tripletkit.evaluation.gold import anchor_passages, build_gold
from tripletkit.evaluation.scoring import NamedEncoder, score_encoders
from tripletkit.publishing.dataset_folder import write_dataset

#: Metrics of ``evaluate``, and what mteb and sentence-transformers call them.
NAMES = {
    "nDCG@10": ("ndcg_at_10", "cosine_ndcg@10"),
    "MAP": ("map_at_1000", "cosine_map@"),
    "MRR@10": ("mrr_at_10", "cosine_mrr@10"),
    "recall@10": ("recall_at_10", "cosine_recall@10"),
    "recall@20": ("recall_at_20", "cosine_recall@20"),
}
#: A query prompt that reads like a passage, so that exchanged prompts change the scores.
PROMPTS = {"query": "In part 3 the term is explained: ", "document": "layer "}


#: Prompts, and the split that is scored.
CASES = pytest.mark.parametrize(
    ("prompts", "split"), [(None, "validation"), (PROMPTS, "test")], ids=["no prompts", "prompts"]
)
#: mteb calls a method of sentence-transformers by its former name.
RENAMED = pytest.mark.filterwarnings("ignore:The `get_sentence_embedding_dimension`:FutureWarning")
ROOT = Path(__file__).parents[2]


def run_documented(blocks: int, dataset: Path, encoder: Path) -> dict[str, Any]:
    """The names that the first Python blocks of docs/publishing.md define, run with these folders."""
    names: dict[str, Any] = {}
    page = (ROOT / "docs/publishing.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[:blocks]:
        source = block.replace('"output/dataset"', repr(str(dataset))).replace('"output/encoder"', repr(str(encoder)))
        exec(compile(source, "docs/publishing.md", "exec"), names)
    return names


def model_with(prompts: dict[str, str] | None, folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu", prompts=prompts)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return published(tmp_path / "small")


def expected(model: SentenceTransformer, split: str) -> dict[str, dict[str, float]]:
    """The scores of ``evaluate``, by set."""
    tables = cited_tables()
    passages = anchor_passages(tables["passages"], tables["splits"], kinds=KINDS, split=split)
    gold = build_gold(passages, tables["terms"], tables["mentions"])
    report = score_encoders(gold, [NamedEncoder("tiny", given_encoder(model), "[MASK]")], split=split, seed=0)
    return {name: dict(report.encoders["tiny"].scores[name.replace("-to-", "→")]) for name in SETS}


@pytest.mark.slow
@RENAMED
@CASES
def test_mteb_gives_the_scores_of_evaluate(
    tiny_encoder: Path, folder: Path, prompts: dict[str, str] | None, split: str
) -> None:
    import mteb

    model = model_with(prompts, tiny_encoder)
    task = tripletkit.mteb_task(folder, split=split)
    results = mteb.evaluate(model, task, cache=None, show_progress_bar=False).task_results[0].scores[split]
    found = {scores["hf_subset"]: scores for scores in results}
    for name, scores in expected(model, split).items():
        for metric, (theirs, _) in NAMES.items():
            assert found[name][theirs] == pytest.approx(scores[metric], abs=1e-4), (name, metric)
        assert found[name]["main_score"] == found[name]["ndcg_at_10"]


@CASES
def test_sentence_transformers_gives_the_scores_of_evaluate(
    tiny_encoder: Path, folder: Path, prompts: dict[str, str] | None, split: str
) -> None:
    model = model_with(prompts, tiny_encoder)
    evaluator = run_documented(1, folder, tiny_encoder)["evaluator"]
    for name, scores in expected(model, split).items():
        prompts_of = (
            {"query_prompt_name": "document", "corpus_prompt_name": "query"} if name == "passage-to-term" else {}
        )
        found = evaluator(str(folder), name, split, precision_recall_at_k=[10, 20], **prompts_of)(model)
        for metric, (_, theirs) in NAMES.items():
            value = next(value for key, value in found.items() if key.startswith(theirs))
            assert value == pytest.approx(scores[metric], abs=1e-4), (name, metric)


@pytest.mark.slow
@RENAMED
def test_documented_code_runs(folder: Path, tiny_encoder: Path) -> None:
    names = run_documented(2, folder, tiny_encoder)
    found = {scores["hf_subset"]: scores["main_score"] for scores in names["results"].task_results[0].scores["test"]}
    for name in SETS:
        scores = names["evaluator"](str(folder), name)(names["encoder"])
        assert scores["cosine_ndcg@10"] == pytest.approx(found[name], abs=1e-4)


def test_results_of_another_dataset_are_never_taken_for_its_own(folder: Path, tmp_path: Path) -> None:
    tables = small_tables()
    write_dataset(tables, tmp_path / "other/small", details=DETAILS, sets=sets_of(tables))
    again = published(tmp_path / "again/small")
    one, same, other = (tripletkit.mteb_task(of).metadata.name for of in (folder, again, tmp_path / "other/small"))
    assert one == same != other
    assert one.startswith("small-")


def test_what_cannot_be_a_task_is_refused_in_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HubError, match="has no retrieval set with a split 'train'"):
        tripletkit.mteb_task(folder, split="train")
    with pytest.raises(HubError, match="is redacted, its texts are missing\n  Restore them with `tripletkit fill`"):
        tripletkit.mteb_task(published(tmp_path / "redacted", redact=True))
    with pytest.raises(HubError, match="not a dataset folder of tripletkit"):
        tripletkit.mteb_task(tmp_path)
    monkeypatch.setattr("tripletkit.publishing.mteb_task.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"mteb is not installed\n  pip install 'tripletkit\[mteb\]'"):
        tripletkit.mteb_task(folder)
