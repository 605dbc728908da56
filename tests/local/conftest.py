"""One checkout and one embedded AWS for all tests here."""

from collections.abc import Iterator

import pytest

from tests.local.checkout import Checkout, fresh_checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Sources are copied, installed environments are linked, state is new."""
    with fresh_checkout(tmp_path_factory.mktemp("checkout")) as made:
        yield made
