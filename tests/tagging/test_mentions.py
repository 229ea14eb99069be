"""What a book writes its terms as becomes their forms."""

from hypothesis import given
from hypothesis import strategies as st

from tripletkit.rules import load_rules
from tripletkit.tagging.matcher import Form, Matcher
from tripletkit.tagging.mentions import Context, Tagger, fold, join_surfaces, surfaces_of, with_surfaces

CONTEXT = Context(load_rules())
FORMS = {
    "vertex": ["vertex"],
    "split": ["divide-and-conquer"],
    "heap": ["binary heap"],
    "cut": ["cut"],
    "svm": ["support vector machine", "SVM"],
    "set": ["SET"],
    "bayes": ["Bayes’ theorem"],
}
WORDS = (
    "vertices",
    "Vertices",
    "VERTEX",
    "divide and conquer",
    "BinaryHeap",
    "binary-heaps",
    "SVMs",
    "set",
    "SET",
    "x",
)


def tagger(forms: dict[str, list[str]]) -> Tagger:
    rows = [Form(term_id, form, form == held[0]) for term_id, held in forms.items() for form in held]
    return Tagger(Matcher(rows), CONTEXT)


def test_surfaces_of_parts_are_those_of_the_whole() -> None:
    texts = ["Vertices and a vertex.", "VERTICES; binary heaps, Binary-Heaps.", "An SVM, SVMs."]
    found = list(zip(texts, [one.mentions for one in tagger(FORMS).tag(texts)], strict=True))
    whole = surfaces_of(found)
    assert whole
    assert join_surfaces(surfaces_of([one]) for one in found) == whole


def observed(*texts: str) -> dict[str, list[str]]:
    found = surfaces_of((text, tagged.mentions) for text, tagged in zip(texts, tagger(FORMS).tag(texts), strict=True))
    return {term_id: with_surfaces(forms, found.get(term_id, ())) for term_id, forms in FORMS.items()}


def test_each_surface_is_a_form_once_in_its_smallest_case() -> None:
    forms = observed("Vertices and the vertices of a VERTEX. Divide and conquer by BinaryHeap.", "Two SVMs, one set.")
    assert forms["vertex"] == ["vertex", "vertices"]
    assert forms["split"] == ["divide-and-conquer", "Divide and conquer"]
    assert forms["heap"] == ["binary heap", "BinaryHeap"]
    assert forms["svm"] == ["support vector machine", "SVM", "SVMs"]


def test_no_acronym_loses_its_capitals() -> None:
    assert observed("The SET is set.")["set"] == ["SET"]


def test_the_make_of_quotes_and_dashes_gives_no_new_form() -> None:
    assert observed("By Bayes' theorem.")["bayes"] == ["Bayes’ theorem"]


def test_a_plural_among_the_forms_lets_no_verb_pass() -> None:
    forms = observed("Two cuts are made; it cuts the graph.")
    assert forms["cut"] == ["cut", "cuts"]
    (tagged,) = tagger(forms).tag(["Two cuts are made; it cuts the graph."])
    assert [match.start for match in tagged.mentions] == [4]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_every_mention_is_a_form_and_none_is_lost_or_won(text: str) -> None:
    forms = observed(text)
    (before,), (after,) = tagger(FORMS).tag([text]), tagger(forms).tag([text])
    assert {(m.start, m.end, m.form.term_id) for m in before.mentions} == {
        (m.start, m.end, m.form.term_id) for m in after.mentions
    }
    for m in after.mentions:
        assert fold(text[m.start : m.end]) in {fold(form) for form in forms[m.form.term_id]}
