"""Who may import what. A new import between packages must be named here, with its reason."""

from __future__ import annotations

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import tripletkit

PACKAGE = Path(tripletkit.__file__).parent
#: Heavy or awkward libraries, and the modules that may import them.
OWNERS = {
    "pypdfium2": {"pdf/glyphs.py", "pdf/reader.py", "pdf/words.py"},
    "matplotlib": {"figures/drawing.py", "figures/plots.py"},
    "jinja2": {"reporting/page.py", "review/web.py"},
    "pdfplumber": {"pdf/pages.py"},
    "sentence_transformers": {
        "encoding/cross_encoder.py",
        "encoding/encoder.py",
        "encoding/loading.py",
        "training/batches.py",
        "training/teacher_lists.py",
        "training/losses.py",
        "training/multi_vector.py",
        "training/trainer.py",
        "training/callbacks.py",
    },
    "torch": {
        "encoding/cross_encoder.py",
        "encoding/encoder.py",
        "encoding/loading.py",
        "encoding/maxsim.py",
        "encoding/multi_vector_encoder.py",
        "encoding/precision.py",
        "training/batches.py",
        "training/blend.py",
        "training/teacher_lists.py",
        "training/losses.py",
        "training/model.py",
        "training/trainer.py",
        "training/callbacks.py",
    },
    "transformers": {
        "encoding/properties.py",
        "encoding/quiet.py",
        "encoding/tokens.py",
        "training/trainer.py",
        "training/callbacks.py",
    },
    "fsspec": {"addresses.py"},
    "datasets": {"publishing/dataset_folder.py", "training/trainer.py", "project.py"},
    "ray": {"cluster/ray_mapper.py"},
    "peft": {"training/model.py"},
    "fastapi": {"review/web.py"},
    "uvicorn": {"review/server.py"},
    "spacy": {"tagging/part_of_speech.py"},
    "bm25s": {"language/lexical.py"},
    "msgpack": {"language/word_frequencies.py"},
    "Stemmer": {"language/lexical.py"},
    "huggingface_hub": {
        "encoding/quiet.py",
        "encoding/resolve.py",
        "hub_answers.py",
        "publishing/dataset_folder.py",
        "publishing/hub.py",
        "publishing/cards.py",
        "publishing/model_card.py",
    },
}
#: Layers from the bottom: a module imports only from its own layer or one below. Packages share a layer: see ALLOWED.
LAYERS = [
    {"errors", "__init__"},
    {"addresses", "hub_answers", "ids", "settings", "schemas", "rules", "progress", "memory"},
    {"store", "language", "near_duplicates", "user_rows", "books", "reviews", "review_exchange"},
    {
        "cluster",
        "pdf",
        "tagging",
        "encoding",
        "publishing",
        "terms",
        "mining",
        "teaching",
        "training",
        "evaluation",
        "figures",
    },
    {"own_passages"},
    {"stage"},
    {"by_book"},
    {"stages"},
    {"pipeline"},
    {"rounds"},
    {"summaries", "calibration"},
    {"planning", "reporting", "review"},
    {"project"},
    {"cli"},
    {"__main__"},
]
PACKAGES = LAYERS[3] | {"language"}
#: Packages that import another package (or only one module of it), and why.
ALLOWED = {
    ("pdf", "language"): "passages end at sentences, and the layout is read by words such as `Chapter`",
    ("pdf", "encoding.tokens"): "the length of a passage is counted by the encoder's tokenizer",
    ("cluster", "pdf.workers"): "a worker of a cluster is given a function, and fails, as a process that reads a book",
    ("encoding", "cluster.mapper"): "texts are encoded where the work of a stage is done",
    ("encoding", "pdf.workers"): "a worker that encodes is given a function, and fails, as a process that reads a book",
    ("mining", "cluster.mapper"): "blocks of anchors are searched where the work of a stage is done",
    ("terms", "language"): "two spellings are one term by their normalised words",
    ("terms", "pdf.lines"): "indexes and glossaries are read from a book's lines",
    (
        "terms",
        "pdf.glossary_shapes",
    ): "extraction asks whether a section is a glossary, harvesting what its entries are",
    ("terms", "pdf.roles"): "which pages hold an index or a glossary is found once, when a book is read",
    ("terms", "pdf.paragraphs"): "words that a line's end cuts are joined in one way",
    ("terms", "pdf.workers"): "harvest_terms reads a PDF by itself",
    ("terms", "pdf.book_tables"): "harvest_terms reads a PDF by itself",
    ("terms", "tagging"): "harvest_terms and tag_terms take rows in the same forms",
    ("tagging", "language"): "a passage is searched by normalised words",
    ("mining", "language"): "a negative may not be defined in the passage or share a stem with it",
    ("mining", "tagging"): "a positive is hidden where the matcher finds it",
    ("mining", "encoding"): "candidates are ranked by vectors, or judged by a cross-encoder",
    ("mining", "pdf.workers"): "a worker that searches is given a function, and fails, as a process that reads a book",
    ("evaluation", "language"): "terms are seen or unseen by their normalised words",
    ("evaluation", "mining"): "gold answers are the miner's positives; masked tasks hide them as mining does",
    ("evaluation", "tagging"): "the exact-match baseline is the matcher",
    ("evaluation", "encoding"): "encoders rank by their vectors",
    ("teaching", "encoding"): "a teacher's scores come from an encoder",
    ("teaching", "language"): "a book's structure is read by definitions and normalised words",
    ("teaching", "mining.relations"): "mentions, forms and cited pages of terms are those of mining",
    ("training", "encoding"): "training begins with an encoder's weights",
    ("training", "mining"): "known positives are no in-batch negatives",
    ("publishing", "encoding.resolve"): "cards name the fingerprint of an encoder",
    ("publishing", "evaluation.report"): "cards show the scores",
    ("publishing", "evaluation.gold"): "the published retrieval sets are the evaluation's tasks",
    ("publishing", "evaluation.tasks"): "the published retrieval sets are the evaluation's tasks",
    ("publishing", "figures"): "cards show pictures of the report",
    ("figures", "evaluation.report"): "an evaluation is drawn from its report",
    ("publishing", "language"): "text of a book is found again by its normalised words",
}


def trees() -> dict[str, ast.Module]:
    """Each file's syntax tree, by its path within the package."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}


TREES = trees()
MODULES = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in TREES}


def imported(tree: ast.AST) -> set[str]:
    """Full names of what is imported anywhere in the file; of `from a import b` both a and a.b."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def without_type_checking(tree: ast.Module) -> ast.Module:
    """The file without what only a type checker imports."""
    return ast.Module([node for node in tree.body if not is_type_checking(node)], [])


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def own_modules(tree: ast.AST) -> set[str]:
    """Modules of this package that the file imports, such as "pdf.lines"."""
    names = {name.removeprefix("tripletkit.") for name in imported(tree) if name.startswith("tripletkit.")}
    found = names & MODULES
    # `from tripletkit.pdf.lines import Line` names pdf.lines; the package itself only where nothing of it is named.
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def test_heavy_libraries_stay_with_their_owners() -> None:
    found = {
        name
        for name, tree in TREES.items()
        for library in {module.split(".")[0] for module in imported(without_type_checking(tree))} & OWNERS.keys()
        if name not in OWNERS[library]
    }
    assert not found


def test_imports_point_down() -> None:
    height = {part: level for level, layer in enumerate(LAYERS) for part in layer}
    for name, tree in TREES.items():
        own = name.split("/")[0].removesuffix(".py")
        top = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], [])
        for module in own_modules(top) if own != "__init__" else ():
            other = module.split(".")[0]
            assert height[other] <= height[own], f"{name} imports {module}, which is in a higher layer"


def test_packages_import_only_the_packages_that_are_named_here() -> None:
    found = {
        f"{own} → {module}"
        for name, tree in TREES.items()
        for module in own_modules(tree)
        if (own := name.split("/")[0]) in PACKAGES
        and (other := module.split(".")[0]) in PACKAGES - {own}
        and not {(own, other), (own, module)} & ALLOWED.keys()
    }
    assert not found


def test_every_named_import_has_a_reason_and_no_package_is_misspelt() -> None:
    assert all(ALLOWED.values())
    assert {one.split(".")[0] for arrow in ALLOWED for one in arrow} <= PACKAGES


def test_no_stage_imports_a_stage() -> None:
    found = {
        f"{name.removeprefix('stages/').removesuffix('.py')} → {module.removeprefix('stages.')}"
        for name, tree in TREES.items()
        if name.startswith("stages/")
        for module in own_modules(tree)
        if module.startswith("stages.") and module.count(".") == 1
    }
    assert not found


def test_there_is_no_circle() -> None:
    """Imports within functions count too; what only a type checker imports does not."""
    graph = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): own_modules(without_type_checking(tree))
        for name, tree in TREES.items()
        if name != "__init__.py"
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" → ".join(error.args[1])) from None


def test_no_two_modules_have_one_name() -> None:
    names = Counter(name.split("/")[-1] for name in TREES)
    assert not {name for name, number in names.items() if number > 1 and name != "__init__.py"}


def test_nothing_prints() -> None:
    for name, tree in TREES.items():
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "print" not in calls, name


def test_importing_a_module_changes_nothing_for_others() -> None:
    """Logging, threads, the environment and others' progress bars belong to the command line."""
    for name, tree in TREES.items():
        for node in ast.walk(
            ast.Module([n for n in tree.body if not isinstance(n, ast.FunctionDef | ast.ClassDef)], [])
        ):
            called = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
            assert called not in ("basicConfig", "set_num_threads", "setdefault", "disable_progress_bars"), name
