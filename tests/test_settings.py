import tomllib
from pathlib import Path

import pytest

from tripletkit.errors import ConfigError
from tripletkit.settings import (
    LAST_PAGE,
    RENAMED,
    Settings,
    TrainSettings,
    describe_text,
    describe_training,
    load_settings,
    settings_lines,
)


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
        ('books = "a.pdf"\n', r"books = 'a\.pdf': .*\n.*It takes a list: books = \[\"a\.pdf\"\]"),
        ("books = [1]\n", r"books\.0 = 1: "),
        ("[train]\nlearning_rate = true\n", r"train\.learning_rate = true: input should be a valid number"),
        ("[train]\nlearning_rate = '3e-5'\n", r"train\.learning_rate = '3e-5': input should be a valid number"),
        ("[train]\nlearning_rate = inf\n", r"train\.learning_rate"),
        ("allow_worse = 1\n", r"allow_worse = 1: input should be a valid boolean"),
        ("seed = true\n", r"seed = true: input should be a valid integer"),
        ("seed = 1.5\n", r"seed = 1\.5: input should be a valid integer"),
        ("encoder = 5\n", r"encoder = 5: input should be a valid string"),
        (
            "cluster = 'nowhere'\n",
            r"cluster = 'nowhere': not one of its values\n  cluster: do the work on a Ray cluster: local",
        ),
        ("split = 3\n", r"split = 3: "),
        ("[split]\nvalidation = 0.5\ntest = 0.5\n", r"split: validation = 0\.5 and test = 0\.5 leave no passages"),
        ("[tag]\nkinds = ['poem']\n", r"tag\.kinds\.0 = 'poem': input should be 'prose', "),
        ("[tag]\nkinds = []\n", r"tag\.kinds = \[\]: "),
        ("[tag]\nkinds = 'prose'\n", r"tag\.kinds = 'prose': .*\n.*It takes a list: kinds = \[\"prose\"\]"),
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


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("loss", "mnrl", '"mnrl"'),
        ("distance", "euclidean", '"euclidean"'),
        ("in_batch_negatives", False, "false"),
        ("mini_batch_size", 8, "8"),
    ],
)
def test_a_setting_without_effect_beside_a_teacher_is_an_error(name: str, value: object, shown: str) -> None:
    with pytest.raises(
        ConfigError, match=rf'train\.{name} = {shown} has no effect with a teacher: set train\.teacher = "none"'
    ):
        load_settings(None, {f"train.{name}": value})
    assert getattr(load_settings(None, {f"train.{name}": value, "train.teacher": "none"}).train, name) == value


def test_the_learning_rate_follows_from_the_teacher() -> None:
    assert TrainSettings().peak_learning_rate == 5e-5
    assert TrainSettings(teacher="none").peak_learning_rate == 3e-5
    assert TrainSettings(learning_rate=1e-4).peak_learning_rate == 1e-4


def test_a_training_is_described_by_its_recipe() -> None:
    recipe = TrainSettings(teacher_weights={"maxsim": 1, "bm25": 0.5, "cosine": 0}, text="train").model_dump()
    assert describe_training(recipe | {"learning_rate": 5e-5}, 160) == (
        "KL divergence from the scores of the teacher 'self' (maxsim 1, bm25 0.5) in both directions (scale 20), and "
        "0.1 × TripletLoss (cosine distance, the teacher's margins up to 0.15), 160 steps of 24 passages × 120 terms, "
        "learning rate 5e-05"
    )
    assert describe_text(recipe).startswith("Unseen text: ")
    assert describe_text(recipe | {"text": "own"}).startswith("Own corpus: ")
    assert describe_text(TrainSettings(teacher="none").model_dump()).startswith("Unseen text: ")
    alone = TrainSettings(teacher="none", learning_rate=2e-5, triplet_weight=0).model_dump()
    assert describe_training(alone, 1) == (
        "TripletLoss (cosine distance, margin 0.15) with in-batch negatives, 1 step of 16 pairs, learning rate 2e-05"
    )
    assert "TripletLoss" not in describe_training(recipe | {"triplet_weight": 0}, 160)


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


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "tripletkit.toml"
    file.write_bytes(b"\xef\xbb\xbfseed = 5\n")
    assert load_settings(file).seed == 5


def test_a_setting_inside_a_value_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"setting 'seed\.x': 'seed' is not a section\n.*Sections: extract, "):
        load_settings(None, {"seed": 1, "seed.x": 2})


def test_every_setting_that_was_renamed_is_told_by_its_new_name() -> None:
    for old, new in RENAMED.items():
        if _field_exists(old):
            continue
        with pytest.raises(ConfigError, match=f"no setting is called '{old}'.*\n.*It is now called {new}"):
            load_settings(None, {old: 1})


def _field_exists(dotted: str) -> bool:
    section, name = dotted.split(".")
    return name in type(getattr(Settings(), section)).model_fields


def test_page_roles_are_set_for_all_books_or_by_file_name() -> None:
    roles = {"1-2": "front", "300-": "index", "b.pdf": {"1-20": "body", "7": "toc"}}
    extract = load_settings(overrides={"extract.roles": roles}).extract
    all_books = ((1, 2, "front"), (300, LAST_PAGE, "index"))
    assert extract.roles_of("a.pdf") == all_books
    assert extract.roles_of("b.pdf") == (*all_books, (1, 20, "body"), (7, 7, "toc"))
    assert tomllib.loads("\n".join(settings_lines(extract)))["roles"] == roles


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ({"20-1": "body"}, "'20-1' is no range of pages"),
        ({"a.pdf": {"0": "body"}}, "'0' is no range of pages"),
        ({"a.pdf": "body"}, "'a.pdf' is no range of pages"),
        ({"1-20": "text"}, "extract.roles"),
    ],
)
def test_page_roles_that_cannot_be_used(roles: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_settings(overrides={"extract.roles": roles})
