"""The task's class, which needs mteb: ``mteb_task`` imports this module when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import EncoderProtocol
from mteb.types import PromptType

#: Its queries are passages.
_BY_PASSAGE = "passage-to-term"
_SWAPPED = {PromptType.query: PromptType.document, PromptType.document: PromptType.query}


class PublishedRetrieval(AbsTaskRetrieval):  # type: ignore[misc]
    """The retrieval sets of a dataset folder. ``make_task`` gives it its metadata."""

    def evaluate(
        self,
        model: Any,  # noqa: ANN401
        split: str = "test",
        subsets_to_run: list[str] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """The scores by subset. Terms are encoded as queries where they are searched for, too, as tripletkit does it."""
        scores = dict[str, Any]()
        for name in subsets_to_run or self.hf_subsets:
            swaps = name == _BY_PASSAGE and isinstance(model, EncoderProtocol)
            scores |= super().evaluate(_Swapped(model) if swaps else model, split, [name], **options)
        return scores


class _Swapped:
    """An encoder that encodes queries as documents and documents as queries."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._model = model
        self.similarity, self.similarity_pairwise = model.similarity, model.similarity_pairwise
        self.mteb_model_meta = model.mteb_model_meta

    def encode(self, inputs: Any, *, prompt_type: PromptType | None = None, **options: Any) -> Any:  # noqa: ANN401
        """As the model does it."""
        return self._model.encode(inputs, prompt_type=_SWAPPED.get(prompt_type), **options)


def make_task(
    dataset: str, folder: Path, revision: str, names: Sequence[str], split: str, titles: str
) -> PublishedRetrieval:
    """The task of the sets ``names`` in ``folder``. mteb keeps results under the name of ``dataset`` and the revision."""
    metadata = TaskMetadata(
        name=f"{dataset}-{revision}",
        description=f"Terms, passages and definitions of: {titles}. The index says what is relevant to a term.",
        dataset={"path": str(folder), "revision": revision},
        type="Retrieval",
        category="t2t",
        eval_splits=[split],
        eval_langs={name: ["eng-Latn"] for name in names},
        main_score="ndcg_at_10",
    )
    # mteb reads the metadata of a task from its class.
    task: PublishedRetrieval = type("PublishedRetrieval", (PublishedRetrieval,), {"metadata": metadata})()
    return task
