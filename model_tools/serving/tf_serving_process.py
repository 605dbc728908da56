"""Run the server of `deeplens model serve`, which serves the versions of one model."""

import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_tools.errors import ServingError, SourceError
from model_tools.formats.keras_file import KERAS_SUFFIXES, keras_export
from model_tools.serving.batching import BatchingOptions
from model_tools.serving.http_server import Listener, end_process, serve
from model_tools.serving.rest_api import RestApi
from model_tools.serving.signatures import read_servable_isolated
from model_tools.serving.versions import (
    INVALID_ARGUMENT,
    ServedModel,
    ServedVersion,
    find_versions,
    load_version,
)


@dataclass(frozen=True)
class ServeOptions:
    """The model, the address and the engine of a server."""

    name: str
    base_path: Path
    host: str
    port: int
    engine: str
    # The number of versions to serve, from the highest version down.
    latest_versions: int
    labels: Mapping[str, int]
    poll_seconds: float
    batching: BatchingOptions | None
    as_json: bool = False


def serve_model(options: ServeOptions) -> None:
    """Serve until SIGTERM or Ctrl-C; this function does not return.

    Raises:
        SourceError: there are no versions, a label's version is missing, or no version complies
            with the rules for untrusted models.
        ServingError: the engine can load no version, or the port is in use.
    """

    def load(number: int, folder: Path) -> ServedVersion:
        return load_version(
            number, read_servable_isolated(folder), options.engine, options.batching
        )

    _check_versions(options, find_versions(options.base_path))
    model = ServedModel(
        options.name,
        options.base_path,
        load,
        latest_versions=options.latest_versions,
        labels=options.labels,
    )
    problems: list[str] = []
    model.report, report = problems.append, model.report
    model.poll()
    states = model.states().values()
    if not any(state.state == "AVAILABLE" for state in states):
        highest = next(state for state in states if state.error_message)
        error = SourceError if highest.error_code == INVALID_ARGUMENT else ServingError
        raise error(f"no version of {options.name} can be served: {highest.error_message}")
    # Problems are printed after the check above; otherwise, the error of the check would be printed
    # twice.
    for problem in problems:
        report(problem)
    model.report = report
    _keep_polling(model, options.poll_seconds)
    api = RestApi({options.name: model})

    def ready(ports: list[int]) -> None:
        url = f"http://{options.host}:{ports[0]}"
        number = model.version().number
        if options.as_json:
            line = json.dumps({"url": url, "version": str(number)})
        else:
            path = f"{url}/v1/models/{options.name}"
            line = f"{options.name} version {number} on {options.engine}: {path}"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    listener = Listener(
        lambda method, path, _, body: api.handle(method, path, body), options.port, options.host
    )
    serve([listener], ready)
    end_process()


def _check_versions(options: ServeOptions, versions: Mapping[int, Path]) -> None:
    if not versions:
        if options.base_path.suffix in KERAS_SUFFIXES:
            raise SourceError(
                f"{options.base_path} is a Keras file: expected a folder of SavedModels; "
                f"{keras_export(options.base_path, f'{options.name}/1')}; "
                f"then --model-base-path {options.name}"
            )
        problem = "has no numbered folder" if options.base_path.is_dir() else "is not a folder"
        raise SourceError(
            f"{options.base_path} {problem}: expected a folder per version with a SavedModel, such "
            f"as {options.base_path / '1' / 'saved_model.pb'}"
        )
    for label, number in options.labels.items():
        if number not in versions:
            existing = ", ".join(map(str, sorted(versions)))
            raise SourceError(f"--label {label}={number}: expected one of the versions {existing}")


def _keep_polling(model: ServedModel, seconds: float) -> None:
    pause = threading.Event()

    def poll() -> None:
        while not pause.wait(seconds):
            model.poll()

    threading.Thread(target=poll, name="poll", daemon=True).start()
