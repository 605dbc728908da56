"""Run the server of `deeplens model serve-container`, a replacement of SageMaker's container."""

import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_tools.errors import SourceError
from model_tools.formats.archives import unpack_tar
from model_tools.serving.batching import BatchingOptions
from model_tools.serving.engines import TENSORFLOW
from model_tools.serving.http_server import LOOPBACK, Listener, end_process, serve
from model_tools.serving.inference_script import SCRIPT_PATH, InferenceScript
from model_tools.serving.rest_api import RestApi
from model_tools.serving.sagemaker_api import SageMakerApi
from model_tools.serving.signatures import Servable, read_servable_isolated
from model_tools.serving.versions import ServedModel, find_versions, load_version

_FROZEN_OR_KERAS_SUFFIXES = {".pb", ".keras", ".h5"}


@dataclass(frozen=True)
class ContainerOptions:
    """The parameters of a container: archive, port, environment variables and request limits."""

    archive: Path
    port: int
    environment: Mapping[str, str]
    largest_bytes: int
    timeout_seconds: float


def serve_archive(options: ContainerOptions) -> None:
    """Serve an archive until SIGTERM; this function does not return.

    Raises:
        SourceError, RefusedError: the archive, or a model in it, is not valid.
        IsolationError: the process that checks a model crashed or reached a limit.
        ServingError: a model cannot be loaded, its inference.py cannot run, or a port is in use.
    """
    # As in the container, the output of the model's code goes to the log. stdout contains only the
    # line with the URL.
    stdout, sys.stdout = sys.stdout, sys.stderr
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.environ.update(options.environment)
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        folder = Path(workspace) / "model"
        base_paths = unpack_models(options.archive, folder)
        default = _default_model(base_paths, options.environment)
        # Input errors are reported before the import of TensorFlow, which takes seconds.
        batching = BatchingOptions.from_environment(os.environ)
        servables = {
            name: {
                number: read_servable_isolated(folder)
                for number, folder in find_versions(base_path).items()
            }
            for name, base_path in base_paths.items()
        }
        script = InferenceScript(folder) if (folder / SCRIPT_PATH).is_file() else None
        rest_api = RestApi(
            {
                name: _load(name, base_path, servables[name], batching)
                for name, base_path in base_paths.items()
            }
        )
        sagemaker_api = SageMakerApi(rest_api, default, script)

        def ready(ports: list[int]) -> None:
            sagemaker_api.rest_uri = f"http://{LOOPBACK}:{ports[0]}"
            stdout.write(json.dumps({"url": f"http://{LOOPBACK}:{ports[1]}"}) + "\n")
            stdout.flush()

        serve(
            [
                Listener(lambda method, path, _, body: rest_api.handle(method, path, body), port=0),
                Listener(
                    sagemaker_api.handle,
                    port=options.port,
                    largest_bytes=options.largest_bytes,
                    timeout_seconds=options.timeout_seconds,
                    any_host=True,
                ),
            ],
            ready,
        )
    end_process()


def unpack_models(archive: Path, destination: Path) -> dict[str, Path]:
    """Unpack a model.tar.gz, and return the base paths of its models by name.

    As in SageMaker's container, a model is a folder with numbered SavedModels, and has the name of
    that folder. Numbered folders at the top are versions of `model`.

    Raises:
        SourceError: the archive contains no model; the message lists its content.
        RefusedError: the archive breaks a rule of `model_tools.formats.archives`.
    """
    if not archive.is_file():
        raise SourceError(f"{archive}: no such file")
    unpack_tar(archive, destination)
    base_paths: dict[str, Path] = {}
    for file in sorted(destination.rglob("saved_model.pb")):
        base_path = file.parent.parent
        if re.fullmatch("[0-9]+", file.parent.name):
            name = "model" if base_path == destination else base_path.name
            if base_paths.setdefault(name, base_path) != base_path:
                raise SourceError(f"{archive} contains two models with the name {name}")
    if not base_paths:
        raise SourceError(f"{archive} cannot be served: {_reason(destination)}")
    return base_paths


def _reason(folder: Path) -> str:
    if any(folder.rglob("*-symbol.json")):
        return (
            "it contains an MXNet model, which only SageMaker's MXNet container can run; "
            "`deeplens model host-package` validates and packages it"
        )
    if file := next(iter(sorted(folder.rglob("saved_model.pb"))), None):
        return (
            f"its SavedModel is in {file.parent.relative_to(folder)}/: expected a numbered folder; "
            "`deeplens model host-package` packages it as export/Servo/1/"
        )
    for file in sorted(folder.rglob("*")):
        if file.suffix in _FROZEN_OR_KERAS_SUFFIXES:
            return (
                f"{file.relative_to(folder)} is not a SavedModel; "
                "`deeplens model host-package` prints how to create one"
            )
    return "it contains no SavedModel (export/Servo/<number>/saved_model.pb)"


def _default_model(base_paths: Mapping[str, Path], environment: Mapping[str, str]) -> str:
    variable = "SAGEMAKER_TFS_DEFAULT_MODEL_NAME"
    name = environment.get(variable) or next(iter(base_paths))
    if name not in base_paths:
        raise SourceError(f"{variable}: expected one of {', '.join(base_paths)}; got {name!r}")
    return name


def _load(
    name: str,
    base_path: Path,
    servables: Mapping[int, Servable],
    batching: BatchingOptions | None,
) -> ServedModel:
    """Load every version; as in the container, raise ServingError if a version cannot be loaded."""
    versions = {
        number: load_version(number, servable, TENSORFLOW, batching)
        for number, servable in servables.items()
    }
    model = ServedModel(
        name, base_path, lambda number, _: versions[number], latest_versions=len(versions)
    )
    model.poll()
    return model
