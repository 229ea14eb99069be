"""The whole flow on a book of twenty-one pages with a random encoder: order, freshness, resume, equal bytes, errors."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.book import CHAPTERS, write_book
from tests.conftest import ANY_COSINE
from tripletkit.cli import app, main
from tripletkit.store import Store

pytestmark = pytest.mark.slow
TABLES = ("books", "pages", "lines", "passages", "terms", "mentions", "splits", "triplets", "dropped")
FLAGS = [
    "--set",
    "train.max_steps=2",
    "--set",
    "train.batch_size=4",
    "--allow-worse",
    "--license",
    "CC-BY-4.0",
    *(f"--set={name}={value}" for name, value in ANY_COSINE.items()),
]


@pytest.fixture(scope="module")
def done(book: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    output = tmp_path_factory.mktemp("done") / "output"
    main_ok(["run", str(book), "--output", str(output), "--encoder", str(tiny_encoder), *FLAGS])
    return output


@pytest.fixture
def output(done: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    shutil.copytree(done, tmp_path / "output")
    return tmp_path / "output"


def main_ok(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code, f"tripletkit {' '.join(arguments)} ended with {end.value.code}"


def main_fails(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


def digests(folder: Path) -> dict[str, str]:
    store = Store(folder)
    return {name: store.sha(f"{name}.parquet") for name in TABLES} | {
        name: store.sha(name) for name in ("encoder", "dataset", "scores.json")
    }


def reports(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return {line["stage"]: line for line in lines}


def test_every_table_is_there_and_checked(done: Path) -> None:
    store = Store(done)
    for name in TABLES:
        assert store.read(name).height > 0, name


def test_the_index_became_terms_with_physical_pages(done: Path) -> None:
    terms = Store(done).read("terms")
    found = {row["term"]: row for row in terms.to_dicts()}
    wanted = {term: 3 + i for i, term in enumerate(term for terms_of in CHAPTERS.values() for term in terms_of)}
    assert set(found) == set(wanted)
    assert {term: [loc["page"] for loc in row["locators"]] for term, row in found.items()} == {
        term: [page] for term, page in wanted.items()
    }
    assert "ice cliff" in found["crevasse"]["forms"]


def test_every_surface_is_a_form_of_its_term(done: Path) -> None:
    store = Store(done)
    forms = {row["term_id"]: {form.lower() for form in row["forms"]} for row in store.read("terms").to_dicts()}
    mentions = store.read("mentions").to_dicts()
    assert all(m["surface"].lower() in forms[m["term_id"]] for m in mentions)
    assert {m["match"] for m in mentions} <= {"exact", "variant", "form"}


def test_passages_are_the_books_words(done: Path) -> None:
    passages = Store(done).read("passages").filter(kind="prose")
    assert passages["n_tokens"].max() <= 128  # type: ignore[operator]
    text = " ".join(passages["text"])
    assert "humus is the dark matter that remains when leaves and roots have rotted down." in text
    assert "Chapter 1" not in text  # the running head


def test_chapters_stay_whole(done: Path) -> None:
    store = Store(done)
    sides = (
        store.read("passages")
        .join(store.read("splits"), on="passage_id")
        .with_columns(chapter=pl.col("section").str.split(" › ").list.first())
    )
    assert sides.group_by("chapter").agg(pl.col("split").n_unique())["split"].max() == 1
    assert set(sides["split"]) == {"train", "validation", "test"}


def test_triplets_keep_the_rules(done: Path) -> None:
    store = Store(done)
    triplets, mentions = store.read("triplets"), store.read("mentions")
    said = set(mentions.select("passage_id", "term_id").iter_rows())
    assert all((row["passage_id"], row["positive_id"]) in said for row in triplets.to_dicts())
    assert not any((row["passage_id"], row["negative_id"]) in said for row in triplets.to_dicts())
    assert (triplets["cos_an"] <= triplets["cos_ap"]).all()


def test_counts_add_up(done: Path) -> None:
    """Nothing vanishes: every passage is in a split or dropped, every term said or dropped."""
    store = Store(done)
    dropped = store.read("dropped")
    assert store.read("passages").height == store.read("splits").height + dropped.filter(stage="split").height
    kept = store.read("terms").filter("kept")
    assert kept.height == store.read("mentions")["term_id"].n_unique() + dropped.filter(stage="tag").height


def test_scores_hold_both_encoders(done: Path) -> None:
    scores = json.loads((done / "scores.json").read_text())
    assert set(scores["encoders"]) == {"base", "fine-tuned"}
    assert scores["gold"] == "index"
    assert scores["encoders"]["base"]["fingerprint"] != scores["encoders"]["fine-tuned"]["fingerprint"]
    assert 0 < scores["encoders"]["fine-tuned"]["scores"]["term→passage"]["nDCG@10"] <= 1


def test_a_second_run_does_nothing(
    book: Path, tiny_encoder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main_ok(["run", str(book), "--output", str(output), "--encoder", str(tiny_encoder), "--json", *FLAGS])
    assert {stage: line["fresh"] for stage, line in reports(capsys).items()} == dict.fromkeys(
        ("extract", "glossary", "tag", "split", "mine", "teach", "publish", "train", "evaluate"), True
    )


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (["--set", "mine.negatives=1"], {"mine", "teach", "publish", "train", "evaluate"}),
        # The dataset's card tells the scores.
        (["--set", "train.margin=0.1"], {"train", "evaluate", "publish"}),
        (["--set", "evaluate.split=validation"], {"evaluate", "publish"}),
        (["--set", "publish.name=Earth"], {"publish"}),
    ],
)
def test_a_changed_setting_runs_only_what_depends_on_it(
    book: Path, tiny_encoder: Path, output: Path, capsys: pytest.CaptureFixture[str], change: list[str], again: set[str]
) -> None:
    main_ok(["run", str(book), "--output", str(output), "--encoder", str(tiny_encoder), "--json", *FLAGS, *change])
    assert {stage for stage, line in reports(capsys).items() if not line["fresh"]} == again


def test_the_cards_tell_the_scores(done: Path) -> None:
    dataset, model = ((done / folder / "README.md").read_text(encoding="utf-8") for folder in ("dataset", "encoder"))
    report = json.loads((done / "scores.json").read_text())
    tuned = report["encoders"]["fine-tuned"]
    value = f"{tuned['scores']['term→passage']['nDCG@10']:.3f}"
    for card in (dataset, model):
        assert value in next(line for line in card.splitlines() if line.startswith("| fine-tuned |"))
        assert f"The fine-tuned encoder is {'better' if report['better'] else 'not better'} than" in card
        assert all(verdict["use"] in card for verdict in report["verdicts"])
        assert tuned["fingerprint"] in card
        assert f"On the test split ({report['terms']} terms, {report['passages']} passages)" in card


def test_a_changed_rule_runs_what_depends_on_it(
    book: Path, tiny_encoder: Path, output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "stop_terms.extra.txt").write_text("loam\n")
    main_ok(
        [
            "run",
            str(book),
            "--output",
            str(output),
            "--encoder",
            str(tiny_encoder),
            "--rules",
            str(rules),
            "--json",
            *FLAGS,
        ]
    )
    made = reports(capsys)
    assert not made["glossary"]["fresh"]
    assert not made["tag"]["fresh"]
    assert made["split"]["fresh"]  # its passages came out equal
    row = Store(output).read("terms").filter(term="loam").to_dicts()[0]
    assert not row["kept"]
    assert row["reason"]


def test_one_seed_gives_equal_bytes(done: Path, book: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    main_ok(["run", str(book), "--output", str(tmp_path / "again"), "--encoder", str(tiny_encoder), "--quiet", *FLAGS])
    assert digests(tmp_path / "again") == digests(done)


_KILLED = """
import os, signal, sys
from pathlib import Path
from tripletkit import store
from tripletkit.training import trainer
point, arguments = sys.argv[1], sys.argv[2:]

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if point == "shard":
    from tripletkit.encoding import encoder
    add = encoder.VectorCache.add
    def first_then_die(self, keys, vectors):
        add(self, keys, vectors)
        kill()
    encoder.VectorCache.add = first_then_die
elif point == "training":
    trainer.save = kill
elif point == "manifest":
    write = store.Store.write_manifest
    store.Store.write_manifest = lambda self, manifest: kill() if manifest.stage == "tag" else write(self, manifest)
elif point == "scores":
    from tripletkit.evaluation.report import EvaluationReport
    EvaluationReport.write = kill
elif point == "dataset":
    from tripletkit.stages import publish
    publish.write_dataset = kill
else:
    write = store.Store.write
    store.Store.write = lambda self, name, frame: kill() if name == point else write(self, name, frame)
from tripletkit.cli import app, main
main(arguments)
"""


@pytest.mark.parametrize(
    "point",
    ["passages", "terms", "mentions", "manifest", "splits", "shard", "triplets", "dataset", "training", "scores"],
)
def test_a_killed_run_continues_to_the_same_bytes(
    done: Path, book: Path, tiny_encoder: Path, tmp_path: Path, point: str
) -> None:
    arguments = ["run", str(book), "--output", str(tmp_path / "o"), "--encoder", str(tiny_encoder), "--quiet", *FLAGS]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, point, *arguments],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    main_ok(arguments)
    assert digests(tmp_path / "o") == digests(done)


def test_a_changed_table_is_not_overwritten(
    book: Path, tiny_encoder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(output)
    store.write("splits", store.read("splits").head(5))
    assert main_fails(["run", str(book), "--output", str(output), "--encoder", str(tiny_encoder), *FLAGS]) == 1
    error = capsys.readouterr().err
    assert "splits.parquet is not what `tripletkit split` made" in error
    assert "--force" in error
    assert "Traceback" not in error
    assert store.read("splits").height == 5


def test_a_removed_table_is_made_again(book: Path, tiny_encoder: Path, output: Path, done: Path) -> None:
    (output / "mentions.parquet").unlink()
    main_ok(["run", str(book), "--output", str(output), "--encoder", str(tiny_encoder), "--quiet", *FLAGS])
    assert digests(output) == digests(done)


def test_a_stale_table_is_refused(tiny_encoder: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_ok(["split", "--output", str(output), "--encoder", str(tiny_encoder), "--set", "split.test=0.6"])
    main_ok(["mine", "--output", str(output), "--encoder", str(tiny_encoder), *FLAGS[-2:]])
    capsys.readouterr()
    main_ok(["split", "--output", str(output), "--encoder", str(tiny_encoder)])
    assert main_fails(["train", "--output", str(output), "--encoder", str(tiny_encoder)]) == 1
    assert "triplets.parquet is out of date: splits.parquet changed" in capsys.readouterr().err


def test_a_missing_input_names_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main_fails(["tag", "--output", str(tmp_path)]) == 1
    assert "passages.parquet: not there yet" in (error := capsys.readouterr().err)
    assert "tripletkit extract" in error


def test_the_other_books_finish(
    book: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.pdf"
    bad.write_bytes(b"no PDF at all")
    output = tmp_path / "o"
    assert main_fails(["extract", str(bad), str(book), "--output", str(output), "--encoder", str(tiny_encoder)]) == 1
    captured = capsys.readouterr()
    assert f"{bad}: is not a PDF" in captured.err
    assert "1 of the books could not be read" in captured.err
    assert "1 book, 21 pages" in captured.out
    dropped = Store(output).read("dropped").filter(reason="book refused").to_dicts()
    assert [row["item"] for row in dropped] == [str(bad)]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "is empty"), (b"hello", "is not a PDF"), (b"%PDF-1.4\nrubbish", "damaged")],
)
def test_no_readable_book_is_an_error(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    path = tmp_path / "b.pdf"
    if content is not None:
        path.write_bytes(content)
    assert main_fails(["extract", str(path), "--output", str(tmp_path / "o"), "--encoder", str(tiny_encoder)]) == 1
    error = capsys.readouterr().err
    assert f"{path}" in error
    assert message in error
    assert "Traceback" not in error


def test_a_book_without_a_glossary_says_what_was_sought(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.pdfs import Text, write_pdf

    page = [
        Text(60, 80 + 12 * i, f"This is line {i} of a page that speaks of rivers, hills and much besides.")
        for i in range(30)
    ]
    path = write_pdf(tmp_path / "plain.pdf", [page] * 3)
    assert main_fails(["run", str(path), "--output", str(tmp_path / "o"), "--encoder", str(tiny_encoder)]) == 1
    error = capsys.readouterr().err
    assert "no terms were found" in error
    assert "--terms FILE" in error


def test_your_own_terms_serve_such_a_book(tiny_encoder: Path, output: Path, tmp_path: Path) -> None:
    terms = tmp_path / "terms.csv"
    terms.write_text("term,definition\nfarmer,someone who works the land\n")
    main_ok(["glossary", "--terms", str(terms), "--output", str(output), "--encoder", str(tiny_encoder)])
    row = Store(output).read("terms").filter(term="farmer").to_dicts()[0]
    assert (row["book_id"], row["definition"], row["sources"]) == (None, "someone who works the land", ["user"])


def test_a_full_disk_is_told(
    book: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "some/file")

    monkeypatch.setattr(Store, "write", full)
    assert main_fails(["extract", str(book), "--output", str(tmp_path / "o"), "--encoder", str(tiny_encoder)]) == 1
    assert "the disk is full (some/file)" in capsys.readouterr().err


def test_an_encoder_that_got_worse_ends_the_command(
    book: Path, tiny_encoder: Path, output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tripletkit.stages import train

    before = {
        "term→passage": {"queries": 100.0, "nDCG@10": 0.5, "MAP": 0.5},
        "passage→term": {"nDCG@10": 0.5, "MAP": 0.5},
    }
    worse = {
        "term→passage": {"queries": 100.0, "nDCG@10": 0.4, "MAP": 0.5},
        "passage→term": {"nDCG@10": 0.5, "MAP": 0.5},
    }
    answers = iter([before, worse])
    monkeypatch.setattr(train, "judge", lambda *_: next(answers))
    arguments = [
        "train",
        "--output",
        str(output),
        "--encoder",
        str(tiny_encoder),
        "--set",
        "train.max_steps=1",
        "--set",
        "train.batch_size=2",
    ]
    assert main_fails(arguments) == 1
    assert (
        "not better than the base encoder: validation term→passage nDCG@10 0.5000 → 0.4000" in capsys.readouterr().err
    )
    assert main_fails(arguments) == 1  # fresh, and still worse
    main_ok([*arguments, "--allow-worse"])


def test_a_folder_of_an_earlier_version_is_made_again_or_named(
    book: Path, tiny_encoder: Path, output: Path, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table has a column of another name, and its manifest fits it, as an earlier version left them."""
    store = Store(output)
    mentions = store.read("mentions")
    mentions.rename({mentions.columns[-1]: "said_how"}).write_parquet(store.local("mentions.parquet"))
    manifest = store.manifest("tag")
    assert manifest is not None
    store.write_manifest(replace(manifest, outputs={"mentions.parquet": store.sha("mentions.parquet")}))
    arguments = ["--output", str(output), "--encoder", str(tiny_encoder)]
    assert main_fails(["mine", *arguments, *FLAGS[-2:]]) == 1
    error = capsys.readouterr().err
    assert "made by an earlier version" in error
    assert "Make it again with `tripletkit tag --force`" in error
    main_ok(["run", str(book), *arguments, "--quiet", *FLAGS])
    assert digests(output) == digests(done)


def test_every_commands_json_parses(
    book: Path,
    tiny_encoder: Path,
    output: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    passage = Store(output).read("passages")["passage_id"][0]
    stages = ("extract", "glossary", "tag", "split", "mine", "teach", "train", "evaluate")
    push = ["--push-to-hub", "me/earth", "--dry-run"]
    calls = [
        *([stage, *(["--allow-worse"] if stage in ("train", "evaluate") else [])] for stage in stages),
        ["run", str(book), "--allow-worse"],
        ["glossary", "--list"],
        ["tag", "--show", passage],
        ["publish", *push],
        ["publish", "--fine-tuned"],
        ["publish", "--fine-tuned", *push],
        ["publish", "--review-format", "jsonl", "--review-sample", "3"],
        ["review", "--export", "reviews.jsonl"],
        ["why", "loam", passage],
        ["publish", "--redact", "--to", "redacted"],
        ["fill", "redacted", str(book), "--to", "filled"],
        ["report"],
        ["inspect", str(book), "--page", "3"],
        ["audit", str(book)],
        ["doctor"],
        ["plan", "10", str(book)],
        ["settings"],
    ]
    assert {call[0] for call in calls} == {command.name for command in app.registered_commands}
    shared = ["--output", str(output), "--encoder", str(tiny_encoder), "--json"]
    settings = [f"--set={flag.removeprefix('--set=')}" for flag in FLAGS if "=" in flag]
    for call in calls:
        with pytest.raises(SystemExit):
            main([*call, *shared, *settings, "--set=publish.license=CC-BY-4.0"])
        lines = capsys.readouterr().out.splitlines()
        assert lines, call
        for line in lines:
            assert isinstance(json.loads(line), dict), call
            assert "error" not in json.loads(line), line


def test_two_books_with_one_title_stay_apart(tiny_encoder: Path, tmp_path: Path) -> None:
    books = [write_book(tmp_path / f"{name}.pdf", title=name) for name in ("Earth", "Globe")]
    main_ok(["extract", *map(str, books), "--output", str(tmp_path / "o"), "--encoder", str(tiny_encoder), "--quiet"])
    store = Store(tmp_path / "o")
    assert store.read("books").height == 2
    assert store.read("passages")["passage_id"].n_unique() == store.read("passages").height


def test_a_book_without_a_licence_is_not_published_but_the_run_goes_on(
    book: Path, tiny_encoder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(output / "dataset")
    arguments = ["--output", str(output), "--encoder", str(tiny_encoder)]
    assert main_fails(["publish", *arguments]) == 1
    error = capsys.readouterr().err
    assert str(book.name) in error or "earth" in error
    assert "--license" in error
    assert "--redact" in error
    without = [flag for flag in FLAGS if flag not in ("--license", "CC-BY-4.0")]
    main_ok(["run", str(book), *arguments, *without])
    captured = capsys.readouterr()
    assert "not written: no licence allows it" in captured.out
    assert not (output / "dataset").exists()


def test_a_redacted_dataset_is_filled_again_from_the_book(
    book: Path, tiny_encoder: Path, output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datasets import load_dataset

    encoder = ["--encoder", str(tiny_encoder)]
    main_ok(["publish", "--output", str(output), *encoder, "--redact", "--to", str(tmp_path / "redacted")])
    main_ok(
        [
            "fill",
            str(tmp_path / "redacted"),
            str(book),
            "--output",
            str(tmp_path / "o"),
            *encoder,
            "--to",
            str(tmp_path / "filled"),
        ]
    )
    assert "not filled: nothing" in capsys.readouterr().out
    cache = str(tmp_path / "cache")
    for name, split in (("triplet", "train"), ("term-to-passage-queries", "test"), ("passage-to-term-corpus", "test")):
        texts = [
            load_dataset(str(folder), name, split=split, cache_dir=cache).to_list()
            for folder in (output / "dataset", tmp_path / "filled")
        ]
        assert texts[0] == texts[1]
    assert {path.name for path in (output / "dataset").iterdir()} == {
        path.name for path in (tmp_path / "filled").iterdir()
    }


def test_a_dry_run_lists_what_a_push_would_send(
    tiny_encoder: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--output", str(output), "--encoder", str(tiny_encoder), "--dry-run"]
    main_ok(["publish", *arguments, "--license", "CC-BY-4.0", "--push-to-hub", "me/earth"])
    licensed = ["--set", "publish.license=CC-BY-4.0"]
    main_ok(["train", *arguments, *FLAGS[:4], *licensed, "--allow-worse", "--push", "me/earth-encoder"])
    out = capsys.readouterr().out
    assert "dataset https://huggingface.co/datasets/me/earth (private), revision main" in out
    assert "model https://huggingface.co/me/earth-encoder (private)" in out
    assert out.count("nothing was sent") == 2
    assert main_fails(["train", *arguments, "--force", "--push", "me/earth-encoder"]) == 1
    assert "no right to publish weights trained on the text of 1 of 1 books" in (captured := capsys.readouterr()).err
    assert "steps" not in captured.out  # refused before it trains
    assert main_fails(["publish", *arguments, "--license", "CC-BY-4.0"]) == 1
    assert "Add --push-to-hub OWNER/NAME" in capsys.readouterr().err
    for options in (["--review-sample", "5"], ["--review-format", "jsonl", "--push-to-hub", "me/earth"]):
        assert main_fails(["publish", *arguments[:4], *options]) == 1
        assert "publish nothing: they write triplets for another tool" in capsys.readouterr().err


def test_pushing_needs_a_token(
    tiny_encoder: Path, output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tripletkit.publishing.hub.get_token", lambda: None)
    arguments = ["publish", "--output", str(output), "--encoder", str(tiny_encoder), "--license", "CC-BY-4.0"]
    assert main_fails([*arguments, "--push-to-hub", "me/earth"]) == 1
    assert "no token" in capsys.readouterr().err
