"""The paper and CITATION.cff: complete, and of the version that is built."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAPER = (ROOT / "paper.md").read_text()
BIBLIOGRAPHY = (ROOT / "paper.bib").read_text()


def test_every_citation_has_its_entry_and_every_entry_is_cited():
    cited = set(re.findall(r"@([a-z]+\d{4})", PAPER))
    assert cited == set(re.findall(r"^@\w+\{(\w+),", BIBLIOGRAPHY, re.MULTILINE))


def test_every_entry_says_who_what_and_when():
    for entry in BIBLIOGRAPHY.strip().split("\n@"):
        for field in ("author", "title", "year"):
            assert re.search(rf"\b{field}=\{{", entry), entry


def test_the_paper_has_what_the_journal_asks_for():
    _, head, _ = PAPER.split("---\n", 2)
    fields = yaml.safe_load(head)
    assert fields["bibliography"] == "paper.bib"
    assert {"title", "tags", "authors", "affiliations", "date"} <= set(fields)
    sections = re.findall(r"^# (.+)$", PAPER, re.MULTILINE)
    assert {"Summary", "Statement of need", "State of the field", "References"} <= set(sections)
    assert 250 <= len(PAPER.split()) <= 1000  # JOSS: a paper of two pages


def test_files_that_the_paper_names_exist():
    assert all((ROOT / name).exists() for name in re.findall(r"`(docs/[\w.-]+)`", PAPER))


def test_citation_and_changelog_are_of_the_version_that_is_built():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.search(r"^## (\d\S*) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation["version"] == newest[1] == version
    assert str(citation["date-released"]) == newest[2]
