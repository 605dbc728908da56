"""All formats of a review have the same content, escape every string, and load no other files."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from deeplens.review.blocks import Alarm, Block, Folded, Heading, Page, Point, Points, Table, Text
from deeplens.review.comparison import Findings, Review, compare_environment
from deeplens.review.findings import ToolFinding
from deeplens.review.html import as_html
from deeplens.review.json_output import as_json
from deeplens.review.markdown import as_markdown
from deeplens.review.model_card import CardLine
from deeplens.review.page import page_of
from deeplens.review.rollout import compare_rollouts, rollout_blocks
from deeplens.review.terminal import show

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


class Reader(HTMLParser):
    """A collector of the text and the tags of a document."""

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


@given(text=texts)
def test_no_text_becomes_a_tag_of_the_page(text: str) -> None:
    empty, reader = Reader(), Reader()
    empty.feed(as_html(page("")))
    reader.feed(as_html(page(text)))
    # A token that may break at any character is in a span element.
    assert [tag for tag in reader.tags if tag != "span"] == [
        tag for tag in empty.tags if tag != "span"
    ]
    assert reader.text.count(text) >= 7 or not text


@given(text=texts)
def test_no_text_becomes_markup_of_the_markdown(text: str) -> None:
    line = next(line for line in as_markdown(page(text)).splitlines() if line.startswith("- "))
    assert not re.search(
        r"(?<!\\)[<>\[\]`|]", line.removeprefix("- **wider**: ").replace(r"\\", "")
    )


def test_the_page_has_no_script_and_loads_nothing() -> None:
    html = as_html(page("<script>alert(1)</script>"))
    reader = Reader()
    reader.feed(html)
    assert "script" not in reader.tags
    assert not re.search(r"""(src|href)=["'](?!#)""", html)
    assert "default-src 'none'" in html


def test_a_summary_in_a_pipe_has_no_escape_codes_and_no_frames() -> None:
    printed = io.StringIO()
    show(page("one"), Console(file=printed, width=200))
    assert "\x1b" not in printed.getvalue()
    assert "│" not in printed.getvalue()
    assert "wider  one" in printed.getvalue()


@pytest.fixture
def review(environment: Any) -> Review:
    def bucket(name: str) -> Any:
        return {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}}

    finding = ToolFinding("cdk-nag", "AwsSolutions-S1", "dev/Store/Bucket", "no access logs")
    return Review(
        (compare_environment(environment(Store=bucket("a")), environment(Store=bucket("b"))),),
        Findings((finding,), (), ()),
    )


def test_every_format_contains_the_alarms(review: Review) -> None:
    content = page_of(review, base="main")
    reader = Reader()
    reader.feed(as_html(content))
    printed = io.StringIO()
    show(content, Console(file=printed, width=1000))
    markdown = as_markdown(content).replace("\\", "")
    for output in (reader.text, markdown, printed.getvalue(), as_json(review, base="main")):
        assert "STATE IS REPLACED: Bucket is replaced: BucketName changes from a to b." in output
        assert "AwsSolutions-S1" in output


def test_uncommitted_environments_are_named_first(review: Review) -> None:
    content = page_of(review, base="main", uncommitted=("README.md", "environments/dev.toml"))
    alarm = next(block for block in content.blocks if isinstance(block, Alarm))
    assert alarm.text.startswith("NOT COMMITTED: environments/dev.toml.")
    assert not alarm.loud


def test_the_json_has_a_version_and_money_as_text(review: Review) -> None:
    content = json.loads(as_json(review, base="main"))
    assert content["schema_version"] == 2
    assert content["environments"][0]["cost"]["lines"][-1]["after"][0] == "0.00"
    assert content["environments"][0]["changed"] is True


@pytest.fixture
def two_environments(environment: Any) -> Review:
    """Return a review of a new environment and a changed one.

    The changed environment has a replaced bucket and two new queues.
    """

    def bucket(name: str) -> Any:
        return {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}}

    queue = {"Queue": {"Type": "AWS::SQS::Queue"}, "Other": {"Type": "AWS::SQS::Queue"}}
    new = compare_environment(None, environment(Store=bucket("a"), Work=queue))
    changed = compare_environment(
        environment(Store=bucket("a")), environment(Store=bucket("b") | queue)
    )
    return Review((new, replace(changed, name="staging")), Findings((), (), ()))


def test_resources_are_grouped_by_stack_and_only_additions_are_closed(
    two_environments: Review,
) -> None:
    blocks = page_of(two_environments, base="main").blocks
    stacks = [block for block in blocks if isinstance(block, Folded) and ": " in block.title[:8]]
    assert [(stack.title, stack.open) for stack in stacks] == [
        ("Store: 1 added", False),
        ("Work: 2 added", False),
        ("Store: 2 added, 1 replaced", True),
    ]
    points, closed = stacks[2].blocks
    assert isinstance(points, Points)
    assert [point.label for point in points.points] == ["replaced"]
    assert isinstance(closed, Folded)
    assert (closed.title, closed.open) == ("2 added", False)
    printed = io.StringIO()
    show(page_of(two_environments, base="main"), Console(file=printed, width=1000))
    assert "STATE IS REPLACED: Bucket" in printed.getvalue()
    assert "is added." not in printed.getvalue()


def test_the_rows_of_the_summary_link_to_sections_and_an_account_occurs_once(
    two_environments: Review,
) -> None:
    html = as_html(page_of(two_environments, base="main"))
    linked = set(re.findall('href="#([^"]+)"', html))
    assert {"dev", "staging"} <= linked <= set(re.findall('id="([^"]+)"', html))
    assert "[staging](#staging)" in as_markdown(page_of(two_environments, base="main"))
    section = html[html.index('id="dev"') : html.index('id="staging"')]
    assert section.count("111111111111") == section.count("Account") == 1


def test_the_model_card_shows_what_changes_and_folds_the_rest(two_environments: Review) -> None:
    card = (
        CardLine("name", "shapes", "shapes"),
        CardLine("version", "1.0.0", "1.1.0"),
        CardLine("size", "", "3 bytes"),
    )
    review = Review(
        (replace(two_environments.environments[1], model=card),), two_environments.findings
    )
    blocks = page_of(review, base="main").blocks
    at = blocks.index(Heading(3, "staging: the model"))
    shown, folded = blocks[at + 1 : at + 3]
    assert isinstance(shown, Table)
    assert shown.rows == (("version", "1.0.0", "1.1.0"), ("size", "—", "3 bytes"))
    assert isinstance(folded, Folded)
    assert (folded.title, folded.open) == ("Lines of the model card that stay the same (1)", False)


def test_only_long_tokens_may_break_at_any_character() -> None:
    arn = "arn:aws:s3:::a-bucket-with-a-name/*"
    html = as_html(page(f"The role may s3:GetObject on {arn} now"))
    assert set(re.findall('<span class="token">([^<]+)</span>', html)) == {arn}


@pytest.mark.parametrize(("cameras", "text"), [(1, "the 1 camera that"), (3, "the 3 cameras t")])
def test_the_worst_case_is_for_the_listed_cameras_or_an_example(cameras: int, text: str) -> None:
    things = [f"camera-{number}" for number in range(cameras)]
    listed = compare_rollouts(None, {"fleet": {"things": things}}, releases=True)
    example = compare_rollouts(None, {}, releases=True)
    texts = [next(_texts(rollout_blocks("dev", rollout))) for rollout in (listed, example)]
    assert texts[0].startswith(f"Worst case for {text}")
    assert texts[1].startswith("Worst case for an example fleet of 100 cameras: ")


def _texts(blocks: Iterator[Block]) -> Iterator[str]:
    return (block.text for block in blocks if isinstance(block, Text))
