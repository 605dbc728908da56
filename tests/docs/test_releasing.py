"""Check that the paths in docs/releasing.md exist, and that CHANGELOG.md matches the package."""

import re
import tomllib
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/releasing.md").read_text(encoding="utf-8")
HEADINGS = re.findall(
    r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
)


def test_the_changelog_starts_with_what_is_unreleased() -> None:
    assert HEADINGS[0] == "Unreleased"


def test_each_version_of_the_changelog_has_a_date_and_the_newest_is_first() -> None:
    released = [re.fullmatch(r"(\d+\.\d+\.\d+) - \d{4}-\d{2}-\d{2}", one) for one in HEADINGS[1:]]
    assert None not in released
    versions = [Version(match[1]) for match in released if match]
    assert versions == sorted(versions, reverse=True)


def test_the_newest_version_of_the_changelog_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # Before the first release, the changelog has no section for a version.
    assert HEADINGS[1:2] in ([], [heading for heading in HEADINGS if project["version"] in heading])


def test_the_paths_of_the_page_exist() -> None:
    commands = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    named = re.findall(r"\b(tests/\S+)", commands) + re.findall(r"`([\w/]+\.(?:py|md|toml))`", PAGE)
    assert len(named) >= 5
    assert [path for path in named if not (ROOT / path).exists()] == []
