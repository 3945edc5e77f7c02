"""Names are kept apart: no class name stands for two things."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_one_class_of_a_name():
    places = defaultdict(list)
    for folder in ("analysis", "models"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert places["Alignment"]  # the walk sees classes
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
