"""The page about models: its commands work, in their order, as they stand there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.model_tools.conftest import trained_models

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/models.md").read_text(encoding="utf-8")

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

__all__ = ["trained_models"]


@pytest.mark.timeout(600)
def test_its_commands_take_a_saved_model_to_a_pin(
    tmp_path: Path, trained_models: dict[str, Path]
) -> None:
    shutil.copytree(trained_models["saved_model_2"], tmp_path / "my_model")
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    (tmp_path / "poses.txt").write_text("left\nright\nup\ndown\nahead\n")
    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "b.png"):
        pixels = np.random.default_rng(len(name)).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / name)
    commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(commands) == 3
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (packaged,) = (tmp_path / "models/poses").glob("*/model.zip")
    assert packaged.parent.name in (tmp_path / "environments/dev.toml").read_text()
    assert (tmp_path / "build/report.html").is_file()
    assert len(list((tmp_path / "build/pictures").iterdir())) == 2


def test_every_option_that_it_names_exists() -> None:
    commands = ("inspect", "freeze", "package", "verify", "predict", "bench", "pin")
    known = "".join(
        subprocess.run(
            [ROOT / ".venv/bin/model-tools", command, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in commands
    )
    for option in set(re.findall(r"--[a-z][a-z-]+", PAGE)):
        assert option in known, option
