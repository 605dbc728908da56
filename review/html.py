"""A page as one HTML file that needs nothing else: no script, no font, no network."""

import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from review.document import Alarm, Block, Folded, Heading, Page, Points, Table, Text

_STYLE = Path(__file__).with_name("page.css")

# Nothing may be loaded and nothing may run, whatever a template's text holds.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def as_html(page: Page) -> str:
    """Return the page as HTML; every text is escaped by construction."""
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
        if isinstance(block, Heading) and block.level == 2:  # noqa: PLR2004 - a section
            link = SubElement(SubElement(entries, "li"), "a", href=f"#{_anchor(block.text)}")
            link.text = block.text


def _block(parent: Element, block: Block) -> None:
    match block:
        case Heading(level, text):
            heading = SubElement(parent, f"h{level}", id=_anchor(text))
            heading.text = text
        case Text(text):
            SubElement(parent, "p").text = text
        case Alarm(text, loud):
            name = "alarm" if loud else "alarm mild"
            SubElement(parent, "p", {"class": name, "role": "note"}).text = text
        case Points():
            _points(parent, block)
        case Table():
            _table(parent, block)
        case Folded(title, blocks):
            details = SubElement(parent, "details")
            SubElement(details, "summary").text = title
            for one in blocks:
                _block(details, one)


def _points(parent: Element, block: Points) -> None:
    entries = SubElement(parent, "ul", {"class": "points"})
    for one in block.points:
        item = SubElement(entries, "li")
        SubElement(item, "span", {"class": f"badge {one.tone}"}).text = one.word
        SubElement(item, "span").text = one.text


def _table(parent: Element, block: Table) -> None:
    # A wide table scrolls by itself, and by keyboard.
    scroll = SubElement(parent, "div", {"class": "scroll", "tabindex": "0", "role": "region"})
    scroll.set("aria-label", block.caption)
    table = SubElement(scroll, "table", {"class": "numbers"} if block.numbers else {})
    SubElement(table, "caption").text = block.caption
    row = SubElement(SubElement(table, "thead"), "tr")
    for name in block.head:
        SubElement(row, "th", scope="col").text = name
    body = SubElement(table, "tbody")
    for cells in block.rows:
        row = SubElement(body, "tr")
        SubElement(row, "th", scope="row").text = cells[0]
        for cell in cells[1:]:
            SubElement(row, "td").text = cell


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
