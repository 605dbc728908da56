"""Markers for the cost of a test, and a guard that keeps unit tests cheap.

A test that starts a process or loads TensorFlow has the marker `process`; a test that uses the
emulator has the marker `emulator`. The module's `pytestmark` or a decorator sets the marker. All
other tests are `unit`. The guard fails a unit test that starts a process or loads TensorFlow.

A test with the marker `walk` repeats the checks of other tests in one long run. It also has
the marker `process` or `emulator`, and runs in `make test-walks` instead of `make test`.
"""

import functools
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

_COSTLY = frozenset({"process", "emulator"})
# The audit events of a process start. A test starts the emulator's process before it connects, so
# these events also detect tests that use the emulator.
_STARTS_A_PROCESS = frozenset(
    {"os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}
)


class CostGuard:
    """A pytest plugin that marks tests without a cost marker as `unit`, and watches these tests."""

    def __init__(self) -> None:
        self._watched = False
        self._violation = ""
        # An audit hook cannot be removed, so it is added once per session.
        sys.addaudithook(self._audit)
        # The fork server of multiprocessing starts without an audit event, so each start of a
        # process is audited here.
        start = BaseProcess.start

        @functools.wraps(start)
        def audited_start(process: BaseProcess) -> None:
            self._audit("os.fork", (process,))
            start(process)

        BaseProcess.start = audited_start  # type: ignore[assignment,method-assign]

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watched or self._violation:
            return
        if event in _STARTS_A_PROCESS:
            self._violation = f"starts a process ({event}: {arguments[0] if arguments else ''})"
        elif event == "import" and arguments[0] == "tensorflow":
            self._violation = "loads TensorFlow"

    @contextmanager
    def _watch(self, name: str) -> Iterator[None]:
        """Fail at the end of the block if the block started a process or loaded TensorFlow."""
        self._watched, self._violation = True, ""
        try:
            yield
        finally:
            self._watched = False
        if self._violation:
            pytest.fail(
                f"{name} is a unit test, but {self._violation}: mark it with pytest.mark.process, "
                "or with pytest.mark.emulator if it uses the emulator",
                pytrace=False,
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Mark tests without a cost marker as `unit`; raise UsageError for inconsistent markers."""
        for item in items:
            costs = {marker.name for marker in item.iter_markers()}
            if costs & _COSTLY:
                if not costs & _COSTLY <= _named_costs(item.path):
                    raise pytest.UsageError(
                        f"{item.nodeid}: no selection would find its marker: write "
                        "pytest.mark.process or pytest.mark.emulator in the file of the test"
                    )
            else:
                for marker in costs & {"slow", "walk"}:
                    raise pytest.UsageError(
                        f"{item.nodeid}: a {marker} test is `process` or `emulator`"
                    )
                item.add_marker("unit")

    def pytest_ignore_collect(self, collection_path: Path, config: pytest.Config) -> bool | None:
        """Skip the import of a module if the Makefile's selection contains none of its tests.

        Each process of a parallel run imports every module that is collected.
        """
        if not _is_test_module(collection_path):
            return None
        return True if _selects_nothing(config.getoption("markexpr"), collection_path) else None

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Watch the import of a module that has unit tests."""
        if not isinstance(collector, pytest.Module) or _cost_of_module(collector.path):
            return (yield)
        report: pytest.CollectReport
        try:
            with self._watch(collector.nodeid):
                report = yield
        except pytest.fail.Exception as violation:
            report.outcome, report.longrepr = "failed", str(violation)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Watch the fixtures of a unit test."""
        return (yield from self._watch_unit(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Watch a unit test."""
        return (yield from self._watch_unit(item))

    def _watch_unit(self, item: pytest.Item) -> Generator[None, object, object]:
        if not item.get_closest_marker("unit"):
            return (yield)
        with self._watch(item.nodeid):
            return (yield)


def _is_test_module(file: Path) -> bool:
    return file.name.startswith("test_") and file.suffix == ".py"


def _selects_nothing(expression: str, file: Path) -> bool:
    """Return true if a selection of the Makefile contains no test of the module."""
    match expression:
        case "unit":
            return bool(_cost_of_module(file))
        case "emulator and not walk":
            return "emulator" not in _named_costs(file) or "walk" in _markers_of_module(file)
        case "walk":
            return "walk" not in _markers(file)
        case "process and not emulator and not walk":
            others = {"emulator", "walk"} & _markers_of_module(file)
            return "process" not in _named_costs(file) or bool(others)
        case "not unit":
            return not _named_costs(file)
    return False


def _named_costs(file: Path) -> frozenset[str]:
    """Return the cost markers in a test module."""
    return _COSTLY & _markers(file)


def _cost_of_module(file: Path) -> frozenset[str]:
    """Return the cost markers in a test module's `pytestmark`, without importing the module."""
    return _COSTLY & _markers_of_module(file)


@functools.cache
def _markers(file: Path) -> frozenset[str]:
    """Return all markers in a test module."""
    return frozenset(re.findall(r"\bmark\.(\w+)", file.read_text(encoding="utf-8")))


@functools.cache
def _markers_of_module(file: Path) -> frozenset[str]:
    """Return the markers in the `pytestmark` of a test module, without importing the module."""
    text = file.read_text(encoding="utf-8")
    statement = re.search(r"^pytestmark = (\[\n.*?^\]|[^\n]*)", text, re.MULTILINE | re.DOTALL)
    return frozenset(re.findall(r"\bmark\.(\w+)", statement[1])) if statement else frozenset()
