"""The trained encoder's card and its way to the Hub, with a folder that stands in for an encoder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tests.publishing.tables import ALPHA, BETA, unlicensed
from tests.publishing.trained import score, trained
from tripletkit.cli import main
from tripletkit.encoding.resolve import fingerprint_of
from tripletkit.errors import RightsError, TableError
from tripletkit.publishing.cards import plain, read_scores
from tripletkit.schemas import REALS, TEACHER, make_table
from tripletkit.settings import PublishSettings, TrainSettings, describe_loss
from tripletkit.stages.publish import prepare_encoder
from tripletkit.store import Manifest, Store


def card_of(store: Store, **settings: Any) -> str:  # noqa: ANN401
    return (prepare_encoder(store, PublishSettings(**settings)) / "README.md").read_text(encoding="utf-8")


def publish(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["publish", *arguments])
    return int(end.value.code or 0)


def test_hub_reads_the_card_with_its_scores(tmp_path: Path) -> None:
    store = trained(tmp_path)
    report = score(store)
    data: Any = ModelCard(card_of(store)).data
    assert (data.base_model, data.license) == ("sentence-transformers/all-MiniLM-L6-v2", "cc-by-4.0")
    assert (data.library_name, data.pipeline_tag) == ("sentence-transformers", "sentence-similarity")
    assert data.model_name == "all-MiniLM-L6-v2 fine-tuned on The alpha book"
    told = {(one.task_name, one.metric_type, one.dataset_split): one.metric_value for one in data.eval_results}
    fine_tuned = report["encoders"]["fine-tuned"]["scores"]
    assert told == {
        ("term→passage", "ndcg_at_10", "test"): round(fine_tuned["term→passage"]["nDCG@10"], 6),
        ("passage→term", "map", "test"): round(fine_tuned["passage→term"]["MAP"], 6),
    }


def test_card_names_data_recipe_and_scores(tmp_path: Path) -> None:
    store = trained(tmp_path)
    score(store)
    card = card_of(store, authors={"alpha.pdf": "Ann Author"})
    # Beta has test passages only, so nothing was learned from it.
    assert (
        "| The alpha book | Ann Author | [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/) | 10 | 24 |" in card
    )
    assert "beta" not in card
    assert "TripletLoss (cosine distance, margin 0.2), 93 steps of 16 triplets, learning rate 2e-05." in card
    assert "| ranker | term→passage nDCG@10 | term→passage MAP | passage→term nDCG@10 | passage→term MAP |" in card
    row = next(line for line in card.splitlines() if line.startswith("| fine-tuned + BM25 |"))
    assert row.count("0.725 (0.675 to 0.775)") == 2
    report = read_scores(store)
    assert report is not None
    assert all(plain(str(of)) in card for of in (*report.verdicts, *report.ahead))
    assert "/home/ann" not in card
    assert fingerprint_of(store.sha("encoder")) in card
    assert "base_fingerprint" not in card
    assert 'SentenceTransformer("OWNER/NAME")' in card


def test_without_test_scores_the_card_shows_validation_scores(tmp_path: Path) -> None:
    card = card_of(trained(tmp_path))
    assert "On the validation split, which may have been used to choose settings" in card
    assert "| fine-tuned | 0.612 | 0.450 | 0.612 | 0.450 |" in card
    assert "you search" not in card


def test_card_leaves_the_encoder_as_it_was(tmp_path: Path) -> None:
    store = trained(tmp_path)
    before = store.sha("encoder")
    assert card_of(store) == card_of(store)
    assert store.sha("encoder") == before


def test_scores_of_older_triplets_are_not_shown(tmp_path: Path) -> None:
    store = trained(tmp_path)
    score(store)
    store.write("triplets", store.read("triplets").head(30))
    assert read_scores(store) is None
    with pytest.raises(TableError, match="was trained on other triplets than those there now"):
        prepare_encoder(store, PublishSettings())


def test_an_encoder_that_train_did_not_make_is_refused(tmp_path: Path) -> None:
    store = trained(tmp_path)
    (tmp_path / "encoder/modules.json").write_text("[{}]")
    with pytest.raises(TableError, match="is not what `tripletkit train` made"):
        prepare_encoder(store, PublishSettings())
    store.forget("train")
    with pytest.raises(TableError, match=r"not there yet\n  Make it with `tripletkit train`"):
        prepare_encoder(store, PublishSettings())


def teach_beta(store: Store) -> None:
    """One list of the teacher: a passage of the book that has test passages only."""
    beta = store.read("books").filter(title="The beta book")["book_id"][0]
    row: dict[str, object] = {"list": 0, "passage_id": store.read("passages").filter(book_id=beta)["passage_id"][0]}
    row |= {"positive_id": None, "negative_id": None, "term_ids": ["a"]}
    row |= {name: [1.0] for name, kind in TEACHER.schema.items() if kind == REALS}
    store.write("teacher", make_table(TEACHER, [row]))


def test_a_book_whose_text_a_teacher_read_is_named_and_needs_a_licence(tmp_path: Path) -> None:
    store = trained(tmp_path / "free")
    teach_beta(store)
    assert "| The beta book |" in card_of(store)
    store = trained(tmp_path / "unlicensed", ALPHA, unlicensed(BETA))
    card_of(store)
    teach_beta(store)
    with pytest.raises(RightsError, match="The beta book"):
        prepare_encoder(store, PublishSettings())


def test_an_encoder_of_other_lists_is_refused(tmp_path: Path) -> None:
    store = trained(tmp_path)
    made = store.manifest("train")
    assert made
    made.key["inputs"]["teacher.parquet"] = "other"
    store.write_manifest(made)
    with pytest.raises(TableError, match="was trained on other lists of the teacher than those there now"):
        prepare_encoder(store, PublishSettings())


def test_the_card_of_a_taught_encoder_names_teacher_and_text(tmp_path: Path) -> None:
    store = trained(tmp_path)
    note = json.loads((tmp_path / "encoder/tripletkit.json").read_text())
    recipe = TrainSettings(learning_rate=5e-5, blend=0.7).model_dump(mode="json")
    (tmp_path / "encoder/tripletkit.json").write_text(json.dumps(note | {"recipe": recipe}))
    store.write_manifest(
        Manifest(
            "train", {"inputs": {"triplets.parquet": store.sha("triplets.parquet")}}, {"encoder": store.sha("encoder")}
        )
    )
    card = card_of(store)
    assert "KL divergence from the scores of the teacher 'self'" in card
    assert (
        "93 steps of 24 passages × 120 terms, learning rate 5e-05, then mixed: 70% fine-tuned weights, 30% base weights. Own corpus: "
        in card
    )


def test_weights_need_a_licence_too(tmp_path: Path) -> None:
    store = trained(tmp_path, unlicensed(ALPHA, "All rights reserved"), unlicensed(BETA))
    with pytest.raises(
        RightsError, match=r"weights trained on the text of 1 of 1 books\n +'The alpha book'"
    ) as refusal:
        prepare_encoder(store, PublishSettings())
    assert "--i-have-the-right" in refusal.value.hint
    assert "--redact" not in refusal.value.hint
    assert "The publisher states" in card_of(store, i_have_the_right=True)
    assert "license: cc-by-4.0" in card_of(trained(tmp_path / "two", unlicensed(ALPHA)), license="CC BY 4.0")


def test_the_folder_holds_no_text_of_the_books(tmp_path: Path) -> None:
    store = trained(tmp_path, unlicensed(ALPHA))
    score(store)
    card_of(store, i_have_the_right=True)
    said = "\n".join(
        path.read_text(errors="replace") for path in (tmp_path / "encoder").rglob("*") if path.is_file()
    ).lower()
    assert [secret for secret in ALPHA.secrets if secret.lower() in said] == []
    assert "someone" not in said
    assert "widget" not in said
    # The same search finds it all where the text lies.
    texts = " ".join(store.read("passages")["text"].to_list() + store.read("passages")["section"].to_list()).lower()
    assert all(secret.lower() in texts for secret in ALPHA.secrets)


def test_command_lists_what_would_be_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score(trained(tmp_path))
    assert publish("--fine-tuned", "--output", str(tmp_path), "--push-to-hub", "ann/enc", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "model https://huggingface.co/ann/enc (private), revision main" in out
    assert re.search(r"^ +[\d,]+  README\.md$", out, re.MULTILINE)
    assert "4 files" in out
    assert not (tmp_path / "dataset").exists()


def test_command_refuses_dataset_options_for_an_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path, unlicensed(ALPHA))
    assert publish("--output", str(tmp_path), "--redact", "--fine-tuned") == 1
    assert "--to and --redact are for the dataset, not for the encoder" in capsys.readouterr().err
    assert publish("--output", str(tmp_path), "--fine-tuned") == 1
    assert "'The alpha book' (alpha.pdf): it has no licence" in capsys.readouterr().err
    assert publish("--output", str(tmp_path), "--fine-tuned", "--i-have-the-right") == 0
    assert f"{tmp_path / 'encoder'}: wrote its card, README.md" in capsys.readouterr().out


def test_card_says_what_a_batch_counts() -> None:
    assert describe_loss({"loss": "triplet", "distance": "cosine", "margin": 0.15, "in_batch_negatives": True}) == (
        "TripletLoss (cosine distance, margin 0.15) with in-batch negatives"
    )
    assert (
        describe_loss({"loss": "mnrl", "scale": 20})
        == "MultipleNegativesRankingLoss (scale 20, known positives masked)"
    )
