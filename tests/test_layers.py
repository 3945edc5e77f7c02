"""The rooms of `app/`: what they may be called."""

import sys
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parent.parent / "app"


@pytest.mark.parametrize("name", sorted(path.stem for path in APP.iterdir() if path.is_dir()))
def test_no_room_hides_a_module_of_python(name):
    """`streamlit run app/main.py` puts `app/` first on the path: `app/html` would be `html`."""
    assert name not in sys.stdlib_module_names
