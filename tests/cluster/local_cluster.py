"""Doubles three numbers on a cluster of this machine alone; prints the results and all addresses that were used, as JSON.

python -m tests.cluster.local_cluster FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.cluster.functions import addresses
from tripletkit.cluster.mapper import Work
from tripletkit.cluster.ray_mapper import RayMapper
from tripletkit.pdf.workers import WorkerFunction
from tripletkit.progress import Progress

if __name__ == "__main__":
    work: Work[Path, Any, Any] = Work(WorkerFunction("tests.cluster.functions:doubler"), Path(sys.argv[1]))
    found = sorted(RayMapper("local", workers=2, progress=Progress(quiet=True)).map(work, range(3), total=3))
    sys.stdout.write(json.dumps([found, sorted(addresses())]) + "\n")
