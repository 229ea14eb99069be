"""Published folders as somebody else reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl

#: Opens every configuration with the real library and prints rows and types; offline, with a cache of its own.
LOAD_ALL = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
folder, names = sys.argv[1], sys.argv[2:] or get_dataset_config_names(sys.argv[1])
out = {}
for name in names:
    data = load_dataset(folder, name)
    out[name] = {split: {"rows": rows.to_list(), "types": str(rows.features)} for split, rows in data.items()}
default = load_dataset(folder)
print(json.dumps({"configs": out, "default": default["train"].column_names}))
"""


def loaded(folder: Path, home: Path) -> dict[str, Any]:
    env = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, str(folder)], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def everything_said(folder: Path) -> str:
    """Every file as text: read-mes and manifests as they are, tables as their decoded values."""
    tables = [str(pl.read_parquet(path).to_dicts()) for path in sorted(folder.rglob("*.parquet"))]
    others = [
        path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".parquet", ".png")
    ]
    return "\n".join(tables + others)
