"""MkDocs hooks, with which the site contains the repository's pages under their original paths.

Links between pages are the same on GitHub and on the site. docs/README.md defines the navigation.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# Pages outside of docs/, in the order of the navigation.
PROJECT_PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
INDEX = "docs/README.md"
DECISIONS = "docs/decisions/README.md"
POLYFILL = "tools/site/iframe-worker.js"
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_DECISIONS_LINK = re.compile(r"\]\(((?:docs/)?decisions)/?\)")
_ROW = re.compile(r"^\| \[([^\]]+)\]\(([^)#]+)(?:#[^)]*)?\) \|")


def pages() -> list[str]:
    """Return the paths of all pages, relative to the root of the repository."""
    below = sorted((ROOT / "docs").rglob("*.md"))
    return ["README.md", *PROJECT_PAGES, *(file.relative_to(ROOT).as_posix() for file in below)]


def linked_files(page: str) -> set[str]:
    """Return the files of the repository to which a page links, for example schemas."""
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = (match.partition("#")[0] for match in _LINK.findall(text) if "://" not in match)
    files = (((ROOT / page).parent / target).resolve() for target in targets if target)
    return {
        file.relative_to(ROOT).as_posix()
        for file in files
        if file.is_file() and file.is_relative_to(ROOT)
    }


def navigation() -> list[dict[str, Any]]:
    """Return the navigation from the tables of the index, with one section for each heading."""
    sections: dict[str, list[dict[str, str]]] = {}
    heading = ""
    for line in (ROOT / INDEX).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif row := _ROW.match(line):
            title, target = row.groups()
            path = (ROOT / "docs" / target).resolve().relative_to(ROOT).as_posix()
            path = DECISIONS if path == "docs/decisions" else path
            if path != "README.md":
                sections.setdefault(heading, []).append({title: path})
    return [
        {"Start": "README.md"},
        {"All pages": INDEX},
        *({title: entries} for title, entries in sections.items()),
    ]


def decisions() -> str:
    """Return the page that lists the decision records."""
    lines = ["# Decisions", ""]
    for record in sorted((ROOT / "docs/decisions").glob("0*.md")):
        title = record.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        lines.append(f"- [{title}]({record.name})")
    return "\n".join(lines) + "\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation to that of the index."""
    config.nav = navigation()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/ with all pages and linked files, under their original paths."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    linked = set().union(*(linked_files(page) for page in pages()))
    for path in sorted({*pages(), *linked, POLYFILL}):
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, DECISIONS, content=decisions()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace links to the decisions' folder with links to the generated list of decisions."""
    return _DECISIONS_LINK.sub(r"](\1/README.md)", markdown)
