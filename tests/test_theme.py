"""Colours are legible and distinct: WCAG 2 contrast, CIE 1976 colour differences."""

import re
import tomllib
from itertools import combinations

import numpy as np
import pytest

from app.theme import DARK, LIGHT, Palette, style_sheet
from tests.support.dashboard import ROOT

TEXT, GRAPHICS = 4.5, 3.0  # contrast that WCAG AA asks for
APART = 25.0  # difference of colours that nobody confuses
THEMES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda palette: palette.name)


def linear(colour: str) -> np.ndarray:
    """(3,) linear sRGB, 0 to 1."""
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(first: str, second: str) -> float:
    """WCAG 2: ratio of the relative luminances, 1 to 21."""
    low, high = sorted(float(linear(each) @ (0.2126, 0.7152, 0.0722)) for each in (first, second))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str) -> np.ndarray:
    """(3,) CIE L*a*b* at D65."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(to_xyz @ linear(colour) / (0.9505, 1.0, 1.089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def blend(colour: str, paper: str, opacity: float) -> str:
    pairs = [(int(colour[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(opacity * a + (1 - opacity) * b):02x}" for a, b in pairs)


def primary(palette: Palette) -> str:
    """Streamlit's colour of buttons that matter most."""
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    return settings["theme"][palette.name]["primaryColor"]


def test_contrast_is_what_wcag_says():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert lab("#ffffff") == pytest.approx((100, 0, 0), abs=0.1)


@THEMES
def test_texts_can_be_read(palette):
    for colour in (palette.ink, palette.muted):
        assert contrast(colour, palette.paper) >= TEXT
    assert contrast(palette.paper, primary(palette)) >= TEXT  # on a primary button
    light_dark = f"light-dark({LIGHT.paper}, {DARK.paper})"
    assert f"stBaseButton-primary] {{ color: {light_dark}; }}" in style_sheet()


@THEMES
def test_faded_texts_can_still_be_read(palette):
    """Zeros of tables and their percentages, and the words beside an edit."""
    opacity = {
        name: float(value)
        for names, value in re.findall(r"([^{}\n]+) {[^{}]*opacity: ([\d.]+);", style_sheet())
        for name in names.split(", ")
    }
    zero, small = opacity[".attn-matrix tbody td.attn-zero"], opacity[".attn-matrix td small"]
    for share in (zero * small, opacity[".attn-edit-names"], opacity[".attn-edit-right"]):
        assert contrast(blend(palette.ink, palette.paper, share), palette.paper) >= TEXT


@THEMES
def test_what_lies_over_maps_is_seen_and_told_apart(palette):
    colours = {name: getattr(palette, name) for name in ("path", "forced", "failure", "speech")}
    for colour in colours.values():
        assert contrast(colour, palette.paper) >= GRAPHICS
    for first, second in combinations(colours.values(), 2):
        assert np.linalg.norm(lab(first) - lab(second)) >= APART
