"""The process of `deeplens model serve`: one model's base path on a port."""

import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_tools.errors import ServingError, SourceError
from model_tools.serving.batching import Batching
from model_tools.serving.http import Site, end_process, serve
from model_tools.serving.loading import load_version
from model_tools.serving.rest import RestApi
from model_tools.serving.signatures import read_in_limits
from model_tools.serving.versions import INVALID_ARGUMENT, ServedModel, Version, versions_below
from model_tools.sources.exporting import KERAS_SUFFIXES, keras_export


@dataclass(frozen=True)
class ServeOptions:
    """What is served, where and how."""

    name: str
    base_path: Path
    host: str
    port: int
    engine: str
    # How many of the highest versions.
    keep: int
    labels: Mapping[str, int]
    poll_seconds: float
    batching: Batching | None
    as_json: bool = False


def serve_model(options: ServeOptions) -> None:
    """Serve until SIGTERM or Ctrl-C; does not return.

    Raises:
        SourceError: there is no version, not the one of a label, or none that may be loaded.
        ServingError: the engine can load no version, or the port is taken.
    """

    def load(number: int, folder: Path) -> Version:
        return load_version(number, read_in_limits(folder), options.engine, options.batching)

    found = versions_below(options.base_path)
    _check_versions(options, found)
    model = ServedModel(
        options.name, options.base_path, load, keep=options.keep, labels=options.labels
    )
    problems: list[str] = []
    model.report, report = problems.append, model.report
    model.poll()
    states = model.states().values()
    if not any(state.state == "AVAILABLE" for state in states):
        highest = next(state for state in states if state.error_message)
        error = SourceError if highest.error_code == INVALID_ARGUMENT else ServingError
        raise error(f"no version of {options.name} can be served: {highest.error_message}")
    # After the check above, so that a problem which ends the command is not printed twice.
    for problem in problems:
        report(problem)
    model.report = report
    _keep_polling(model, options.poll_seconds)
    api = RestApi({options.name: model})

    def ready(ports: list[int]) -> None:
        url = f"http://{options.host}:{ports[0]}"
        number = model.version().number
        if options.as_json:
            said = json.dumps({"url": url, "version": str(number)})
        else:
            path = f"{url}/v1/models/{options.name}"
            said = f"{options.name} version {number} on {options.engine}: {path}"
        sys.stdout.write(said + "\n")
        sys.stdout.flush()

    site = Site(
        lambda method, path, _, body: api.handle(method, path, body), options.port, options.host
    )
    serve([site], ready)
    end_process()


def _check_versions(options: ServeOptions, found: Mapping[int, Path]) -> None:
    if not found:
        if options.base_path.suffix in KERAS_SUFFIXES:
            raise SourceError(
                f"{options.base_path} is a Keras file, and serve loads SavedModels: "
                f"{keras_export(options.base_path, f'{options.name}/1')}; "
                f"then --model-base-path {options.name}"
            )
        what = (
            "has no folder that is called by a number"
            if options.base_path.is_dir()
            else "is no folder"
        )
        raise SourceError(
            f"{options.base_path} {what}; a SavedModel's version is one, such as "
            f"{options.base_path / '1' / 'saved_model.pb'}"
        )
    for label, number in options.labels.items():
        if number not in found:
            known = ", ".join(map(str, sorted(found)))
            raise SourceError(f"--label {label}={number}: there are the versions {known}")


def _keep_polling(model: ServedModel, seconds: float) -> None:
    pause = threading.Event()

    def poll() -> None:
        while not pause.wait(seconds):
            model.poll()

    threading.Thread(target=poll, name="poll", daemon=True).start()
