"""How the library is imported: public names, what they load, no circles."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import analysis

ROOT = Path(analysis.__file__).parent
NAMES = {"Alignment", "diagnose", "Diagnosis", "Failure", "METRICS", "score", "Thresholds"}


def module_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module_of(path): path for path in ROOT.rglob("*.py")}


def imported(module: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Modules of the library that a module imports, wherever in it the statement stands."""
    package = module if MODULES[module].name == "__init__.py" else module[:-1]
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            base += tuple(node.module.split(".")) if node.module else ()
            inner = {(*base, alias.name) for alias in node.names} & MODULES.keys()
            found |= inner or {base}
    return found


def test_no_module_imports_itself_by_way_of_others():
    graph = {module: imported(module) for module in MODULES if module}  # () names them lazily
    assert graph["alignment",] >= {("maps",), ("rows",)}  # the walk sees relative imports
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_public_names():
    assert set(analysis.__all__) == NAMES
    for name in NAMES - {"METRICS"}:
        assert getattr(analysis, name).__name__ == name
    assert "monotonicity" in analysis.METRICS
    assert set(dir(analysis)) >= NAMES
    with pytest.raises(AttributeError, match="no attribute 'aligment'"):
        _ = analysis.aligment


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import analysis", {"numpy"}),
        ("from analysis import Alignment", {"scipy", "pandas", "jiwer"}),
        ("from analysis import diagnose", {"pandas"}),
    ],
)
def test_importing_a_name_loads_no_more_than_it_needs(statement, absent):
    code = f"{statement}; import sys; print(*sorted({absent!r} & sys.modules.keys()))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []
