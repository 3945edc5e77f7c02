"""Which room may import which: the arrows between folders, and no circles among modules.

An import inside a function counts too; one for type checkers does not.
"""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "app"

# From the top down: a room may import those named here, of `app` as of the others, and no more.
ARROWS = {
    "app.__main__": "cli",
    "app.main": "data presentation theme views",
    "cli": "analysis comparison evaluation export formatting models report",
    "views": "analysis charts comparison components controls data evaluation export "
    "links markup models presentation templates theme",
    "controls": "analysis comparison data evaluation links markup models presentation theme",
    "links": "data evaluation models",
    "presentation": "charts comparison data export markup models templates theme",
    "data": "analysis charts comparison evaluation models",
    "report": "analysis charts comparison evaluation formatting markup models templates theme",
    "export": "analysis charts comparison evaluation models theme",
    "evaluation": "analysis comparison lifeline models",
    "markup": "analysis comparison formatting models templates theme",
    "components": "theme",
    "charts": "analysis theme",
    "theme": "templates",
    "comparison": "analysis models",
    "formatting": "analysis",
    "lifeline": "",
    "templates": "",
    "models": "analysis",
    "analysis": "",
}
# Libraries that a room below the pages never imports.
FOREIGN = {
    "analysis": {"streamlit", "plotly", "torch", "torchaudio"},
    "models": {"streamlit", "plotly"},
    "evaluation": {"streamlit", "plotly"},
    "markup": {"streamlit", "plotly"},
    "charts": {"streamlit"},
    "links": {"streamlit"},
    "cli": {"streamlit"},
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    """Every module of ours and its file."""
    tops = ("app", "models", "analysis")
    return {module_of(path): path for top in tops for path in sorted((ROOT / top).rglob("*.py"))}


def room_of(module: str) -> str:
    """Folder of a module of `app`, or its top-level package."""
    top, *rest = module.split(".")
    if top != "app" or not rest:
        return top
    return module if rest[0] in ("main", "__main__") else rest[0]


def for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in (
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
    )


def statements(node: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    """Imports anywhere below a node, without those for type checkers."""
    found = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            found.append(child)
        elif for_type_checkers(child):
            found += [each for other in child.orelse for each in statements(other)]
        else:
            found += statements(child)
    return found


def names_of(statement: ast.Import | ast.ImportFrom, module: str, package: bool) -> list[str]:
    """Full names that a statement imports, modules and what is in them alike."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    base = statement.module or ""
    if statement.level:
        parents = module.split(".")[: None if package else -1]
        parents = parents[: len(parents) - statement.level + 1]
        base = ".".join([*parents, *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in statement.names]


@cache
def imports(module: str) -> frozenset[str]:
    """Modules that a module imports: ours by their full names, others by their top name."""
    path = modules()[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for statement in statements(tree):
        for name in names_of(statement, module, path.name == "__init__.py"):
            ours = next(
                (n for n in (name, name.rpartition(".")[0]) if n in modules()), name.split(".")[0]
            )
            found.add(ours)
    return frozenset(found - {module})


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_only_what_its_room_may(module):
    room = room_of(module)
    allowed = {room, *ARROWS.get(room, "").split()}
    ours = {name for name in imports(module) if name in modules() and name != "app"}
    assert {name for name in ours if room_of(name) not in allowed} == set()
    assert imports(module) & FOREIGN.get(room, set()) == set()


def test_every_room_is_in_the_table_and_every_arrow_is_used():
    used: dict[str, set[str]] = {room_of(module): set() for module in modules()}
    for module in modules():
        room = room_of(module)
        used[room] |= {room_of(name) for name in imports(module) if name in modules()}
    used.pop("app")  # the empty package
    assert set(used) == set(ARROWS)
    unused = {
        room: set(arrows.split()) - used[room]
        for room, arrows in ARROWS.items()
        if set(arrows.split()) - used[room]
    }
    assert unused == {}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Nodes of a circle, or none: what remains when nodes without arrows are taken away."""
    left = {node: set(targets) for node, targets in graph.items()}
    while ends := {node for node, targets in left.items() if not targets & set(left)}:
        left = {node: targets for node, targets in left.items() if node not in ends}
    return sorted(left)


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": set()}, ["a", "b"]),
    ],
)
def test_circles_are_found(graph, found):
    assert circle(graph) == found


def test_rooms_form_no_circle():
    assert circle({room: set(arrows.split()) for room, arrows in ARROWS.items()}) == []


# A package's __init__ is the front of what is behind it: those two import each other.
def test_modules_form_no_circle():
    graph = {
        module: {name for name in imports(module) if name in modules()}
        for module, path in modules().items()
        if path.name != "__init__.py"
    }
    assert circle(graph) == []


@pytest.mark.parametrize("name", sorted(path.stem for path in APP.iterdir() if path.is_dir()))
def test_no_room_hides_a_module_of_python(name):
    """`streamlit run app/main.py` puts `app/` first on the path: `app/html` would be `html`."""
    assert name not in sys.stdlib_module_names
