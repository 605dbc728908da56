"""Check that ARCHITECTURE.md contains only existing paths, and all import contracts."""

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
_PATH = re.compile(r"(?:app\.py|[\w.]+/[\w./{},*]*)")
# The first folders of paths; other words in the diagram also contain a slash.
_FOLDERS = ("deeplens", "docs", "environments", "lambda_src", "local_aws", "model_tools", "stacks")


def paths(text: str) -> list[str]:
    """Return the paths in a text; braces are alternatives, as in a shell."""
    return list(chain.from_iterable(map(expanded, _PATH.findall(text))))


def expanded(path: str) -> list[str]:
    before, brace, rest = path.partition("{")
    names, _, after = rest.partition("}")
    return [f"{before}{name}{after}" for name in names.split(",")] if brace else [path]


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_each_named_file_and_folder_exists() -> None:
    code = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
    named = [path for text in code for path in paths(text)]
    [diagram] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    named += [path for path in paths(diagram) if path.startswith(_FOLDERS)]
    assert len(named) > 40
    assert [path for path in named if not any(ROOT.glob(path.rstrip("/")))] == []


def test_each_step_of_a_path_names_its_files() -> None:
    headings = re.findall(r"^## (The path of .+)$", PAGE, re.MULTILINE)
    assert [heading.split()[-1] for heading in headings] == ["value", "model", "heartbeat", "frame"]
    for heading in headings:
        steps = re.findall(r"^(\d)\. (.+(?:\n   .+)*)$", section(heading), re.MULTILINE)
        assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
        for number, step in steps:
            assert re.search(r"`[^`]+\.(?:py|toml)`$", step), (heading, number)


def test_the_contracts_are_those_of_the_linter() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = re.findall(r"^- \*\*(.+)\.\*\*", section("Import contracts"), re.MULTILINE)
    contracts = settings["tool"]["importlinter"]["contracts"]
    assert named == [contract["name"] for contract in contracts]
