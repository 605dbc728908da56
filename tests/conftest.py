"""Configuration of all tests: deadlines, the fork server, the guard of costs."""

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

# A property must not fail on a busy machine: only benchmarks measure speed.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

# Models are read in dozens of separate processes; the fork server loads TensorFlow once for all.
multiprocessing.set_forkserver_preload(["tests.fork_server"])


def _start_fork_server_in_checkout() -> None:
    """Let the fork server find its module although a test has changed the working directory.

    In Python 3.11, multiprocessing gives the server no other path, and ignores an absent module.
    Each process would then load TensorFlow itself.
    """
    server: Any = forkserver._forkserver  # noqa: SLF001 - there is no other name
    ensure_running = server.ensure_running

    def ensure_running_in_checkout() -> None:
        with contextlib.chdir(ROOT):
            ensure_running()

    server.ensure_running = ensure_running_in_checkout


_start_fork_server_in_checkout()


def pytest_configure(config: pytest.Config) -> None:
    """Check the cost of each test; git runs before, for the pinned artifact."""
    pinned_artifact()
    # An emulator that a test starts in the background must not outlive a test run that is killed.
    os.environ["LOCAL_AWS_ENDS_WITH"] = str(os.getpid())
    # A run in the background of a shell inherits an ignored SIGINT; tests interrupt programs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(CostGuard(), "cost-guard")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import without garbage collection, because modules are never collected."""
    gc.disable()
    try:
        return (yield)
    finally:
        # Exclude the imported objects from later collections.
        gc.freeze()
        gc.enable()
