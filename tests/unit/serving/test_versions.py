"""Versions appear, disappear and fail below a base path while the server continues."""

from pathlib import Path
from typing import Any, cast

import pytest

from model_tools.errors import ServingError, SourceError
from model_tools.serving.http_types import RequestError
from model_tools.serving.versions import ServedModel, ServedVersion

pytestmark = pytest.mark.process


class Loader:
    """A loader that fails for a folder with the file `broken` or `crashing`."""

    def __init__(self) -> None:
        self.loaded: list[int] = []

    def __call__(self, number: int, folder: Path) -> ServedVersion:
        self.loaded.append(number)
        if (folder / "broken").exists():
            raise SourceError(f"{folder.name} is broken")
        if (folder / "crashing").exists():
            raise ServingError("TensorFlow cannot load it")
        return ServedVersion(number, cast("Any", None), cast("Any", None))


def put(base: Path, number: int, content: str = "saved_model.pb") -> None:
    (base / str(number)).mkdir(exist_ok=True)
    (base / str(number) / content).touch()


def states(model: ServedModel) -> dict[int, str]:
    return {number: state.state for number, state in model.states().items()}


def test_the_highest_number_is_served(tmp_path: Path) -> None:
    for number in (9, 10, 2):
        put(tmp_path, number)
    (tmp_path / "11.tmp").mkdir()
    model = ServedModel("m", tmp_path, Loader())
    model.poll()
    assert model.version().number == 10
    with pytest.raises(RequestError, match=r"Specific\(m, 9\)"):
        model.version(9)


def test_a_new_version_replaces_the_old_one_and_the_status_shows_both(tmp_path: Path) -> None:
    put(tmp_path, 1)
    model = ServedModel("m", tmp_path, Loader())
    model.poll()
    put(tmp_path, 2)
    model.poll()
    assert model.version().number == 2
    assert states(model) == {2: "AVAILABLE", 1: "END"}


@pytest.mark.parametrize(
    ("how", "code"), [("broken", "INVALID_ARGUMENT"), ("crashing", "INTERNAL")]
)
def test_the_old_version_is_served_and_the_state_of_a_broken_one_has_the_error(
    tmp_path: Path, how: str, code: str
) -> None:
    put(tmp_path, 1)
    loader = Loader()
    model = ServedModel("m", tmp_path, loader)
    model.poll()
    put(tmp_path, 2, how)
    model.poll()
    model.poll()
    assert model.version().number == 1
    assert states(model) == {2: "END", 1: "AVAILABLE"}
    assert model.states()[2].error_code == code
    assert model.states()[2].error_message
    assert loader.loaded == [1, 2], "a broken version is not loaded again until its files change"


def test_a_version_that_is_still_being_copied_is_served_when_it_is_complete(
    tmp_path: Path,
) -> None:
    put(tmp_path, 1, "broken")
    model = ServedModel("m", tmp_path, Loader())
    model.poll()
    with pytest.raises(RequestError):
        model.version()
    (tmp_path / "1" / "broken").unlink()
    model.poll()
    assert model.version().number == 1
    assert states(model) == {1: "AVAILABLE"}


def test_a_label_keeps_its_version_served(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put(tmp_path, number)
    model = ServedModel("m", tmp_path, Loader(), labels={"stable": 1})
    model.poll()
    assert model.version().number == 3
    assert model.version(label="stable").number == 1
    with pytest.raises(RequestError):
        model.version(2)


def test_a_removed_version_is_unloaded(tmp_path: Path) -> None:
    for number in (1, 2):
        put(tmp_path, number)
    model = ServedModel("m", tmp_path, Loader(), latest_versions=2)
    model.poll()
    (tmp_path / "2" / "saved_model.pb").unlink()
    (tmp_path / "2").rmdir()
    model.poll()
    assert model.version().number == 1
    assert states(model) == {2: "END", 1: "AVAILABLE"}
