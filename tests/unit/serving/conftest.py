"""The public example models, written once per run, and servers in separate processes."""

import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.forked import ForkedCommand

ROOT = Path(__file__).parents[3]


class Server(NamedTuple):
    url: str
    process: ForkedCommand

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(240)


Start = Callable[..., Server]


@pytest.fixture(scope="session")
def example_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The base paths of models by name, each with the version 123."""
    import warnings  # noqa: PLC0415 - the filter must exist before TensorFlow's import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.unit.serving import models  # noqa: PLC0415 - the import loads TensorFlow

        folder = tmp_path_factory.mktemp("models")
        models.half_plus(2, folder / "half_plus_two" / "123")
        models.half_plus(3, folder / "half_plus_three" / "123")
        models.sensors(folder / "sensors" / "123")
    return {base.name: base for base in folder.iterdir()}


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """A function that starts a `model_tools` server, which ends with the test module."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: object) -> Server:
            process = stack.enter_context(ForkedCommand("model_tools", *arguments))
            return Server(json.loads(process.stdout.readline())["url"], process)

        yield start


def json_of(response: requests.Response) -> object:
    """Return the JSON of a response, which must have the status 200."""
    assert response.status_code == 200, response.text
    return response.json()
