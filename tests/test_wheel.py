"""The library as a wheel: what is in it, and that it works alone, from another folder."""

import json
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import numpy as np
import pytest

from analysis.alignment import Alignment

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("LICENSE", "MANIFEST.in", "pyproject.toml", "docs/library.md")
USE = """
import sys
sys.path.insert(0, {site!r})
{code}
foreign = {{"torch", "torchaudio", "streamlit", "plotly", "models", "app", "analysis"}}
assert not foreign & {{name.partition(".")[0] for name in sys.modules}}
"""


def run(arguments: list[str], cwd: Path) -> str:
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy so that nothing is written into the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    (copy / "docs").mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "analysis", copy / "analysis")
    run([sys.executable, "-m", "build", "--no-isolation", "--wheel"], copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """A folder with the installed wheel and nothing else."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run([*pip, "--disable-pip-version-check", "--target", str(target), str(wheel)], target)
    return target


def use(site: Path, code: str, cwd: Path) -> str:
    """What isolated code prints that has the wheel's packages, but not the checkout's."""
    return run([sys.executable, "-I", "-c", USE.format(site=str(site), code=code)], cwd)


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    assert wheel.stat().st_size < 3_000_000
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        facts = Parser().parsestr(archive.read(metadata).decode())
    files = [*ROOT.joinpath("analysis").rglob("*.py"), ROOT / "analysis" / "py.typed"]
    assert names == {f"attnscope/{path.relative_to(ROOT / 'analysis')}" for path in files}
    needed = {
        line.split(">=")[0] for line in facts.get_all("Requires-Dist") if "extra ==" not in line
    }
    assert needed == {"numpy", "scipy", "pandas", "jiwer"}
    assert facts["Requires-Python"] == ">=3.11"


def test_the_installed_library_is_used_from_another_folder(site, tmp_path):
    code = (
        "import numpy as np\n"
        "from attnscope import Alignment, diagnose, score\n"
        "alignment = Alignment.from_arrays(np.eye(12), list('hello world!'), 0.04)\n"
        "alignment.save('map.npz')\n"
        "print(diagnose(Alignment.load('map.npz')).verdict, score('a b', 'a c').wer)"
    )
    assert use(site, code, tmp_path) == "healthy 0.5\n"


def test_the_installed_command(site, tmp_path):
    tokens = [*"abcdefghijkl", "<eos>"]
    Alignment.from_arrays(np.eye(13), tokens, 0.04, ended=True).save(tmp_path / "map.npz")
    (tmp_path / "said.txt").write_text("no more\nthe cat\n")
    (tmp_path / "decoded.txt").write_text("no more\na cat\n")
    command = "from attnscope.cli.main import main\nassert main({!r}) == 0"
    text = use(site, command.format(["diagnose", "map.npz", "--json"]), tmp_path)
    (report,) = json.loads(text)["files"]
    assert (report["file"], report["verdict"]) == ("map.npz", "healthy")
    text = use(site, command.format(["score", "said.txt", "decoded.txt", "--json"]), tmp_path)
    (system,) = json.loads(text)["systems"]
    assert (system["wer"], system["words"], system["substitutions"]) == (0.25, 4, 1)
    assert (site / "bin" / "attnscope").is_file()


def test_texts_of_different_length_are_refused_in_one_sentence(capsys, tmp_path):
    from analysis.cli.main import main

    (tmp_path / "said.txt").write_text("one\ntwo\n")
    (tmp_path / "decoded.txt").write_text("one\n")
    assert main(["score", str(tmp_path / "said.txt"), str(tmp_path / "decoded.txt")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "has 1 lines, the reference 2" in error
