from collections import Counter

import numpy as np
import pytest

from tests.conftest import HashEncoder
from tripletkit.encoding.encoder import SentenceEncoder
from tripletkit.encoding.resolve import resolve_encoder
from tripletkit.evaluation.scoring import general_similarity, graded_pairs, spearman
from tripletkit.progress import Progress


def test_the_pairs_are_balanced_and_no_pair_is_there_twice() -> None:
    pairs = list(graded_pairs())
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
def test_a_good_encoder_agrees_with_the_grades(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a third of the pairs, for the test's sake; over all of them all-MiniLM-L6-v2 has 0.90."""
    third = list(graded_pairs())[::3]
    monkeypatch.setattr("tripletkit.evaluation.scoring.graded_pairs", lambda: iter(third))
    encoder = SentenceEncoder(resolve_encoder("embedded"), cache=None, progress=Progress(quiet=True))
    assert general_similarity(encoder, 0).point[0] > 0.85
