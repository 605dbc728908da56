"""The process that stands for SageMaker's container: an archive, a port, and SIGTERM."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_tools.errors import SourceError
from model_tools.serving.archive import unpack_models
from model_tools.serving.batching import Batching
from model_tools.serving.engines import TENSORFLOW
from model_tools.serving.http_server import LOOPBACK, Site, end_process, serve
from model_tools.serving.inference_script import INFERENCE, UserCode
from model_tools.serving.loading import load_version
from model_tools.serving.rest_api import RestApi
from model_tools.serving.sagemaker_api import Container
from model_tools.serving.signatures import Servable, read_in_limits
from model_tools.serving.versions import ServedModel, versions_below


@dataclass(frozen=True)
class ContainerOptions:
    """What SageMaker gives a container."""

    archive: Path
    port: int
    environment: Mapping[str, str]
    most_bytes: int
    seconds: float


def serve_archive(options: ContainerOptions) -> None:
    """Serve an archive until SIGTERM; does not return.

    Raises:
        SourceError, RefusedError: the archive, or a model in it.
        ServingError: a model does not load, its inference.py does not run, a port is taken.
    """
    # As in the container, what the model's own code prints is log; the one line is not.
    said, sys.stdout = sys.stdout, sys.stderr
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.environ.update(options.environment)
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        folder = Path(workspace) / "model"
        paths = unpack_models(options.archive, folder)
        default = _default_model(paths, options.environment)
        # Everything that can be told at once is, before TensorFlow takes its seconds.
        batching = Batching.from_environment(os.environ)
        servables = {
            name: {
                number: read_in_limits(folder) for number, folder in versions_below(base).items()
            }
            for name, base in paths.items()
        }
        code = UserCode(folder) if (folder / INFERENCE).is_file() else None
        api = RestApi({name: _load(name, paths[name], servables[name], batching) for name in paths})
        container = Container(api, default, code)

        def ready(ports: list[int]) -> None:
            container.rest_uri = f"http://{LOOPBACK}:{ports[0]}"
            said.write(json.dumps({"url": f"http://{LOOPBACK}:{ports[1]}"}) + "\n")
            said.flush()

        serve(
            [
                Site(lambda method, path, _, body: api.handle(method, path, body), port=0),
                Site(
                    container.handle,
                    port=options.port,
                    most_bytes=options.most_bytes,
                    seconds=options.seconds,
                    any_host=True,
                ),
            ],
            ready,
        )
    end_process()


def _default_model(paths: Mapping[str, Path], environment: Mapping[str, str]) -> str:
    variable = "SAGEMAKER_TFS_DEFAULT_MODEL_NAME"
    name = environment.get(variable) or next(iter(paths))
    if name not in paths:
        raise SourceError(f"{variable} is {name}; the archive has {', '.join(paths)}")
    return name


def _load(
    name: str, base: Path, servables: Mapping[int, Servable], batching: Batching | None
) -> ServedModel:
    """Load every version that is there, as the container serves it; one that fails ends it all."""
    versions = {
        number: load_version(number, servable, TENSORFLOW, batching)
        for number, servable in servables.items()
    }
    model = ServedModel(name, base, lambda number, _: versions[number], keep=len(versions))
    model.poll()
    return model
