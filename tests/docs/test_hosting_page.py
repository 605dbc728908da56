"""Run the commands of docs/hosting.md in their order."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/hosting.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.walk
@pytest.mark.timeout(900)
def test_its_commands_take_the_iris_classifier_to_a_server_that_answers_the_same(
    tmp_path: Path,
) -> None:
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    # Other tests on this machine may use the page's ports, so free ports replace them.
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = {"8080": one.getsockname()[1], "8501": other.getsockname()[1]}
    for port, free in ports.items():
        assert port in commands
        commands = commands.replace(port, str(free))
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill ${{server:-}} || true' EXIT\n{commands}"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "accuracy 0.9" in result.stdout
    assert "(median of 20)" in result.stdout
    assert '"state": "AVAILABLE"' in result.stdout
    assert result.stderr.count("at most 1e-06 is accepted") == 2


def test_every_option_that_it_names_exists() -> None:
    commands = ("model serve", "model serve-container", "model host-package", "model invoke")
    known = "".join(
        subprocess.run(
            [ROOT / ".venv/bin/deeplens", *command.split(), "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in commands
    )
    for option in set(re.findall(r"--[a-z][a-z-]+", PAGE)) - {"--help"}:
        assert option in known, option
