"""The walk-through in docs/your-own-attention.md, block by block, in a copy of the repository."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from analysis.alignment import Alignment

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "your-own-attention.md"
BLOCK = re.compile(r"^```(python|bash)(?: file=(\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_every_block_of_the_page_works_as_it_stands(checkpoints, tmp_path):
    for folder in ("analysis", "app", "models", "samples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copytree(checkpoints, tmp_path / "checkpoints")  # small ones: this is about the way
    printed = []
    for kind, file, code in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if file:
            assert not (tmp_path / file).exists()
            (tmp_path / file).write_text(code, encoding="utf-8")
            continue
        for command in [code] if kind == "python" else code.splitlines():
            shell = ["bash", "-c", command.replace("python", sys.executable, 1)]
            done = run([sys.executable, "-c", code] if kind == "python" else shell, tmp_path)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            printed.append(done.stdout)
    listed, _, trained, compared, diagnosed = printed
    assert re.search(r"^habituation +coverage +- +not trained", listed, flags=re.MULTILINE)
    assert "wrote checkpoints/habituation.safetensors" in trained.replace(f"{tmp_path}/", "")
    assert not compared  # it went to the file
    (clip,) = json.loads((tmp_path / "compared.json").read_text())["clips"]
    dot, habituation = clip["variants"]
    assert (dot["name"], habituation["name"]) == ("dot", "habituation")
    assert habituation["wer"] is not None
    alignment = Alignment.load(tmp_path / "maps" / "morning_walk.habituation.npz")
    assert alignment.tokens == tuple(habituation["tokens"])
    assert diagnosed.startswith(f"maps/morning_walk.habituation.npz: {habituation['verdict']}")
    card = json.loads((tmp_path / "checkpoints" / "habituation.json").read_text())
    assert card["training"]["updates"] == 20


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
