"""Check the words of docstrings, comments, messages and Markdown pages against docs/style.md.

Exit code 1 if there are findings.
"""

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Patterns of words that docs/style.md replaces, with the words to use instead.
WORDS = {
    r"(?<!there )(?<!it )\bis no (?!longer\b|more\b)": "is not a",
    r"\b(says?|said|tells?|told|hears?|heard|promises|promised)\b": "report, contain, return",
    r"\b(wants?|wanted)\b": "desired, requires",
    r"\bknows\b": "contains, has",
    r"\bword (of|about|that)\b": "report, notice",
    r"\b(anew|besides?)\b": "again, also, next to",
    r"\bwhole\b": "complete, all, integer",
    r"\bby hand\b": "manually",
    r"\bof (its|one's|their|his|her|our|your) own\b": "separate, own",
    r"\bpictures?\b": "image, frame",
    r"\b(embedded|emulated|our) AWS\b": "emulator",
    r"\btwins?\b": "generic component, peer, emulator",
    r"\broll-backs?\b": "rollback (noun), roll back (verb)",
    r"\btrail\b": "audit log",
    r"\b(proven|proofs?)\b": "verified, verification",
    r"\bfigures?\b": "metrics, values",
    r"\bstandings?\b": "status",
    r"\b(crown(s|ed)?|rivals?)\b": "champion, challenger",
    r"\breckon(s|ed)?\b": "estimate",
    r"\bat most so many\b": "max",
    r"\b(takes?|took|taken|brings?|brought) back\b": "clean up, roll back, restore",
    r"\b(brings?|brought) about\b": "create, update",
    r"\bghosts?\b": "false detections",
}
_WORDS = [(re.compile(pattern, re.IGNORECASE), better) for pattern, better in WORDS.items()]
_NOUN_CLAUSE = re.compile(r"(What|Who|Whose|Whether|Where|How|That|Which)\b")
# Files that contain the words intentionally.
EXEMPT = ("docs/style.md", "tools/wording.py", "tests/docs/test_wording.py")
# The minimum number of words of a checked string; shorter strings are names, keys and formats.
_SHORTEST_SENTENCE = 3


@dataclass(frozen=True)
class Finding:
    """A word, or the start of a summary, that docs/style.md replaces."""

    path: str
    line: int
    found: str
    better: str

    def __str__(self) -> str:
        """Return the finding as one line of a report."""
        return f"{self.path}:{self.line}: {self.found!r}; write: {self.better}"


def findings(path: Path) -> list[Finding]:
    """Return the findings of one Python or Markdown file."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
    pieces = list(_of_python(text) if path.suffix == ".py" else _of_markdown(text))
    return [
        Finding(name, line, match.group(), better)
        for line, piece, _ in pieces
        for pattern, better in _WORDS
        for match in pattern.finditer(piece)
    ] + [
        Finding(name, line, match.group(), "a verb with its object, or a noun phrase")
        for line, piece, is_summary in pieces
        if is_summary and (match := _NOUN_CLAUSE.match(piece))
    ]


def _of_python(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield line and text of docstrings, comments and messages, and true for a summary."""
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_docstring = id(node) in docstrings
            if is_docstring or len(node.value.split()) >= _SHORTEST_SENTENCE:
                for offset, line in enumerate(node.value.splitlines()):
                    yield node.lineno + offset, _without_code(line), is_docstring and not offset
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _without_code(token.string), False


def _of_markdown(text: str) -> Iterator[tuple[int, str, bool]]:
    in_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield number, _without_code(re.sub(r"\]\([^)]*\)", "]", line)), False


def _without_code(line: str) -> str:
    return re.sub(r"`[^`]*`", "`…`", line)


def main() -> int:
    """Print the findings of the given files and folders, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: -m tools.wording docs")
    parser.add_argument("paths", nargs="*", default=["."], help="files or folders; default: all")
    given = parser.parse_args().paths
    listed = subprocess.run(  # noqa: S603 - git with path arguments
        ["git", "ls-files", "--", *given],  # noqa: S607 - found on PATH
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    files = [ROOT / name for name in listed if name.endswith((".py", ".md")) and name not in EXEMPT]
    found = [finding for file in files if file.is_file() for finding in findings(file)]
    for finding in found:
        print(finding)
    print(f"{len(found)} findings in {len(files)} files", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
