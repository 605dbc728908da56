"""The public example models, written once per run; and servers, started as a user does."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

ROOT = Path(__file__).parents[3]


class Server(NamedTuple):
    url: str
    process: subprocess.Popen[str]

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(240)


Start = Callable[..., Server]


@pytest.fixture(scope="session")
def example_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Base paths, by name, of models with one version 123 each."""
    import warnings  # noqa: PLC0415 - TensorFlow warns while it is imported

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.unit.serving import models  # noqa: PLC0415 - imports TensorFlow

        folder = tmp_path_factory.mktemp("models")
        models.half_plus(2, folder / "half_plus_two" / "123")
        models.half_plus(3, folder / "half_plus_three" / "123")
        models.sensors(folder / "sensors" / "123")
    return {base.name: base for base in folder.iterdir()}


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Start `model-tools` with a server's arguments; it ends with the test module."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: object) -> Server:
            process = subprocess.Popen(
                [sys.executable, "-m", "model_tools", *map(str, arguments)],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.wait, 60)
            stack.callback(process.kill)
            assert process.stdout is not None
            stack.callback(process.stdout.close)
            return Server(json.loads(process.stdout.readline())["url"], process)

        yield start


def said(response: requests.Response) -> object:
    """Return the JSON of a response that succeeded."""
    assert response.status_code == 200, response.text
    return response.json()
