"""Checkouts, each with an emulator; most checkouts start with the same deployed environment."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from testkit.checkout import Checkout, fresh_checkout, restored_checkout


class DeployedOnce(NamedTuple):
    """A checkout with a deployed dev environment and a stopped emulator.

    `output` contains the output of the deploy.
    """

    root: Path
    output: str


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout that several modules share, without a deployed environment at first."""
    with fresh_checkout(tmp_path_factory.mktemp("checkout")) as made:
        yield made


@pytest.fixture(scope="module")
def own_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout for one module, with an empty emulator."""
    with fresh_checkout(tmp_path_factory.mktemp("own")) as made:
        yield made


@pytest.fixture(scope="session")
def deployed_once(tmp_path_factory: pytest.TempPathFactory) -> DeployedOnce:
    """The checkout in which dev is deployed once for all processes of the test run."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root, output = shared / "deployed-once", shared / "deployed-once.txt"
    with (shared / "deployed-once.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            # Another process may have failed before the deploy was complete.
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            with fresh_checkout(root) as made:
                printed = made.demo("deploy", "dev")
            output.write_text(printed, encoding="utf-8")
    return DeployedOnce(root, output.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory, deployed_once: DeployedOnce
) -> Iterator[Checkout]:
    """A checkout for one module, with a deployed dev environment and no device."""
    with restored_checkout(tmp_path_factory.mktemp("deployed"), deployed_once.root) as made:
        yield made
