from tripletkit.evaluation.leakage import leakage_note, leaked_share

RAIN = "Rain that falls on the high hills runs off into the rivers."
SNOW = "Snow that lies on the high hills melts in the warm spring."
WIND = "Wind that blows over the wide plains carries the seeds of trees."


def test_a_passage_is_leaked_if_most_of_its_sentences_stand_in_training() -> None:
    training = [f"Before it. {RAIN}", f"{SNOW} After it."]
    assert leaked_share([f"{RAIN} {SNOW} {WIND}"], training) == 1, "from two passages of training"
    assert leaked_share([f"{RAIN} {WIND}"], training) == 0, "half is not most"
    assert leaked_share([RAIN.upper(), WIND, f"{RAIN}\n{SNOW}", "So it is."], training) == 0.5


def test_short_sentences_are_no_copies() -> None:
    assert leaked_share(["The proof is by induction. It is easy."], ["The proof is by induction. It is easy."]) == 0
    assert leaked_share([], [RAIN]) == 0


def test_the_note_is_a_warning_if_anything_leaked() -> None:
    assert leakage_note(0, 1200, "test") == (
        " leakage: 0.0% of the 1,200 test passages have most of their sentences in training passages"
    )
    assert leakage_note(0.01, 100, "test").startswith("WARNING: leakage: 1.0% of the 100 test passages have most")
