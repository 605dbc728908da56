"""Build the site with `make docs`, and check its pages, requests and search."""

import asyncio
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.device.browser import CHROMIUM, browsing

ROOT = Path(__file__).parents[2]
MKDOCS = ROOT / ".venv-docs/bin/mkdocs"
# The elements whose files a browser loads when the page opens.
_LOADED = re.compile(r'<(?:script|img|iframe)[^>]*\ssrc="?([^"\s>]+)|<link[^>]*\shref="?([^"\s>]+)')

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [MKDOCS, "build", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # In strict mode, mkdocs fails for a link to a page, heading or file that does not exist.
    assert built.returncode == 0, built.stderr
    return folder


def test_the_site_contains_each_page_of_the_repository(site: Path) -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        name = "index" if page.stem == "README" else page.stem
        assert (site / page.relative_to(ROOT).with_name(f"{name}.html")).is_file(), page


def test_each_page_loads_only_files_of_the_site(site: Path) -> None:
    for page in site.rglob("*.html"):
        addresses = [a or b for a, b in _LOADED.findall(page.read_text(encoding="utf-8"))]
        assert addresses
        assert [address for address in addresses if urlsplit(address).netloc] == [], page
        if page.name != "404.html":  # the links of this page start at the server's root
            assert all((page.parent / address).is_file() for address in addresses), page


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_search_in_the_opened_file_finds_a_page_without_a_request_to_a_server(
    site: Path, tmp_path: Path
) -> None:
    async def search() -> list[str]:
        async with browsing((site / "index.html").as_uri(), tmp_path) as page:
            await page.until("document.querySelector('.md-search__input') !== null")
            await page.value(
                "(() => { const box = document.querySelector('.md-search__input');"
                "document.querySelector('#__search').click(); box.value = 'heartbeat';"
                "box.dispatchEvent(new Event('keyup', {bubbles: true})); })()"
            )
            await page.until(
                "[...document.querySelectorAll('.md-search-result__link')]"
                ".some(link => link.href.includes('docs/messages.html'))",
                seconds=15,
            )
            assert page.errors == [], page.asked
            return page.asked

    asked = asyncio.run(search())
    assert asked
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
