"""`deeplens model serve` starts, loads a new version, and ends."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from click.testing import CliRunner

from model_tools.cli.main import main
from model_tools.cli.serve import ENGINES
from model_tools.serving.engines import ENGINES as KNOWN_ENGINES
from model_tools.serving.engines import load_engine
from model_tools.serving.http_types import RequestError
from model_tools.serving.signatures import read_servable
from testkit.waiting import eventually
from tests.unit.serving.conftest import Start, json_of

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]


def test_a_new_version_replaces_the_old_one_while_it_serves(
    start: Start, example_models: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(example_models["half_plus_two"] / "123", tmp_path / "1")
    server = start(
        "serve", "--model-name", "half", "--model-base-path", tmp_path, "--port", 0,
        "--poll-seconds", 0.1, "--enable-batching", "--json",
    )  # fmt: skip
    model = f"{server.url}/v1/models/half"
    rows = {"instances": [1.0, 2.0, 5.0]}

    def predict() -> object:
        return json_of(requests.post(f"{model}:predict", json=rows, timeout=240))

    def states() -> dict[str, str]:
        versions = requests.get(model, timeout=240).json()["model_version_status"]
        return {version["version"]: version["state"] for version in versions}

    assert predict() == {"predictions": [2.5, 3.0, 4.5]}
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").write_bytes(b"not a model")
    eventually(lambda: states() == {"2": "END", "1": "AVAILABLE"})
    assert predict() == {"predictions": [2.5, 3.0, 4.5]}
    shutil.copytree(example_models["half_plus_three"] / "123", tmp_path / "3")
    eventually(lambda: states().get("3") == "AVAILABLE" and states()["1"] == "END")
    assert predict() == {"predictions": [3.5, 4.0, 5.5]}
    assert server.end() == 0


def test_openvino_gives_equal_outputs_and_an_error_for_other_signatures(
    example_models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_TOOLS_CACHE", str(tmp_path))
    servable = read_servable(example_models["half_plus_two"] / "123")
    plain, accelerated = (load_engine(engine, servable) for engine in ENGINES)
    feed = {"x": np.linspace(-5, 5, 7, dtype=np.float32).reshape(7, 1)}
    expected = plain.run("serving_default", feed)["y"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(accelerated.run, ["serving_default"] * 64, [feed] * 64))
    for answer in answers:
        np.testing.assert_allclose(answer["y"], expected, atol=1e-6)
    with pytest.raises(RequestError, match=r"regress_x_to_y.*strings.*--engine tensorflow"):
        accelerated.run("regress_x_to_y", {"inputs": np.array([b""], object)})


@pytest.mark.parametrize(
    ("files", "arguments", "expected"),
    [
        ((), (), "no numbered folder"),
        (("1/saved_model.pb",), ("--label", "stable=2"), "expected one of the versions 1"),
        (("1/saved_model.pb",), ("--label", "stable"), "expected LABEL=N"),
        (("1/saved_model.pb",), (), "no version of m can be served"),
    ],
)
def test_an_error_before_serving_is_printed_once(
    tmp_path: Path, files: tuple[str, ...], arguments: tuple[str, ...], expected: str
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    command = ["serve", "--model-name", "m", "--model-base-path", str(tmp_path), *arguments]
    result = CliRunner().invoke(main, command)
    assert result.exit_code in {1, 2}
    assert result.output.count(expected) == 1
    # The log does not repeat the error of a version.
    assert "is not served" not in result.output
    assert "Traceback" not in result.output


def test_the_engines_of_the_command_are_those_of_the_server() -> None:
    assert ENGINES == KNOWN_ENGINES
