"""The wording check rejects the words of docs/style.md in docstrings, comments and pages."""

import subprocess
from pathlib import Path

import pytest

from tools import wording

# Lines with a replaced word or a summary that starts with a noun clause, and the text of the
# finding.
REJECTED = [
    ('"""What a camera sees."""', "What"),
    ("# The camera says so.", "says"),
    ('raise ValueError(f"{value} is no listener of ours")', "is no "),
    ('print("a file of its own")', "of its own"),
]
ACCEPTED = [
    '"""Return the devices that run the release."""',
    "# There is no stack yet, and it is no longer there.",
    'KEYS = {"says": 1, "picture": 2}',
    "# The field `said` of the shadow.",
]


@pytest.mark.parametrize(("line", "found"), REJECTED)
def test_a_replaced_word_is_a_finding(tmp_path: Path, line: str, found: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"{line}\n", encoding="utf-8")
    assert [finding.found for finding in wording.findings(file)] == [found]


@pytest.mark.parametrize("line", ACCEPTED)
def test_other_words_code_and_names_are_not(tmp_path: Path, line: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"{line}\n", encoding="utf-8")
    assert wording.findings(file) == []


def test_code_and_addresses_of_a_page_are_not_checked(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("A `picture`, [a link](picture.md).\n```\nsays\n```\nIt says so.\n", "utf-8")
    assert [(finding.line, finding.found) for finding in wording.findings(page)] == [(5, "says")]


@pytest.mark.process
def test_no_word_of_the_list_is_in_the_repository() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=wording.ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    checked = [
        name
        for name in listed
        if name.endswith((".py", ".md")) and not name.startswith(wording.EXEMPT)
    ]
    found = [
        str(finding)
        for name in checked
        if (wording.ROOT / name).is_file()
        for finding in wording.findings(wording.ROOT / name)
    ]
    assert not found, "\n".join(found)
