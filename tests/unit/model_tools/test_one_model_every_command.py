"""Each command reads a model, or rejects the model and prints the next step."""

import json
import re
import shlex
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from tests.forked import ForkedCommand
from tests.unit.model_tools.conftest import run

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@dataclass(frozen=True)
class Kind:
    """A usual form of a saved model, with the results of each command."""

    # Path of the file, or of the SavedModel's folder.
    place: str
    # The options of `freeze` with which a camera can run the artifact.
    choice: str = ""
    # The exit code of each command without these options, and a pattern of its output.
    inspect: tuple[int, str] = (0, "openvino: can read it")
    plain: tuple[int, str] = (0, "differs from its source")
    unchosen: tuple[int, str] | None = None


KINDS = {
    "a compiled Sequential that augments": Kind("sequential.keras"),
    "Keras 2": Kind("keras_2.h5"),
    "optimizer slots": Kind(
        "slots/1", "--output scores", unchosen=(2, r"freeze again with --output")
    ),
    "two outputs": Kind(
        "two.keras", "--output scores", unchosen=(2, r"freeze again with --output")
    ),
    "strings": Kind(
        "strings/1",
        "--signature camera",
        inspect=(2, r"takes strings; .*--signature camera"),
        plain=(2, r"takes strings; .*--signature camera"),
    ),
}


def assert_result(result: Result, expected: tuple[int, str]) -> None:
    """Check the exit code and the output; an error must be one line."""
    code, text = expected
    assert result.exit_code == code, result.output
    assert re.search(text, result.output), result.output
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == (1 if code else 0)


@pytest.fixture(scope="module")
def ordinary() -> Iterator[Any]:
    """The module `ordinary`, which builds models; its import loads Keras."""
    import warnings  # noqa: PLC0415 - the filter must exist before TensorFlow's import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.unit.model_tools import ordinary  # noqa: PLC0415 - the import loads TensorFlow

        yield ordinary


@pytest.fixture(scope="module")
def models(ordinary: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a folder with a model of each kind, and labels."""
    folder = tmp_path_factory.mktemp("models")
    ordinary.saved(ordinary.sequential(augmented=True), folder / "sequential.keras")
    ordinary.saved(ordinary.teachable(), folder / "keras_2.h5")
    ordinary.as_keras_2(folder / "keras_2.h5")
    ordinary.with_slots(folder / "slots/1")
    ordinary.saved(ordinary.two_outputs(), folder / "two.keras")
    ordinary.with_bytes(folder / "strings/1")
    ordinary.with_thresholds(folder / "set.pb")
    (folder / "labels.txt").write_text("a\nb\nc\n")
    return folder


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_every_command_takes_it_or_names_the_way_to_go_on(
    models: Path, kind: str, tmp_path: Path
) -> None:
    case = KINDS[kind]
    source, choice = models / case.place, shlex.split(case.choice)
    assert_result(run("inspect", source), case.inspect)
    frozen = tmp_path / "plain"
    assert_result(run("freeze", source, frozen), case.plain)
    packaging = ("--labels", models / "labels.txt", "--name", "m", "--mean", "0", "--scale", "1")
    if case.unchosen is not None:
        assert_result(run("package", frozen, *packaging), case.unchosen)
    if choice:
        frozen = tmp_path / "chosen"
        assert run("freeze", source, frozen, *choice).exit_code == 0
    packaged = run("package", frozen, *packaging, "--models", tmp_path / "models", "--json")
    if kind == "strings":
        # The output `mean` is a single number. Cameras cannot publish such a result, so `package`
        # rejects the model.
        assert_result(packaged, (2, "mean"))
        return
    assert packaged.exit_code == 0, packaged.output
    artifact = json.loads(packaged.stdout)["path"]
    verified = run("verify", artifact, "--against", source, *choice, "--json")
    assert verified.exit_code == 0, verified.output
    assert json.loads(verified.stdout)["drop"] == 0


@pytest.mark.parametrize("name", ["slots", "strings"])
def test_servers_take_the_saved_models(models: Path, name: str, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    assert_result(run("host-package", models / name, archive), (0, "export/Servo/1/saved_model.pb"))
    command = ("serve", "--model-name", name, "--model-base-path", models / name)
    with ForkedCommand("model_tools", *command, "--port", 0, "--json") as server:
        url = json.loads(server.stdout.readline())["url"]
        with urllib.request.urlopen(f"{url}/v1/models/{name}/metadata") as answer:  # noqa: S310 - HTTP on loopback
            metadata = json.load(answer)["metadata"]["signature_def"]["signature_def"]
    assert "serving_default" in metadata


@pytest.mark.parametrize("name", ["sequential.keras", "keras_2.h5", "two.keras"])
def test_servers_name_the_way_from_a_keras_file(models: Path, name: str, tmp_path: Path) -> None:
    source = models / name
    export = (2, r"is a Keras file[,:] .*keras\.saving\.load_model\(.*\.export\(")
    assert_result(run("host-package", source, tmp_path / "model.tar.gz"), export)
    serve = ("serve", "--model-name", "m", "--port", "0", "--model-base-path")
    assert_result(run(*serve, source), export)
    (tmp_path / "base/1").mkdir(parents=True)
    (tmp_path / "base/1" / name).symlink_to(source)
    assert_result(run(*serve, tmp_path / "base"), export)


def test_the_statements_that_servers_name_export_what_they_take(
    models: Path, ordinary: Any, tmp_path: Path
) -> None:
    """The printed export statements create a model with the outputs of the Keras file."""
    from model_tools.formats.keras_file import keras_export  # noqa: PLC0415 - the import loads TensorFlow
    from model_tools.serving.engines import load_engine  # noqa: PLC0415 - the import loads TensorFlow
    from model_tools.serving.signatures import read_servable  # noqa: PLC0415 - the import loads TensorFlow

    file = models / "sequential.keras"
    exec(keras_export(file, str(tmp_path / "1")), {"keras": ordinary.keras})  # noqa: S102 - the project's own statements
    servable = read_servable(tmp_path / "1")
    (alias,) = servable.signatures["serving_default"].inputs
    outputs = load_engine("tensorflow", servable).run(
        "serving_default", {alias: ordinary.pictures()}
    )
    expected = ordinary.keras.saving.load_model(file).predict(ordinary.pictures(), verbose=0)
    np.testing.assert_allclose(next(iter(outputs.values())), expected, atol=2e-5)


def test_a_placeholder_without_a_value_is_wrong_input(models: Path, tmp_path: Path) -> None:
    choice = ("--input", "image", "--output", "scores")
    expected = (2, "--set thresholds=0,0,0 --set factor=0")
    assert_result(run("inspect", models / "set.pb", *choice), expected)
    assert_result(run("freeze", models / "set.pb", tmp_path / "out", *choice), expected)
    assert_result(
        run("freeze", models / "set.pb", tmp_path / "out"), (2, "candidates: image, thresholds")
    )
    assert not (tmp_path / "out").exists()
