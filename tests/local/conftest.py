"""Checkouts, each with an embedded AWS; most tests here share one."""

from collections.abc import Iterator

import pytest

from tests.local.checkout import Checkout, fresh_checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The one that most tests share."""
    with fresh_checkout(tmp_path_factory.mktemp("checkout")) as made:
        yield made


@pytest.fixture(scope="module")
def own_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """One for tests that need an AWS without anybody else's things."""
    with fresh_checkout(tmp_path_factory.mktemp("own")) as made:
        yield made
