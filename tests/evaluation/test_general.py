from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import HashEncoder
from tripletkit.encoding.encoder import SentenceEncoder
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.errors import SourceError
from tripletkit.evaluation.general import general_similarity, graded_pairs, spearman
from tripletkit.progress import Progress


def test_the_pairs_are_balanced_and_no_pair_is_there_twice() -> None:
    pairs = graded_pairs()
    assert Counter(grade for grade, *_ in pairs) == dict.fromkeys(range(6), 30)
    assert len({frozenset(texts) for _, *texts in pairs}) == len(pairs)


def test_spearman_by_hand() -> None:
    """Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 · 5)."""
    ones, others = np.array([1.0, 2, 2, 3]), np.array([10.0, 20, 30, 40])
    drawn = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [0, 0, 3, 3]])
    assert spearman(ones, others, drawn)[:, 0] == pytest.approx([(4.5 / 5) ** 0.5, (4.5 / 5) ** 0.5, 1])


def test_common_words_alone_do_not_make_a_good_encoder(hash_encoder: HashEncoder) -> None:
    estimate = general_similarity(hash_encoder, 0)
    assert 0.4 < estimate.point[0] < 0.75
    assert estimate.interval is not None
    low, high = estimate.interval
    assert low < estimate.point < high
    assert high - low < 0.25


@pytest.mark.slow
def test_a_good_encoder_agrees_with_the_grades() -> None:
    """On a third of the pairs, for the test's sake; over all of them all-MiniLM-L6-v2 has 0.90."""
    encoder = SentenceEncoder(resolve_encoder("embedded"), cache=None, progress=Progress(quiet=True))
    assert general_similarity(encoder, 0, graded_pairs()[::3]).point[0] > 0.85


@pytest.mark.parametrize(
    ("name", "sign", "columns"),
    [
        ("pairs.csv", ",", ("text1", "text2", "score")),
        ("pairs.csv", ";", ("score", "sentence1", "sentence2")),
        ("pairs.tsv", "\t", ("sentence1", "sentence2", "score", "genre")),
    ],
)
def test_a_users_own_pairs(
    tmp_path: Path, name: str, sign: str, columns: tuple[str, ...], hash_encoder: HashEncoder
) -> None:
    """The score is the number of words that the texts share, and so is the encoder's cosine."""
    words = ["loam", "fjord", "delta", "humus", "silt"]
    rows = [
        {
            "1": " ".join(words[:4]),
            "2": " ".join((words * 2)[n % 5 : n % 5 + n // 5 + 1]),
            "score": f"{n / 4}",
            "genre": "x",
        }
        for n in range(20)
    ]
    lines = [sign.join(columns)] + [
        sign.join(row[of.removeprefix("text").removeprefix("sentence")] for of in columns) for row in rows
    ]
    (tmp_path / name).write_text("\n".join(lines))
    pairs = graded_pairs(tmp_path / name)
    assert pairs == [(float(row["score"]), row["1"], row["2"]) for row in rows]
    assert general_similarity(hash_encoder, 0, pairs).point[0] > 0.5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("text1,text2,score\na,b,high\n", r"pairs\.csv:2: score .*unable to parse string as a number, got str 'high'"),
        ("text1,text2,score\na,b,\n", r"pairs\.csv:2: .*number"),
        ("text1,text2,score\na,b,nan\n", r"pairs\.csv:2: score"),
        ("text1,text2\na,b\n", r"pairs\.csv:2: no score"),
        ("a,b,score\na,b,1\n", r"pairs\.csv: no column 'text1' or 'sentence1'"),
        ("text1,text2,score\n" + "a,b,1\n" * 19, r"pairs\.csv: 19 pairs with 1 different scores"),
        ("text1,text2,score\n" + "a,b,1\n" * 20, r"pairs\.csv: 20 pairs with 1 different scores"),
    ],
)
def test_pairs_that_cannot_be_used_are_an_error(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(SourceError, match=problem):
        graded_pairs(tmp_path / "pairs.csv")


def test_pairs_of_another_format_or_of_no_file_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"pairs\.xlsx: pairs are read from \.csv or \.tsv"):
        graded_pairs(tmp_path / "pairs.xlsx")
    with pytest.raises(SourceError, match=r"gone\.csv: cannot be read"):
        graded_pairs(tmp_path / "gone.csv")
