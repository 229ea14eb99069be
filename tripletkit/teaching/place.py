"""Where a teacher lies that is not the base encoder, and which kind of model it is. Imports neither torch nor numpy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tripletkit.encoding.properties import FAMILIES, model_family
from tripletkit.encoding.resolve import EncoderFolder, resolve_encoder
from tripletkit.errors import EncoderError

#: Values of train.teacher that name no encoder beside the base encoder.
NO_OTHER = ("self", "none")
SENTENCE_TRANSFORMER, _, MULTI_VECTOR, CROSS_ENCODER = FAMILIES


def resolve_teacher(name: str) -> EncoderFolder | None:
    """Where the teacher lies; None for "self" and "none". Raises EncoderError for what is no model of a known kind."""
    if name in NO_OTHER:
        return None
    with naming_the_setting():
        place = resolve_encoder(name)
        if teacher_family(place) == SENTENCE_TRANSFORMER:
            _ = place.properties
        return place


def teacher_family(place: EncoderFolder) -> str:
    """Sentence-transformers' class of the model. Raises EncoderError for a kind that cannot teach."""
    family = model_family(place.name, place.folder)
    if family not in (SENTENCE_TRANSFORMER, MULTI_VECTOR, CROSS_ENCODER):
        raise EncoderError(
            f"encoder {place.name!r}: it is a {family}, which cannot teach",
            "Give a SentenceTransformer, a MultiVectorEncoder or a CrossEncoder.",
        )
    return family


@contextmanager
def naming_the_setting() -> Iterator[None]:
    """An error names the setting."""
    try:
        yield
    except EncoderError as error:
        hint = f"{error.hint} Or set train.teacher to self or none."
        raise EncoderError(f"train.teacher: {error.problem}", hint) from error
