"""Configuration of all tests: deadlines, the fork server and the cost guard."""

import contextlib
import gc
import multiprocessing
import os
import signal
from collections.abc import Generator
from multiprocessing import forkserver
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from testkit.pinned import ROOT, pinned_artifact
from tests.cost import CostGuard

# Only benchmarks measure speed, so a busy machine must not fail a property test.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

# Dozens of separate processes read models; the fork server loads TensorFlow once for all of them.
multiprocessing.set_forkserver_preload(["tests.fork_server"])


def _start_fork_server_in_checkout() -> None:
    """Start the fork server in the repository, although a test may change the working directory.

    In Python 3.11, multiprocessing gives the server no other path and ignores a missing module.
    Each process would then load TensorFlow itself.
    """
    server: Any = forkserver._forkserver  # noqa: SLF001 - multiprocessing has no public name for the server
    ensure_running = server.ensure_running

    def ensure_running_in_checkout() -> None:
        with contextlib.chdir(ROOT):
            ensure_running()

    server.ensure_running = ensure_running_in_checkout


_start_fork_server_in_checkout()


def pytest_configure(config: pytest.Config) -> None:
    """Read the artifact's pin with git, set variables and signals, and register the cost guard."""
    pinned_artifact()
    # If a test run is killed, emulators that tests started in the background must end.
    os.environ["LOCAL_AWS_ENDS_WITH"] = str(os.getpid())
    # Tests interrupt programs, but a shell's background job inherits an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(CostGuard(), "cost-guard")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import modules without garbage collection, because modules stay in memory."""
    gc.disable()
    try:
        return (yield)
    finally:
        # Later collections ignore the imported objects.
        gc.freeze()
        gc.enable()
