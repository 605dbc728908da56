"""The cost guard detects processes and TensorFlow in a temporary folder of tests."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]

_CONFTEST = """
from tests.cost import CostGuard

def pytest_configure(config):
    for name in ("unit", "process", "emulator", "slow", "walk"):
        config.addinivalue_line("markers", name)
    config.pluginmanager.register(CostGuard())
"""
_TESTS = """
import multiprocessing
import subprocess
import pytest

@pytest.fixture
def started():
    return subprocess.run(["true"], check=True)

def test_cheap(): pass

def test_starts_a_process(): subprocess.run(["true"], check=True)

def test_has_a_fixture_that_does(started): pass

def test_hides_what_it_loads():
    try:
        import tensorflow
    except BaseException:
        pass

def test_asks_the_fork_server():
    process = multiprocessing.get_context("forkserver").Process(target=print)
    process.start()
    process.join()

@pytest.mark.process
def test_may_start_a_process(): subprocess.run(["true"], check=True)

@pytest.mark.emulator
def test_may_start_an_emulator(started): pass
"""
_ALL_COSTLY = """
import subprocess
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.process,
]
subprocess.run(["true"], check=True)

def test_may_be_imported(): pass
"""


def _pytest(folder: Path, *arguments: str, **files: str) -> str:
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
    # The guard checks only the module's name, so the test needs no real TensorFlow.
    (folder / "tensorflow.py").write_text("", encoding="utf-8")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        [*command, folder],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout


def test_a_unit_test_that_costs_fails_and_the_others_do_not(tmp_path: Path) -> None:
    lines = _pytest(tmp_path, test_some=_TESTS, test_costly=_ALL_COSTLY).splitlines()
    outcomes = {
        line.split("::")[1].split(" ")[0]: line
        for line in lines
        if line.startswith(("PASSED", "FAILED", "ERROR"))
    }
    passed = {name for name, line in outcomes.items() if line.startswith("PASSED")}
    assert passed == {
        "test_cheap",
        "test_may_start_a_process",
        "test_may_start_an_emulator",
        "test_may_be_imported",
    }
    text = "\n".join(lines)
    assert "test_starts_a_process is a unit test, but starts a process" in text
    assert "test_has_a_fixture_that_does is a unit test, but starts a process" in text
    assert "test_hides_what_it_loads is a unit test, but loads TensorFlow" in text
    assert "test_asks_the_fork_server is a unit test, but starts a process" in text


def test_a_module_of_unit_tests_that_costs_at_its_import_fails(tmp_path: Path) -> None:
    module = _ALL_COSTLY.replace("pytestmark", "marks")
    assert "test_some.py is a unit test, but starts a process" in _pytest(
        tmp_path, test_some=module
    )


def test_a_module_without_unit_tests_is_not_imported_for_them(tmp_path: Path) -> None:
    module = _ALL_COSTLY + "\nraise AssertionError\n"
    cheap = "def test_cheap(): pass\n"
    assert "1 passed" in _pytest(tmp_path, "-m", "unit", test_costly=module, test_cheap=cheap)


def test_a_module_of_unit_tests_is_not_imported_for_the_other_tests(tmp_path: Path) -> None:
    cheap = "raise AssertionError\n\ndef test_cheap(): pass\n"
    mixed = "import pytest\n\n@pytest.mark.process\ndef test_costly(): pass\n"
    printed = _pytest(tmp_path, "-m", "not unit", test_cheap=cheap, test_mixed=mixed)
    assert "1 passed" in printed
    assert "error" not in printed


@pytest.mark.parametrize(
    ("selection", "selected"),
    [("emulator and not walk", "emulator"), ("process and not emulator and not walk", "process")],
)
def test_the_tests_of_one_cost_import_no_module_of_the_other(
    tmp_path: Path, selection: str, selected: str
) -> None:
    """A selection by cost imports only modules with tests of that cost."""
    files = {
        f"test_{cost}": "import pytest\n\n"
        f"pytestmark = pytest.mark.{cost}\n{'' if cost == selected else 'raise AssertionError'}\n"
        "def test_it(): pass\n"
        for cost in ("process", "emulator")
    }
    both = "import pytest\n" + "".join(
        f"\n@pytest.mark.{cost}\ndef test_{cost}(): pass\n" for cost in ("process", "emulator")
    )
    printed = _pytest(tmp_path, "-m", selection, test_both=both, **files)
    assert "2 passed, 1 deselected" in printed
    assert "error" not in printed


def test_a_marker_that_another_file_defines_is_rejected(tmp_path: Path) -> None:
    module = "import pytest\n\n@getattr(pytest.mark, 'process')\ndef test_costly(): pass\n"
    assert "write pytest.mark.process or pytest.mark.emulator in the file of the test" in _pytest(
        tmp_path, test_costly=module
    )


@pytest.mark.parametrize("marker", ["slow", "walk"])
def test_a_long_test_states_what_it_costs(tmp_path: Path, marker: str) -> None:
    module = f"import pytest\n\n@pytest.mark.{marker}\ndef test_long(): pass\n"
    assert f"test_long: a {marker} test is `process` or `emulator`" in _pytest(
        tmp_path, test_long=module
    )


@pytest.mark.parametrize(
    ("cost", "selection"),
    [
        ("emulator", "emulator and not walk"),
        ("process", "process and not emulator and not walk"),
    ],
)
def test_walks_are_selected_alone_and_their_modules_are_not_imported_for_others(
    tmp_path: Path, cost: str, selection: str
) -> None:
    marks = f"import pytest\n\npytestmark = [pytest.mark.{cost}{{}}]\n\ndef test_it(): pass\n"
    walk, other = marks.format(", pytest.mark.walk"), marks.format("")
    fails = "raise AssertionError\n"
    files = {"test_walk": walk, "test_other": fails + other}
    assert "1 passed" in _pytest(tmp_path, "-m", "walk", **files)
    files = {"test_walk": fails + walk, "test_other": other}
    assert "1 passed" in _pytest(tmp_path, "-m", selection, **files)
