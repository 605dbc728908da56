"""The review page is usable on a phone, on a desktop, in both themes and on paper.

The templates are the golden templates of this project (tests/synth/golden).
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deeplens.assembly import Environment
from deeplens.review.comparison import Findings, Review, compare_environment
from deeplens.review.findings import ToolFinding
from deeplens.review.html import as_html
from deeplens.review.model_card import CardLine
from deeplens.review.page import page_of
from model_tools.verification.detection_agreement import agreement
from model_tools.verification.report import report_page
from model_tools.verification.verify import RunComparison, Verification
from shared.vision.detections import Box, Detection
from tests.device.browser import CHROMIUM, LOW_CONTRAST, Browser, Page, running_browser
from tests.unit.review.conftest import make_environment

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

GOLDEN = Path(__file__).parents[1] / "synth" / "golden"
# The maximum height of one environment's section on a phone, in CSS pixels. With expanded details,
# the section of a new environment has 23,765 px.
MAX_PX = 9000

EXCESS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# A script that returns words that are broken into two lines, except in tokens that may break
# anywhere.
BROKEN_WORDS = """(() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), broken = [];
  let words = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest(".token") || !node.parentElement.checkVisibility()) continue;
    for (const match of node.data.matchAll(/[a-z]+/gi)) {
      const range = document.createRange();
      range.setStart(node, match.index); range.setEnd(node, match.index + match[0].length);
      words += 1;
      const lines = new Set([...range.getClientRects()].map(one => one.top));
      if (lines.size > 1) broken.push(`${match[0]} in ${node.data}`);
    }
  }
  return words ? broken : ["no words"];
})()"""


def deployed(name: str) -> Environment:
    """Read an environment from the golden templates."""
    stacks = {
        file.stem.partition("-")[2]: json.loads(file.read_text("utf-8"))["Resources"]
        for file in sorted(GOLDEN.glob(f"{name}-*.json"))
    }
    assert stacks
    return replace(make_environment(**stacks), name=name)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page with a new environment and a changed environment."""
    before, after = deployed("dev"), replace(deployed("production"), name="dev")
    changed = compare_environment(before, after)
    card = (
        CardLine("digest", "0" * 64, "f" * 64),
        CardLine("parity with its source", "largest difference 5.96e-07", "largest difference 0"),
        CardLine("labels", "circle, square, triangle", "circle, square, triangle"),
    )
    finding = ToolFinding(
        "cdk-nag", "AwsSolutions-IAM5[Resource::arn:aws:s3:::a-bucket/*]", "a/b", "c"
    )
    review = Review(
        (compare_environment(None, deployed("staging")), replace(changed, model=card)),
        Findings((finding,), (), ()),
    )
    file = tmp_path_factory.mktemp("page") / "review.html"
    page = page_of(review, base="main", uncommitted=("environments/dev.toml",))
    file.write_text(as_html(page), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def visit(
    browser: Browser,
    address: str,
    steps: Callable[[Page], Coroutine[Any, Any, None]],
    **opening: Any,
) -> None:
    async def run() -> None:
        async with browser.open(address, **opening) as page:
            await page.until("document.readyState === 'complete' && !!document.querySelector('h1')")
            await steps(page)
            assert page.errors == []

    asyncio.run(run())


@pytest.mark.parametrize("width_px", [320, 375, 768, 1280, 1920])
def test_no_width_scrolls_sideways_or_breaks_words(
    browser: Browser, address: str, width_px: int
) -> None:
    async def steps(page: Page) -> None:
        for expand in ("false", "true"):
            await page.value(
                f"for (const one of document.querySelectorAll('details')) one.open = {expand}"
            )
            assert await page.value(EXCESS) <= 0
            assert await page.value(BROKEN_WORDS) == []

    visit(browser, address, steps, width_px=width_px)


def test_a_new_environment_has_a_bounded_height_on_a_phone(browser: Browser, address: str) -> None:
    async def steps(page: Page) -> None:
        top, bottom = await page.value(
            "['staging', 'dev'].map(id => document.getElementById(id).getBoundingClientRect().top)"
        )
        assert 0 < bottom - top < MAX_PX
        assert await page.value("document.body.innerText.match(/is added/g)") is None

    visit(browser, address, steps, width_px=375)


def test_on_a_phone_rows_are_cards_that_are_still_a_table(browser: Browser, address: str) -> None:
    async def steps(page: Page) -> None:
        cell = "document.querySelector('table.numbers td')"
        assert await page.value(f"getComputedStyle({cell}, '::before').content") == '"added"'
        tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        roles = {node["role"]["value"] for node in tree if not node.get("ignored")}
        assert {"table", "row", "rowheader", "cell", "columnheader"} <= roles

    visit(browser, address, steps, width_px=375)


def test_text_and_tables_end_at_the_same_edge(browser: Browser, address: str) -> None:
    async def steps(page: Page) -> None:
        edges = await page.value(
            "[...document.querySelectorAll('main > p, main > .scroll, main > h2')]"
            ".map(one => one.getBoundingClientRect().right)"
        )
        assert len(edges) > 5
        assert max(edges) - min(edges) < 1
        # The summary must not need horizontal scrolling.
        assert (
            await page.value(
                "(() => { const s = document.querySelector('.scroll');"
                "return s.scrollWidth - s.clientWidth })()"
            )
            <= 0
        )

    visit(browser, address, steps, width_px=1280)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [375, 1280])
def test_every_text_has_enough_contrast(
    browser: Browser, address: str, scheme: str, width_px: int
) -> None:
    async def steps(page: Page) -> None:
        await page.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert await page.value(LOW_CONTRAST) == []

    visit(browser, address, steps, scheme=scheme, width_px=width_px)


def test_paper_is_white_and_has_all_details_open(browser: Browser, address: str) -> None:
    async def steps(page: Page) -> None:
        cells = "[...document.querySelectorAll('details td')]"
        hidden = f"{cells}.filter(one => !one.checkVisibility()).length"
        assert await page.value(hidden) > 0
        await page.emulate(scheme="dark", media="print")
        ground = "getComputedStyle(document.body).backgroundColor"
        assert await page.value(ground) == "rgb(255, 255, 255)"
        assert await page.value(LOW_CONTRAST) == []
        assert await page.value(hidden) == 0

    visit(browser, address, steps, scheme="dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [375, 1280])
def test_the_report_of_verify_shows_each_image_with_both_answers(
    browser: Browser, tmp_path: Path, scheme: str, width_px: int
) -> None:
    image = tmp_path / "an-image-with-a-long-name-without-a-space-in-it.png"
    Image.new("RGB", (640, 480), "orange").save(image)
    cat = Detection("cat", 0.9, Box(0.2, 0.2, 0.6, 0.6))
    differ = agreement([image.name], [[cat]], [[]], 0.5)
    verification = Verification(
        name="shapes",
        version="1.0.0",
        digest="ab" * 32,
        threshold=0.5,
        comparisons=[RunComparison("openvino f32 and tensorflow", differ)],
        diagnosis="channel order: BGR",
        answers={image.name: {"tensorflow": [cat], "openvino f32": []}},
    )
    file = tmp_path / "report.html"
    file.write_text(report_page(verification, {image.name: image}, 0.01), encoding="utf-8")

    async def steps(page: Page) -> None:
        loaded = "[...document.images].map(one => [one.alt, one.complete && one.naturalWidth])"
        assert await page.value(loaded) == [
            ["tensorflow: cat 0.90", 420],
            ["openvino f32: nothing", 420],
        ]
        assert await page.value(EXCESS) <= 0
        assert await page.value(LOW_CONTRAST) == []

    visit(browser, file.as_uri(), steps, scheme=scheme, width_px=width_px)


def test_a_row_of_the_summary_leads_to_its_section(browser: Browser, address: str) -> None:
    async def steps(page: Page) -> None:
        await page.value("document.querySelector('table a[href=\"#dev\"]').click()")
        assert await page.value("location.hash") == "#dev"
        await page.until("document.getElementById('dev').getBoundingClientRect().top < 400")

    visit(browser, address, steps)
