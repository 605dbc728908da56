"""Run the commands of docs/models.md in their order."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from model_tools.cli.main import main
from model_tools.freezing.frozen_model import read_frozen
from model_tools.freezing.parity import graph_runner
from model_tools.graph.messages import message_class
from tests.forked import run_forked
from tests.unit.model_tools.conftest import trained_models

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/models.md").read_text(encoding="utf-8")

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

__all__ = ["trained_models"]


@pytest.mark.walk
@pytest.mark.timeout(600)
def test_its_commands_take_a_saved_model_to_a_pin(
    tmp_path: Path, trained_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained_models["saved_model_2"], tmp_path / "my_model")
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    (tmp_path / "poses.txt").write_text("left\nright\nup\ndown\nahead\n")
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        pixels = np.random.default_rng(len(name)).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / name)
    commands = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).splitlines()
    assert len(commands) == 7
    for command in commands:
        ended = run_forked("deeplens", *words_of(command), folder=tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    (packaged,) = (tmp_path / "models/poses").glob("*/model.zip")
    assert packaged.parent.name in (tmp_path / "environments/dev.toml").read_text()
    assert (tmp_path / "build/report.html").is_file()
    assert len(list((tmp_path / "build/images").iterdir())) == 2


def words_of(command: str) -> list[str]:
    """Return the words that a shell passes to `deeplens`."""
    script = f"deeplens() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    shell = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(shell, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


@pytest.mark.walk
def test_each_way_to_save_a_model_has_a_command_that_works(
    tmp_path: Path, trained_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit.model_tools import ordinary  # noqa: PLC0415 - the import loads TensorFlow

    monkeypatch.chdir(tmp_path)
    sequential = ordinary.sequential(augmented=True)
    expected = {
        "m.keras": ordinary.saved(sequential, Path("m.keras")),
        "m.h5": ordinary.saved(sequential, Path("m.h5")),
        "keras_model.h5": ordinary.saved(ordinary.teachable(), Path("keras_model.h5")),
        "exported": ordinary.exported(ordinary.functional(), tmp_path / "exported"),
        "saved": ordinary.with_slots(tmp_path / "saved"),
        "outputs.keras": ordinary.saved(ordinary.two_outputs(), Path("outputs.keras")),
        "training/": ordinary.training_checkpoint(tmp_path / "training"),
    }
    ordinary.as_keras_2(Path("keras_model.h5"))
    ordinary.with_bytes(tmp_path / "strings")
    ordinary.with_thresholds(Path("set.pb"))
    shutil.copytree(trained_models["saved_model_1"], "builder")
    shutil.copyfile(trained_models["sagemaker_tar"], "model.tar.gz")
    shutil.copytree(trained_models["checkpoint"].parent, "train")
    shutil.copyfile(trained_models["frozen"], "frozen.pb")
    section = PAGE.partition("### Commands for each way to save a model")[2].partition(
        "These formats are"
    )[0]
    commands = re.findall(r"`deeplens model (freeze .*?)` \|$", section, re.MULTILINE)
    assert len(commands) == 13
    for command in commands:
        arguments = command.split()
        destination = tmp_path / f"build/{len(list(tmp_path.glob('build/*')))}"
        arguments[2] = str(destination)
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}"
        source = expected.get(arguments[1])
        if source is not None:
            _assert_answers(destination, source.answers, ordinary.pictures())


def _assert_answers(folder: Path, expected: dict[str, Any], pictures: Any) -> None:
    """Run the frozen graph, and compare its outputs with the framework's."""
    frozen = read_frozen(folder)
    graph = message_class("GraphDef").FromString(frozen.graph.read_bytes())
    run = graph_runner(graph, frozen.details.inputs, frozen.details.outputs)
    (alias,) = frozen.details.inputs
    for key, answer in run({alias: pictures}).items():
        np.testing.assert_allclose(answer, expected.get(key, expected.get("")), atol=2e-5)


def test_every_option_that_it_names_exists() -> None:
    names = ("inspect", "freeze", "package", "verify", "predict", "bench")
    commands = (*(f"model {name}" for name in names), "release pin")
    known = "".join(
        subprocess.run(
            [ROOT / ".venv/bin/deeplens", *command.split(), "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in commands
    )
    for option in set(re.findall(r"--[a-z][a-z-]+", PAGE)):
        assert option in known, option
