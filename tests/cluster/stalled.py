"""Runs a stage on the cluster and stops after its first result, to be killed.

python -m tests.cluster.stalled STAGE OUTPUT ENCODER BOOK...
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from tripletkit.cluster.ray_mapper import RayMapper
from tripletkit.project import Project

_map = RayMapper.map


def stalled(self: RayMapper, *args: Any, **named: Any) -> Iterator[Any]:  # noqa: ANN401 - as RayMapper.map
    """The first result."""
    yield next(_map(self, *args, **named))
    time.sleep(600)


if __name__ == "__main__":
    stage, output, encoder, *books = sys.argv[1:]
    RayMapper.map = stalled  # type: ignore[method-assign]
    list(Project(output, books=books, encoder=encoder, cluster="auto", workers=1).stages(stage))
