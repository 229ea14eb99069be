import pickle
import re
from pathlib import Path

import pytest

from tripletkit.errors import RulesError
from tripletkit.rules import KINDS, default_folder, load_rules


def test_every_packaged_file_is_known_and_loads() -> None:
    assert {path.stem for path in default_folder().glob("*.txt")} == set(KINDS)
    rules = load_rules()
    assert all(rules.files[name] for name in KINDS)


def test_every_packaged_pattern_compiles_and_stays_behind_when_sent_to_another_process() -> None:
    rules = load_rules()
    patterns = [rule for name, held in rules.files.items() if KINDS[name] in ("patterns", "labelled") for rule in held]
    assert all(rule.pattern.flags & re.IGNORECASE for rule in patterns)
    sent = pickle.loads(pickle.dumps(rules))
    assert sent == rules
    assert not any("pattern" in vars(rule) for held in sent.files.values() for rule in held)


def test_labels_and_starts() -> None:
    rules = load_rules()
    assert rules.label("titles", "Key Terms") == "glossary"
    assert rules.label("titles", "Keyhole surgery") is None
    assert rules.starts("captions", "Figure 3.2: A tree") is not None
    assert rules.starts("captions", "The figure shows") is None


def test_a_folder_replaces_and_extends(tmp_path: Path) -> None:
    (tmp_path / "stop_terms.txt").write_text("# mine\nfoo\n")
    (tmp_path / "captions.extra.txt").write_text("abbildung \\d+\n")
    rules = load_rules(tmp_path)
    assert rules.words("stop_terms") == {"foo"}
    assert rules.starts("captions", "Abbildung 3")
    assert rules.starts("captions", "Figure 3")
    assert rules.fingerprint != load_rules().fingerprint
    assert rules.word_fingerprint == load_rules().word_fingerprint
    (tmp_path / "plurals.extra.txt").write_text("kine: cow\n")
    assert load_rules(tmp_path).word_fingerprint != rules.word_fingerprint


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("captions.txt", "fine\n(open\n", r"captions\.txt:2: '\(open' is not a regular expression"),
        ("titles.txt", "# c\nno label\n", r"titles\.txt:2: expected 'label: pattern'"),
        ("captiosn.txt", "x\n", r"captiosn\.txt: no rules file of that name"),
    ],
)
def test_a_bad_rule_is_named_by_file_and_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RulesError, match=message):
        load_rules(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="no such folder"):
        load_rules(tmp_path / "nowhere")
