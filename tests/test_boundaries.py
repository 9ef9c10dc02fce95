"""Imports go one way, and the front door loads no library."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _modules(package: str) -> list[str]:
    """Return the names of all modules of a package of this checkout."""
    names = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def _imported_modules(module: str) -> set[str]:
    """Return the dotted names of what a module imports anywhere, found without running it."""
    path = ROOT / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names.add(str(node.module))
    return names


def _imported(module: str) -> set[str]:
    """Return the top-level names a module imports."""
    return {name.split(".")[0] for name in _imported_modules(module)}


RUNTIME = _modules("edge_runtime")

# A room imports from those before it; docs/architecture.md has them in this order too.
ROOMS = ("errors", "files", "libraries", "measure", "model", "faces", "media", "pages", "apps")
FRONT_DOOR = [m.split(".")[1] for m in RUNTIME if m.startswith("edge_runtime.cli")]


def test_front_door_loads_no_library(checkout_env) -> None:
    code = "import sys, edge_runtime.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=checkout_env, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert "edge_runtime" in loaded
    heavy = {"cv2", "onnxruntime", "tensorflow", "keras", "onnx", "rich", "numpy"}
    assert heavy.isdisjoint(loaded)


def test_reading_a_card_loads_neither_onnxruntime_nor_opencv(checkout_env, color_model) -> None:
    code = (
        "import sys\nfrom edge_runtime.cli import app\n"
        f"app(['info', {str(color_model)!r}], standalone_mode=False)\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=checkout_env, capture_output=True, text=True, check=True,
    ).stdout.splitlines()[-1].split()  # fmt: skip
    assert {"cv2", "onnxruntime", "onnx"}.isdisjoint(loaded)


def test_telemetry_is_off_before_onnxruntime_is_loaded(checkout_env) -> None:
    env = {k: v for k, v in checkout_env.items() if k != "ORT_DISABLE_TELEMETRY"}
    code = "import os, edge_runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    run = [sys.executable, "-c", code]
    assert subprocess.check_output(run, env=env, text=True) == "1\n"
    env["ORT_DISABLE_TELEMETRY"] = "0"
    assert subprocess.check_output(run, env=env, text=True) == "0\n"


@pytest.mark.parametrize("module", RUNTIME)
def test_runtime_imports_no_training_and_no_exporter(module: str) -> None:
    forbidden = {"train", "export", "benchmarks", "tests", "onnx", "tensorflow", "keras", "tf2onnx"}
    assert forbidden.isdisjoint(_imported(module))


@pytest.mark.parametrize("module", RUNTIME[1:])
def test_rooms_import_only_from_rooms_above(module: str) -> None:
    room = module.split(".")[1]
    above = ROOMS[: ROOMS.index(room) + 1] if room in ROOMS else (*ROOMS, *FRONT_DOOR)
    inside = {name.split(".")[1] for name in _imported_modules(module) if "edge_runtime." in name}
    assert inside.difference(above) == set()


def test_the_page_lists_the_rooms_in_this_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = [name.strip(" `/").removesuffix(".py") for row in rows for name in row.split(",")]
    assert [name for name in named if name in ROOMS] == list(ROOMS)


@pytest.mark.parametrize("module", ["edge_runtime.cli", "edge_runtime.cli_errors"])
def test_front_door_imports_libraries_only_inside_commands(module: str) -> None:
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in top
    }
    assert {"cv2", "onnxruntime", "numpy", "rich"}.isdisjoint(names)


@pytest.mark.parametrize("module", _modules("export"))
def test_exporter_reads_run_folders_and_imports_no_training(module: str) -> None:
    assert {"train", "benchmarks"}.isdisjoint(_imported(module))


@pytest.mark.parametrize("module", _modules("train"))
def test_training_imports_no_exporter(module: str) -> None:
    assert {"export", "benchmarks"}.isdisjoint(_imported(module))


@pytest.mark.parametrize("module", [m for m in RUNTIME if m != "edge_runtime.__main__"])
def test_public_names_are_there_and_named_once(module: str) -> None:
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])
    assert len(set(names)) == len(names)  # ruff keeps their order
    assert [name for name in names if not hasattr(loaded, name)] == []


def test_every_error_is_a_leaf_of_one_tree() -> None:
    from edge_runtime import errors

    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.EdgeError)
        assert name in errors.__doc__


@pytest.mark.parametrize("package", ["edge_runtime", "train", "export"])
def test_nothing_is_evaluated_or_unpickled(package: str) -> None:
    for module in _modules(package):
        path = ROOT / Path(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        called = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert {"eval", "exec", "literal_eval"}.isdisjoint(called), module
        assert {"pickle", "dill"}.isdisjoint(_imported(module)), module
