"""Layers are a test, not a hope: who may import what."""

import ast
from pathlib import Path

import tripletkit

PACKAGE = Path(tripletkit.__file__).parent
#: Heavy or awkward libraries, and the modules that own them.
OWNERS = {
    "pypdfium2": {"pdf/reader.py", "pdf/inspect.py"},
    "pdfplumber": {"pdf/plumber.py"},
    "sentence_transformers": {
        "encoding/encoder.py",
        "evaluation/compare.py",
        "mining/cross_encoder.py",
        "training/batches.py",
        "training/losses.py",
        "training/trainer.py",
        "training/callbacks.py",
    },
    "torch": {
        "encoding/encoder.py",
        "encoding/precision.py",
        "training/batches.py",
        "training/losses.py",
        "training/trainer.py",
        "training/callbacks.py",
    },
    "transformers": {"encoding/quiet.py", "training/trainer.py", "training/callbacks.py"},
    "datasets": {"publishing/dataset_card.py", "training/trainer.py"},
    "peft": {"training/adapters.py"},
    "spacy": {"tagging/nlp.py"},
    "bm25s": {"evaluation/baselines.py"},
    "huggingface_hub": {
        "encoding/quiet.py",
        "encoding/resolve.py",
        "publishing/dataset_card.py",
        "publishing/hub.py",
        "publishing/markdown.py",
        "publishing/model_card.py",
    },
}
#: Layers from the bottom: a module imports only from its own layer or one below.
LAYERS = [
    {"errors", "__init__"},
    {"ids", "settings", "schemas", "rules", "progress", "launch"},
    {"store", "language", "near_duplicates", "books", "passage_files", "row_formats"},
    {"pdf", "tagging", "encoding", "publishing"},
    {"terms", "mining", "training", "own_passages"},
    {"evaluation", "stage"},
    {"stages"},
    {"pipeline"},
    {"rounds"},
    {"report", "doctor", "show"},
    {"cli"},
    {"__main__"},
]


def modules() -> list[tuple[str, ast.Module]]:
    return [
        (path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_heavy_libraries_stay_with_their_owners() -> None:
    for name, tree in modules():
        for library in {module.split(".")[0] for module in imported(tree)} & OWNERS.keys():
            assert name in OWNERS[library], f"{name} imports {library}"


def test_imports_point_down() -> None:
    height = {part: level for level, layer in enumerate(LAYERS) for part in layer}
    for name, tree in modules():
        own = name.split("/")[0].removesuffix(".py")
        top = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])
        for module in imported(top):
            if module.startswith("tripletkit."):
                other = module.split(".")[1]
                assert height[other] <= height[own], f"{name} imports {module}, which lies above it"


def test_nothing_prints() -> None:
    for name, tree in modules():
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "print" not in calls, name
