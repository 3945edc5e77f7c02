"""The container image: built and run where an engine is, its file linted where none is."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 2_000_000_000  # bytes of the image
DOCKERFILE = (ROOT / "Dockerfile").read_text()


IMPORT_EVERYTHING = """
import importlib, pkgutil, app, models
for package in (app, models):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(("__main__", "app.main")):
            importlib.import_module(module.name)
"""


def instructions(name: str) -> list[str]:
    """Arguments of every instruction of that name in the last stage, continued lines joined."""
    stage = re.split(r"^FROM ", DOCKERFILE.replace("\\\n", " "), flags=re.MULTILINE)[-1]
    return re.findall(rf"^{name} (.*)$", stage, re.MULTILINE)


def copied() -> list[str]:
    """What the last stage copies from the repository."""
    sources = [line.split()[:-1] for line in instructions("COPY") if not line.startswith("--")]
    return [source for line in sources for source in line]


def engine() -> bool:
    """Whether a container engine answers here."""
    docker = shutil.which("docker")
    return bool(docker) and subprocess.run([docker, "info"], capture_output=True).returncode == 0


def test_the_image_is_well_formed_and_runs_where_an_engine_is():
    if not engine():
        linter = Path(sys.executable).with_name("hadolint")
        done = subprocess.run(
            [linter, "--format", "json", ROOT / "Dockerfile"], capture_output=True, text=True
        )
        assert json.loads(done.stdout) == []
        return
    tag = "attnscope-test"
    subprocess.run(
        ["docker", "build", "--build-arg", "PIP_EXTRA_INDEX_URL", "--tag", tag, ROOT], check=True
    )
    form = "{{.Size}} {{.Config.User}}"
    size, user = subprocess.check_output(
        ["docker", "image", "inspect", "--format", form, tag], text=True
    ).split()
    assert int(size) < LARGEST
    assert user == "1000"
    subprocess.run(["docker", "run", "--rm", "--read-only", tag, "variants"], check=True)


def test_it_runs_without_rights_and_says_whether_it_is_healthy():
    assert instructions("USER") == ["1000"]
    assert "/_stcore/health" in instructions("HEALTHCHECK")[0]
    assert json.loads(instructions("CMD")[0])[:2] == ["--host", "0.0.0.0"]


def test_the_context_holds_what_is_copied_and_nothing_else():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert sent == {*copied(), "requirements.txt"}
    assert all((ROOT / name).exists() for name in sent)


def test_what_is_copied_is_enough(tmp_path, checkpoints):
    """Every module can be imported, and a recording is decoded, where nothing else is."""
    for name in copied():
        source = ROOT / name
        if name != "checkpoints":  # those of the tests are where they are
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, tmp_path / name)
    place = {"cwd": tmp_path, "check": True, "stdout": subprocess.PIPE}
    place["env"] = {**os.environ, "ATTNSCOPE_CHECKPOINTS": str(checkpoints)}
    subprocess.run([sys.executable, "-c", IMPORT_EVERYTHING], **place)
    compare = ["compare", "samples/spoken_repetition.ogg", "--variants", "ctc", "--json", "-"]
    done = subprocess.run([sys.executable, "-m", "app", *compare], **place)
    assert json.loads(done.stdout)["clips"][0]["variants"][0]["name"] == "ctc"


@pytest.mark.parametrize("setting", ["read_only", "init"])
def test_compose_hardens_the_service(setting):
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["attnscope"]
    assert service[setting] is True
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])  # not to the network
