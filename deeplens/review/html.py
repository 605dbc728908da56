"""Format a page as one HTML file without scripts, fonts or other external files."""

import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from deeplens.review.blocks import (
    Alarm,
    Block,
    Folded,
    Heading,
    Page,
    Points,
    Table,
    Text,
    anchor,
)

_STYLE = Path(__file__).with_name("page.css")

# Tokens that are longer than words: hashes, ARNs and paths.
_TOKEN = re.compile(r"(\S{21,})")

# A policy with which the browser loads and runs nothing, even if the text of a template contains
# HTML.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def as_html(page: Page) -> str:
    """Return the page as HTML; the element tree escapes all text."""
    root = Element("html", lang="en")
    head = SubElement(root, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    SubElement(head, "title").text = page.title
    SubElement(head, "style").text = _STYLE.read_text(encoding="utf-8")
    main = SubElement(SubElement(root, "body"), "main")
    for block in page.blocks:
        _block(main, block)
        if block == page.blocks[0]:
            _contents(main, page.blocks)
    return "<!doctype html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _contents(parent: Element, blocks: Iterable[Block]) -> None:
    nav = SubElement(parent, "nav", {"aria-label": "Contents"})
    entries = SubElement(nav, "ul")
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:  # noqa: PLR2004 - sections have level 2
            link = SubElement(SubElement(entries, "li"), "a", href=f"#{anchor(block.text)}")
            link.text = block.text


def _block(parent: Element, block: Block) -> None:
    match block:
        case Heading(level, text):
            heading = SubElement(parent, f"h{level}", id=anchor(text))
            heading.text = text
        case Text(text):
            _write(SubElement(parent, "p"), text)
        case Alarm(text, loud):
            name = "alarm" if loud else "alarm mild"
            _write(SubElement(parent, "p", {"class": name, "role": "note"}), text)
        case Points():
            _points(parent, block)
        case Table():
            _table(parent, block)
        case Folded(title, blocks, is_open):
            details = SubElement(parent, "details", {"open": ""} if is_open else {})
            _write(SubElement(details, "summary"), title)
            for nested in blocks:
                _block(details, nested)


def _points(parent: Element, block: Points) -> None:
    entries = SubElement(parent, "ul", {"class": "points"})
    for point in block.points:
        item = SubElement(entries, "li")
        SubElement(item, "span", {"class": f"badge {point.tone}"}).text = point.label
        _write(SubElement(item, "span"), point.text)


def _table(parent: Element, block: Table) -> None:
    # The container makes a wide table scrollable, including by keyboard.
    scroll = SubElement(parent, "div", {"class": "scroll", "tabindex": "0", "role": "region"})
    scroll.set("aria-label", block.caption)
    # The explicit roles keep the table accessible: on a narrow page, rows are displayed as cards,
    # and browsers ignore the roles of the elements.
    kinds = {"numbers": block.numbers, "pairs": len(block.head) == 2}  # noqa: PLR2004 - two columns: name and value
    names = " ".join(kind for kind, applies in kinds.items() if applies)
    table = SubElement(scroll, "table", {"class": names} if names else {}, role="table")
    SubElement(table, "caption").text = block.caption
    row = SubElement(SubElement(table, "thead", role="rowgroup"), "tr", role="row")
    for name in block.head:
        SubElement(row, "th", scope="col", role="columnheader").text = name
    body = SubElement(table, "tbody", role="rowgroup")
    for cells in block.rows:
        row = SubElement(body, "tr", role="row")
        first = SubElement(row, "th", scope="row", role="rowheader")
        if block.sections:
            first = SubElement(first, "a", href=f"#{anchor(cells[0])}")
        _write(first, cells[0])
        for name, cell in zip(block.head[1:], cells[1:], strict=True):
            value = SubElement(row, "td", {"role": "cell", "data-name": name})
            _write(SubElement(value, "span"), cell)


def _write(parent: Element, text: str) -> None:
    """Append text; only a token of more than 20 characters may break at any character."""
    for index, part in enumerate(_TOKEN.split(text)):
        if index % 2:
            SubElement(parent, "span", {"class": "token"}).text = part
        elif len(parent):
            parent[-1].tail = part
        else:
            parent.text = part
