"""Check that docs/troubleshooting.md quotes only messages that the code contains."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
SOURCES = ("deeplens", "lambda_src", "local_aws", "model_tools", "stacks", "tools")
# The start of each entry: one or more messages, before a dash.
_ENTRIES = re.findall(r"^- (`.+?`) —", PAGE, re.MULTILINE | re.DOTALL)
MESSAGES = [quoted for entry in _ENTRIES for quoted in re.findall(r"`([^`]+)`", entry)]


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Yield each string of a module, with … for inserted values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            value = node.value
            yield value if isinstance(value, str) else value.decode("utf-8", "replace")
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "…" for part in node.values
            )


@cache
def texts() -> str:
    """Return the strings of the Python code and the text of the shell scripts, one per line."""
    found: list[str] = []
    for folder in SOURCES:
        for file in sorted((ROOT / folder).rglob("*.py")):
            found += texts_of(ast.parse(file.read_text(encoding="utf-8")))
        found += [file.read_text("utf-8") for file in sorted((ROOT / folder).rglob("*.sh"))]
    return "\n".join(" ".join(text.split()) for text in found)


def test_the_page_quotes_messages() -> None:
    assert len(MESSAGES) >= 40
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_each_quoted_message_is_in_the_code(message: str) -> None:
    pattern = "[^\n]*".join(re.escape(part.strip()) for part in message.split("…") if part.strip())
    assert re.search(pattern, texts()), message
