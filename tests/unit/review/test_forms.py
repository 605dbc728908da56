"""The three forms say the same, escape everything and hold nothing from outside."""

import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from review.comparison import Findings, Review, compare_environment
from review.document import Alarm, Folded, Heading, Page, Point, Points, Table, Text
from review.findings import Finding
from review.html import as_html
from review.machine import as_json
from review.markdown import as_markdown
from review.terminal import show
from review.words import page_of

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


class Reader(HTMLParser):
    """Collects the text of the body and the tags of the whole."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def page(text: str) -> Page:
    return Page(
        "Title",
        (
            Heading(1, "Title"),
            Alarm(text),
            Text(text),
            Points((Point("wider", "wider", text),)),
            Table(text, ("name", "value"), ((text, text),)),
            Folded(text, (Text(text),)),
        ),
    )


@given(text=words)
def test_no_text_becomes_a_tag_of_the_page(text: str) -> None:
    empty, reader = Reader(), Reader()
    empty.feed(as_html(page("")))
    reader.feed(as_html(page(text)))
    assert reader.tags == empty.tags
    assert reader.text.count(text) >= 7 or not text


@given(text=words)
def test_no_text_becomes_markup_of_the_markdown(text: str) -> None:
    line = next(one for one in as_markdown(page(text)).splitlines() if one.startswith("- "))
    assert not re.search(
        r"(?<!\\)[<>\[\]`|]", line.removeprefix("- **wider**: ").replace(r"\\", "")
    )


def test_the_page_needs_no_script_and_nothing_from_outside() -> None:
    html = as_html(page("<script>alert(1)</script>"))
    reader = Reader()
    reader.feed(html)
    assert "script" not in reader.tags
    assert not re.search(r"""(src|href)=["'](?!#)""", html)
    assert "default-src 'none'" in html


def test_a_piped_summary_has_no_escape_codes_and_no_frames() -> None:
    printed = io.StringIO()
    show(page("one"), Console(file=printed, width=200))
    assert "\x1b" not in printed.getvalue()
    assert "│" not in printed.getvalue()
    assert "wider  one" in printed.getvalue()


@pytest.fixture
def review(environment: Any) -> Review:
    def bucket(name: str) -> Any:
        return {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}}

    finding = Finding("cdk-nag", "AwsSolutions-S1", "dev/Store/Bucket", "no access logs")
    return Review(
        (compare_environment(environment(Store=bucket("a")), environment(Store=bucket("b"))),),
        Findings((finding,), (), ()),
    )


def test_every_form_shouts_what_must_not_be_overlooked(review: Review) -> None:
    told = page_of(review, base="main")
    reader = Reader()
    reader.feed(as_html(told))
    printed = io.StringIO()
    show(told, Console(file=printed, width=1000))
    markdown = as_markdown(told).replace("\\", "")
    for form in (reader.text, markdown, printed.getvalue(), as_json(review, base="main")):
        assert "STATE IS REPLACED: Bucket is replaced: BucketName changes from a to b." in form
        assert "AwsSolutions-S1" in form


def test_uncommitted_environments_are_named_first(review: Review) -> None:
    told = page_of(review, base="main", uncommitted=("README.md", "environments/dev.toml"))
    alarm = next(block for block in told.blocks if isinstance(block, Alarm))
    assert alarm.text.startswith("NOT COMMITTED: environments/dev.toml.")
    assert not alarm.loud


def test_the_json_has_a_version_and_money_as_text(review: Review) -> None:
    content = json.loads(as_json(review, base="main"))
    assert content["schema_version"] == 1
    assert content["environments"][0]["cost"]["lines"][-1]["after"][0] == "0.00"
    assert content["environments"][0]["changed"] is True
