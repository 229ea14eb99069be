from pathlib import Path

import pytest

from tripletkit.errors import ConfigError
from tripletkit.report import settings_lines
from tripletkit.settings import Settings, load_settings


def test_flags_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tripletkit.toml"
    file.write_text("seed = 3\n[mine]\nnegatives = 5\npositives = 2\n")
    settings = load_settings(file, {"mine.negatives": 1, "output": "there"})
    assert (settings.seed, settings.mine.negatives, settings.mine.positives, settings.output) == (
        3,
        1,
        2,
        Path("there"),
    )


def test_paths_in_a_file_count_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tripletkit.toml"
    file.write_text('books = ["a.pdf"]\nrules = "mine"\n[glossary]\nterms = "t.csv"\n')
    settings = load_settings(file, {})
    assert settings.books == (tmp_path / "a.pdf",)
    assert (settings.rules, settings.glossary.terms) == (tmp_path / "mine", tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[mine]\nnegativs = 5\n", r"mine\.negativs.*\n.*Did you mean 'negatives'"),
        ("sead = 1\n", r"'sead'.*\n.*Did you mean 'seed'"),
        ("[train]\nmargin = 0\n", r"train\.margin = 0: .*greater than 0"),
        ("[train]\ndistance = 'manhattan'\n", r"train\.distance = 'manhattan'"),
        ("[split\n", "not a readable TOML file"),
    ],
)
def test_what_is_wrong_is_said_in_the_users_words(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "tripletkit.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_settings(file, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such settings file"):
        load_settings(tmp_path / "nowhere.toml", {})


def test_the_seed_recipe_is_the_cards() -> None:
    recipe = load_settings(None, {"train.recipe": "model-card"}).train
    assert (recipe.distance, recipe.margin, recipe.learning_rate, recipe.batch_size, recipe.epochs) == (
        "euclidean",
        5.0,
        5e-5,
        16,
        3,
    )
    assert (recipe.loss, recipe.keep_best, recipe.patience) == ("triplet", False, 0)  # it kept its last weights
    assert load_settings(None, {"train.recipe": "model-card", "train.epochs": 1}).train.epochs == 1


def test_printed_settings_give_the_same_settings(tmp_path: Path) -> None:
    settings = load_settings(
        None, {"seed": 7, "licenses": {"a b.pdf": "CC-BY-4.0"}, "mine.kinds": ["prose", "box"], "output": "o"}
    )
    file = tmp_path / "again.toml"
    file.write_text("\n".join(settings_lines(settings)))
    assert load_settings(file, {}) == settings


def test_every_setting_says_what_it_means() -> None:
    models = [Settings, *(info.annotation for info in Settings.model_fields.values())]
    for model in models:
        for name, info in getattr(model, "model_fields", {}).items():
            if not hasattr(info.annotation, "model_fields"):
                assert info.description, f"{model}.{name} has no description"
