"""The fleet of an endpoint: for each variant, a server with one container."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.account_region import Scope
from local_aws.services.sagemaker.cloud import Cloud
from local_aws.services.sagemaker.containers import Container, ContainerFailed
from local_aws.services.sagemaker.images import (
    UnusableModel,
    check_mxnet,
    framework_of,
    location_of,
)
from local_aws.services.sagemaker.store import Store
from local_aws.services.sagemaker.subjects import SERVICE_PRINCIPAL

Params = dict[str, Any]


class FrameworkNotEmulated(Exception):  # noqa: N818 - the name describes an event
    """Raised if the emulator does not run the containers of a framework."""


@dataclass
class VariantServer:
    """The server of a variant: its archive on disk and, after the start, its container."""

    framework: str
    archive: Path
    environment: Mapping[str, str]
    log: Path
    _container: Container | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def container(self) -> Container:
        """Return the container; if it is not running, start it, as SageMaker does.

        Raises:
            FrameworkNotEmulated: only SageMaker runs this framework.
            ContainerFailed: the container does not start.
        """
        if self.framework != "tensorflow":
            raise FrameworkNotEmulated(
                f"The emulator does not run {self.framework} containers: model and endpoint "
                "are created and validated, but only SageMaker returns predictions."
            )
        with self._lock:
            if self._container is None or not self._container.runs:
                self._container = Container(self.archive, self.environment, self.log)
            return self._container

    def stop(self) -> None:
        """Stop the container if it is running."""
        with self._lock:
            if self._container is not None:
                self._container.stop()
                self._container = None


Fleet = dict[str, VariantServer]


class Fleets:
    """A factory of fleets for endpoint configurations."""

    def __init__(self, store: Store, cloud: Cloud) -> None:
        self._store = store
        self._cloud = cloud

    def prepare(self, scope: Scope, config: Params, folder: Path, *, start: bool) -> Fleet:
        """Download an endpoint configuration's models to `folder`; optionally start containers.

        After an error, the containers that were started are stopped.

        Raises:
            UnusableModel: a model is missing, or cannot be hosted.
            ContainerFailed: a container did not start.
        """
        fleet: Fleet = {}
        try:
            for variant in config["ProductionVariants"]:
                name = variant["VariantName"]
                fleet[name] = self._download(scope, variant, folder)
                if start and fleet[name].framework == "tensorflow":
                    fleet[name].container()
        except (UnusableModel, ContainerFailed):
            stop_fleet(fleet)
            raise
        return fleet

    def _download(self, scope: Scope, variant: Params, folder: Path) -> VariantServer:
        name, model_name = variant["VariantName"], variant.get("ModelName", "")
        model = self._store.find(scope, "model", model_name)
        if model is None:
            raise UnusableModel(f"variant {name}: model {model_name} does not exist")
        container = model["PrimaryContainer"]
        framework = framework_of(container)
        bucket, key = location_of(container)
        role = model["ExecutionRoleArn"]
        if not self._cloud.role_may_read(scope, role, bucket, key):
            # AWS rejects CreateModel with the same message.
            raise UnusableModel(
                f"Could not access model data at s3://{bucket}/{key}. Please ensure that the role "
                f'"{role}" exists and that its trust relationship policy allows the action '
                f'"sts:AssumeRole" for the service principal "{SERVICE_PRINCIPAL}". Also ensure '
                f'that the role has "s3:GetObject" permissions and that the object is located in '
                f"{scope.region}."
            )
        content = self._cloud.read_object(scope, bucket, key)
        if content is None:
            raise UnusableModel(
                f"Could not find model data at s3://{bucket}/{key} in {scope.region}."
            )
        if framework == "mxnet":
            check_mxnet(content)
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{name}.tar.gz"
        archive.write_bytes(content)
        log = folder / f"{name}.log"
        return VariantServer(framework, archive, container.get("Environment", {}), log)


def stop_fleet(fleet: Fleet) -> None:
    """Stop the containers of a fleet."""
    for server in fleet.values():
        server.stop()
