"""Check that the links, paths and targets in CONTRIBUTING.md and similar files exist."""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = ("CONTRIBUTING.md", "SECURITY.md")
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
# The digest of https://www.apache.org/licenses/LICENSE-2.0.txt
APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub derives from the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_licence_is_the_complete_text_that_the_project_declares() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_SHA256
    assert tomllib.loads(text("pyproject.toml"))["project"]["license"] == "Apache-2.0"


@pytest.mark.parametrize("page", PAGES)
def test_each_link_leads_to_a_file_and_a_heading(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", text(page))
    assert links
    for link in links:
        name, _, anchor = link.partition("#")
        assert (ROOT / name).is_file(), link
        assert not anchor or anchor in anchors(ROOT / name), link


def test_each_folder_and_file_that_is_named_exists() -> None:
    named = re.findall(r"`([\w.]+/[\w./]*)`", text("CONTRIBUTING.md"))
    named += re.findall(r"pytest (tests/\S+)", text("CONTRIBUTING.md"))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_each_keyword_of_a_documented_test_run_selects_a_test() -> None:
    runs = re.findall(r'pytest (\S+) -k "(\w+)"', text("CONTRIBUTING.md"))
    assert runs
    for file, keyword in runs:
        assert re.search(rf"def test_\w*{keyword}", text(file))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_each_issue_form_follows_the_rules_of_github(form: Path) -> None:
    # Source: https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests
    content: dict[str, Any] = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert content.keys() <= {"name", "description", "title", "labels", "body"}
    assert {"name", "description", "body"} <= content.keys()
    fields = [part for part in content["body"] if part["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) > 0
    assert len({field["attributes"]["label"] for field in fields}) == len(fields)
    for field in fields:
        assert field["type"] in {"textarea", "input", "dropdown", "checkboxes"}
        assert field.keys() <= {"type", "id", "attributes", "validations"}
        options = field["attributes"].get("options", [])
        assert bool(options) == (field["type"] in {"dropdown", "checkboxes"})


def test_each_make_target_that_is_named_exists() -> None:
    makefile = text("Makefile")
    named = set(re.findall(r"`make ([a-z-]+)", text("CONTRIBUTING.md")))
    assert {"check", "test", "test-fast"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_each_test_that_the_makefile_names_exists() -> None:
    named = re.findall(r"(tests/[\w/.]+)(?:::(\w+))?", text("Makefile"))
    assert len(named) > 20
    for path, name in named:
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in text(path), f"{path}::{name}"
