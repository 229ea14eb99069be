"""The train command as a user starts it: the recipe that makes an encoder worse, and two processes that share the work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.book import CHAPTERS
from tripletkit.errors import TableError
from tripletkit.ids import stable_id
from tripletkit.schemas import LINES, MENTIONS, PASSAGES, SPLITS, TEACHER, TERMS, TRIPLETS, make_table
from tripletkit.settings import Settings
from tripletkit.store import Store

TRAINING_CHAPTERS = 2
ROWS = [
    (term, f"It {what}.", "train" if number < TRAINING_CHAPTERS else "validation")
    for number, terms in enumerate(CHAPTERS.values())
    for term, what in terms.items()
]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Tables of eighteen definitions that do not mention their term: six train, twelve are for validation."""
    store = Store(tmp_path / "output")
    passages: list[dict[str, object]] = [
        {
            "passage_id": term, "book_id": "b", "section": None, "page_first": 1, "page_last": 1, "label_first": "1",
            "label_last": "1", "kind": "prose", "text": text, "n_tokens": 20, "boxes": [],
        }
        for term, text, _ in ROWS
    ]  # fmt: skip
    terms = [
        {
            "term_id": term, "book_id": "b", "term": term, "forms": [term], "sources": ["user"], "definition": None,
            "parent_id": None, "see_also": [], "locators": [], "kept": True, "reason": None,
        }
        for term, _, _ in ROWS
    ]  # fmt: skip
    said = [
        {"passage_id": term, "term_id": term, "start": 0, "end": 2, "surface": "It", "match": "form"}
        for term, _, _ in ROWS
    ]
    splits = [{"passage_id": term, "split": split} for term, _, split in ROWS]
    store.write("passages", make_table(PASSAGES, passages))
    store.write("terms", make_table(TERMS, terms))
    store.write("mentions", make_table(MENTIONS, said))
    store.write("splits", make_table(SPLITS, splits))
    store.write("triplets", make_table(TRIPLETS, _triplets()))
    store.write("teacher", make_table(TEACHER, _teacher()))
    store.write("lines", make_table(LINES, []))
    return store.work


def _teacher() -> list[dict[str, object]]:
    """Three lists of five or six training passages and all of their terms: each text is about its term."""
    training = [term for term, _, split in ROWS if split == "train"]
    lists = []
    for number in range(3):
        for term in training[number:] + training[: max(0, number - 1)]:
            scores = [4.0 * (term == other) for other in training]
            parts = ("cosine", "maxsim", "bm25", "structure", "label", "over_terms", "over_passages")
            negative = training[0] if term != training[0] else None
            row = {"list": number, "passage_id": term, "positive_id": term if negative else None}
            lists.append(row | {"negative_id": negative, "term_ids": training} | dict.fromkeys(parts, scores))
    return lists


def _triplets() -> list[dict[str, object]]:
    training = [(term, text) for term, text, split in ROWS if split == "train"]
    return [
        {
            "triplet_id": stable_id("triplet", term, other), "passage_id": term, "positive_id": term,
            "negative_id": other, "anchor": text, "positive": term, "negative": other, "cos_ap": 0.5, "cos_an": 0.4,
            "cos_pn": 0.3, "rank": 2, "rule": "nearest", "masked": False, "split": "train", "round": 0, "encoder": "?",
        }
        for term, text in training
        for other, _ in training
        if other != term
    ]  # fmt: skip


def command(launcher: list[str], output: Path, encoder: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*launcher, "-m", "tripletkit", "train", "--output", str(output), "--encoder", encoder, *flags],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_recipe_of_the_model_card_makes_a_real_encoder_worse_and_the_command_fails(output: Path) -> None:
    """all-MiniLM-L6-v2: nDCG@10 of twelve unseen definitions falls by more than its standard error within 30 steps."""
    recipe = ("--recipe", "model-card", "--set", "train.epochs=20", "--max-steps", "30")
    failed = command([sys.executable], output, "embedded", *recipe)
    assert failed.returncode == 1, failed.stderr
    assert "note: margin 5 in euclidean distance can never be met" in failed.stderr
    assert (
        "the fine-tuned encoder is not better than the base encoder: validation term→passage nDCG@10" in failed.stderr
    )
    assert "--allow-worse" in failed.stderr
    last = json.loads((output / "encoder.training.jsonl").read_text().splitlines()[-2])
    assert last["loss"] > 3
    assert last["violation_rate"] == 1
    forgiven = command(
        [sys.executable], output, "embedded", *recipe, "--allow-worse"
    )  # fresh: nothing is trained again
    assert forgiven.returncode == 0, forgiven.stderr
    assert "fresh, skipped" in forgiven.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("teacher", "epochs", "said"),
    [
        ("none", "2", "train     30 triplets, 2 steps"),
        (
            "self",
            "1",
            "train     3 lists of up to 6 passages × 6 terms by the teacher 'self' (own corpus) with 14 triplets, 2 steps",
        ),
    ],
    ids=["triplets", "lists"],
)
def test_two_processes_share_the_work_and_one_writes(
    output: Path, tiny_encoder: Path, teacher: str, epochs: str, said: str
) -> None:
    """Six pairs, three a process: one step a pass instead of two. Three lists: two steps a pass, of two lists and of one."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    flags = ("--batch-size", "3", "--epochs", epochs, "--set", "train.eval_steps=1", "--allow-worse")
    done = command(launcher, output, str(tiny_encoder), "--set", f"train.teacher={teacher}", *flags)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(said) == 1
    assert done.stderr.count("step 2: validation nDCG@10") == 1
    assert (output / "encoder" / "model.safetensors").is_file()
    assert not list(output.glob("*.partial"))
    rows = [json.loads(line) for line in (output / "encoder.training.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "eval_ndcg" in row] == [0, 1, 2]
    assert Store(output).manifest("train") is not None


@pytest.mark.slow
def test_mnrl_from_the_command_line(output: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tripletkit.cli import main

    arguments = ["train", "--output", str(output), "--encoder", str(tiny_encoder), "--loss", "mnrl", "--max-steps", "2"]
    arguments += ["--set", "train.teacher=none"]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--batch-size", "8", "--allow-worse"])
    assert not end.value.code
    assert "train     30 triplets, 2 steps" in capsys.readouterr().out
    assert (
        "MultipleNegativesRankingLoss (scale 20, known positives masked)" in (output / "encoder/README.md").read_text()
    )


@pytest.mark.slow
def test_lists_from_the_command_line(output: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tripletkit.cli import main

    arguments = ["train", "--output", str(output), "--encoder", str(tiny_encoder), "--lr", "1e-3", "--allow-worse"]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--max-steps", "12"])
    assert not end.value.code
    said = capsys.readouterr()
    assert re.search(r"160 lists of up to 18 passages × 18 terms .* with \d+ triplets, 12 steps, mean loss", said.out)
    assert ", KL divergence from the teacher " in said.out
    assert "KL divergence from the teacher" in said.err  # of the validation run at the end
    manifest = Store(output).manifest("train")
    assert manifest
    assert manifest.counts.items() >= {"lists": 160, "steps": 12, "saved step": 12}.items()


@pytest.mark.slow
def test_the_summary_says_how_much_of_the_base_encoder_was_mixed_in(
    output: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `auto` validation and the pairs of the package choose, and each mix is shown."""
    from tripletkit.cli import main

    arguments = ["train", "--output", str(output), "--encoder", str(tiny_encoder), "--max-steps", "3", "--allow-worse"]
    for given, mixes, shown in (
        ("0.25", r"25% fine-tuned weights, 75%", 0),
        ("auto", r"\d+% fine-tuned weights, \d+%", 6),
    ):
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--blend", given])
        assert not end.value.code
        said = capsys.readouterr()
        assert re.search(rf"3 steps \({mixes} base weights\), mean loss", said.out)
        assert said.err.count("general similarity") == shown


def test_an_empty_table_of_a_teacher_is_an_error() -> None:
    from tripletkit.stages.train import _list_data

    job: Any = SimpleNamespace(table=lambda _: make_table(TEACHER, []), settings=Settings())
    with pytest.raises(TableError, match=r"the table teacher is empty, but train\.teacher = 'self'"):
        _list_data(job)


def test_only_training_can_use_several_processes(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tripletkit.cli import main

    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as end:
        main(["split", "--output", str(output)])
    assert end.value.code == 1
