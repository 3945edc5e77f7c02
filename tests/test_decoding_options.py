"""The table of decoding options, and everything that is made from it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.links.options import read_options, write_options
from models.decoding.options import SearchOptions, changed, decoding_options, without_effect

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = {option.name: option for option in decoding_options()}


@pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))
def test_pages_take_part_of_the_range_and_the_default_is_in_it(option):
    low, high = option.range
    assert option.low <= low < high <= option.high
    for value in option.stops:
        assert low <= value <= high
    usual = option.usual if option.default is None else (option.default,)
    assert all(low <= number <= high for number in usual)
    assert (option.step is None) == bool(option.stops)


def test_names_are_unique():
    for names in ([o.flag for o in OPTIONS.values()], [o.label for o in OPTIONS.values()]):
        assert len(set(names)) == len(names)
    addresses = [name for o in OPTIONS.values() for name in (o.address, *o.old_addresses)]
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize(
    ("options", "families", "sentences"),
    [
        ({}, (), []),
        ({"ctc_weight": 0.5, "coverage_penalty": 0.1}, (),
         ["--ctc-weight, --coverage-penalty: no effect in greedy search; add --beam 2 or more"]),
        ({"ctc_weight": 1.0}, (), []),  # CTC alone decides, also without a beam
        ({"ctc_weight": 0.5, "length_penalty": 1.0, "beam": 2}, ("content",), []),
        ({"word_bonus": 1.0}, (),
         ["--word-bonus: no effect without a language model; add --lm 0.5"]),
        ({"word_bonus": 1.0, "lm_weight": 0.5}, (), []),
        ({"temperature": 0.5, "beam": 4}, ("ctc", "content"), []),
        ({"temperature": 0.5, "beam": 4}, ("ctc",),
         ["--temperature: no effect on CTC, which has no attention decoder; "
          "choose other variants"]),
    ],
)  # fmt: skip
def test_options_without_effect_are_named_with_the_remedy(options, families, sentences):
    assert without_effect(SearchOptions(**options), families) == sentences


@pytest.mark.parametrize(
    ("params", "options"),
    [
        ({"beam": "3", "ctc": "0.3", "lm": "0.5", "words": "-1"},
         {"beam": 3, "ctc_weight": 0.3, "lm_weight": 0.5, "word_bonus": -1.0}),
        ({"limit": "0.4", "length": "-0.5", "coverage": "0.25", "window": "0.5-1.5"},
         {"max_length_ratio": 0.4, "length_penalty": -0.5, "coverage_penalty": 0.25,
          "window": (0.5, 1.5)}),
        ({"temperature": "0.5"}, {"temperature": 0.5}),
        ({"temperature": "100"}, {"temperature": 100.0}),
    ],
)  # fmt: skip
def test_an_address_says_the_options_and_they_say_the_address(params, options):
    assert read_options(params) == SearchOptions(**options)
    assert write_options(SearchOptions(**options)) == params


def test_an_old_address_with_sharpen_is_the_temperature():
    options = read_options({"sharpen": "0.5"})
    assert options == SearchOptions(temperature=0.5)
    assert write_options(options) == {"temperature": "0.5"}


@pytest.mark.parametrize(
    "params",
    [
        {"beam": "21"}, {"beam": "nan"}, {"ctc": "1.1"}, {"temperature": "0"}, {"window": "1"},
        {"window": "1-2-3"}, {"window": "1-x"}, {"window": "-1-2"}, {"lm": ""}, {"words": "inf"},
    ],
)  # fmt: skip
def test_what_an_address_cannot_say_has_its_default(params):
    assert read_options(params) == SearchOptions()


def _controls():
    import streamlit as st

    from app.controls import decoding
    from app.links.options import read_options

    decoding.restore(read_options(st.query_params))
    st.session_state.chosen = decoding.choose()


def test_controls_say_what_they_were_restored_from():
    page = AppTest.from_function(_controls)
    page.query_params.update(beam="3", ctc="0.3", temperature="0.37", length="1", window="0.5-2")
    page.run()
    assert not page.exception
    assert page.session_state.chosen == SearchOptions(
        beam=3, ctc_weight=0.3, temperature=0.37, length_penalty=1.0, window=(0.5, 2.0)
    )
    assert page.slider(key="words").disabled, "a word bonus needs a language model"
    page.select_slider(key="temperature").set_value(0.5)
    page.slider(key="lm").set_value(0.5)
    page.slider(key="beam").set_value(1)
    page.run()
    assert not page.exception
    assert not page.slider(key="words").disabled
    assert page.slider(key="length").disabled, "a length bonus needs a beam"
    chosen = page.session_state.chosen
    assert (chosen.temperature, chosen.lm_weight, chosen.length_penalty) == (0.5, 0.5, 0.0)
    page.slider(key="beam").set_value(2)
    page.run()
    assert page.session_state.chosen.length_penalty == 1.0


def test_a_run_beyond_the_range_of_pages_can_be_shown():
    def controls():
        import streamlit as st

        from app.controls import decoding
        from models.decoding.options import SearchOptions

        decoding.restore(SearchOptions(beam=50, window=(1.0, 30.0)))
        st.session_state.chosen = decoding.choose()

    page = AppTest.from_function(controls)
    page.run()
    assert not page.exception
    assert page.session_state.chosen == SearchOptions(beam=50, window=(1.0, 30.0))


def test_changed_options_are_facts_with_units():
    options = SearchOptions(ctc_weight=0.3, max_length_ratio=0.5, window=(1.0, 2.5))
    facts = {option.fact: option.text(value) for option, value in changed(options).items()}
    assert facts == {
        "CTC weight": "0.3",
        "length limit": "0.5 tokens per frame",
        "window": "1 s back, 2.5 s ahead",
    }


DUMMY = """    silence_bonus: float = _option(
        0.0, "Silence bonus", "bonus for pauses (default %(default)g)",
        low=-5.0, high=5.0, step=0.5, metavar="B", unit="nats",
    )
"""
USED = """
import contextlib, io
from app.cli.main import main, parser
from app.cli.common import search_options
from app.evaluation.settings import Settings
from app.links.compare import View, read, write
from app.report.from_run import _search
from models.decoding.options import SearchOptions
from streamlit.testing.v1 import AppTest

with contextlib.redirect_stdout(io.StringIO()) as printed:
    main(["compare", "--help"])
assert "--silence-bonus B" in printed.getvalue()
options = search_options(parser().parse_args(["compare", "a.wav", "--silence-bonus", "1.5"]))
assert options == SearchOptions(silence_bonus=1.5)
address = write(View(options=options))
assert address == {"silence_bonus": "1.5"}
assert read(address, {}, {}, ("basic",)).options == options

def controls():
    import streamlit as st
    from app.controls import decoding
    from app.links.options import read_options
    decoding.restore(read_options(st.query_params))
    st.session_state.chosen = decoding.choose()

page = AppTest.from_function(controls)
page.query_params["silence_bonus"] = "1.5"
page.run()
assert page.slider(key="silence_bonus").label == "Silence bonus (nats)"
assert page.session_state.chosen == options
settings = Settings(("dot",), options).to_json()
assert settings["search"]["silence_bonus"] == 1.5
assert Settings.from_json(settings).search == options
assert ("silence bonus", "1.5 nats") in list(_search(settings["search"]))
print("all of it")
"""


def test_a_new_field_is_flag_address_control_setting_and_fact(tmp_path):
    """In a copy where `SearchOptions` has one more field, with no other edit."""
    for folder in ("analysis", "app", "models"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / "models" / "decoding" / "options.py"
    before = "    coverage_threshold: float"
    code = path.read_text(encoding="utf-8")
    assert code.count(before) == 1
    path.write_text(code.replace(before, DUMMY + before), encoding="utf-8")
    script = tmp_path / "used.py"
    script.write_text(USED, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "all of it", result.stderr


def test_help_needs_neither_torch_nor_tables():
    code = (
        "import sys\nfrom app.cli.main import main\nmain(['compare', '--help'])\n"
        "heavy = {'torch', 'streamlit', 'pandas', 'pyarrow', 'plotly'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or None)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
