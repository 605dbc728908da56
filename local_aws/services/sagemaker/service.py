"""SageMaker: the control plane's operations by name, and the runtime's operations by path."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.account_region import Scope
from local_aws.authorization.checks import Authorize
from local_aws.errors import ValidationError
from local_aws.service_api import ServiceApi
from local_aws.service_protocol import Request, Response
from local_aws.services.sagemaker.cloud import Cloud
from local_aws.services.sagemaker.definitions import Definitions
from local_aws.services.sagemaker.endpoints import Endpoints
from local_aws.services.sagemaker.images import UnusableModel, framework_of, location_of
from local_aws.services.sagemaker.runtime import Runtime
from local_aws.services.sagemaker.store import Params, Store
from local_aws.services.sagemaker.subjects import subjects

if TYPE_CHECKING:
    from collections.abc import Callable

_RUNTIME_PATH = "/endpoints/"


class SageMaker:
    """SageMaker hosting, and definitions that are only stored; other operations are rejected."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        """Set up the operations; `folder` is for the archives and logs of the containers."""
        self._store = Store()
        self.endpoints = Endpoints(self._store, cloud, folder)
        self._runtime = Runtime(self._store, self.endpoints, cloud)
        self.operations: dict[str, Callable[[Scope, Params], Params]] = {
            "CreateEndpoint": self.endpoints.create,
            "CreateEndpointConfig": self._create_config,
            "CreateModel": self._create_model,
            "DeleteEndpoint": self.endpoints.delete,
            "DeleteEndpointConfig": self._delete_config,
            "DeleteModel": self._delete_model,
            "DescribeEndpoint": self.endpoints.describe,
            "DescribeEndpointConfig": self._describe_config,
            "DescribeModel": self._describe_model,
            "ListEndpointConfigs": self._list_configs,
            "ListEndpoints": self._list_endpoints,
            "ListModels": self._list_models,
            "UpdateEndpoint": self.endpoints.update,
            "UpdateEndpointWeightsAndCapacities": self.endpoints.update_weights,
            **Definitions(self._store).operations,
        }
        self.api = ServiceApi("sagemaker", self.operations, subjects)

    async def respond(self, scope: Scope, request: Request, authorize: Authorize) -> Response:
        """Respond to an HTTP request in an account and Region, if its caller is authorized."""
        if request.path.startswith(_RUNTIME_PATH):
            return await self._runtime.respond(scope, request, authorize)
        return await asyncio.to_thread(self.api.respond, scope, request, authorize)

    def to_json(self) -> Params:
        """Return all resources as JSON."""
        return self._store.to_json()

    def load_json(self, data: Params) -> None:
        """Replace all resources with the result of ``to_json``."""
        self._store.load_json(data)
        self.endpoints.fail_interrupted()

    def clear(self) -> None:
        """Remove all resources, and stop all containers."""
        self._store.clear()
        self.endpoints.clear()

    def _create_model(self, scope: Scope, params: Params) -> Params:
        if "PrimaryContainer" not in params:
            raise ValidationError("The emulator hosts models with one PrimaryContainer.")
        try:
            framework_of(params["PrimaryContainer"])
            location_of(params["PrimaryContainer"])
        except UnusableModel as error:
            raise ValidationError(str(error)) from None
        return self._store_record(scope, "model", "Model", params)

    def _create_config(self, scope: Scope, params: Params) -> Params:
        for variant in params["ProductionVariants"]:
            self._store.get(scope, "model", variant.get("ModelName", ""))
            if "ServerlessConfig" not in variant and "InstanceType" not in variant:
                raise ValidationError(
                    f"variant {variant['VariantName']} requires InstanceType or ServerlessConfig"
                )
        if not any(
            variant.get("InitialVariantWeight", 1.0) for variant in params["ProductionVariants"]
        ):
            raise ValidationError("At least one variant must have a non-zero initial weight.")
        return self._store_record(scope, "endpoint-config", "EndpointConfig", params)

    def _store_record(self, scope: Scope, kind: str, noun: str, params: Params) -> Params:
        name = params[f"{noun}Name"]
        arn = self._store.arn(scope, kind, name)
        record = {**params, f"{noun}Arn": arn, "CreationTime": round(time.time(), 3)}
        self._store.add(scope, kind, name, record)
        return {f"{noun}Arn": arn}

    def _describe_model(self, scope: Scope, params: Params) -> Params:
        return self._store.get(scope, "model", params["ModelName"])

    def _describe_config(self, scope: Scope, params: Params) -> Params:
        return self._store.get(scope, "endpoint-config", params["EndpointConfigName"])

    def _delete_model(self, scope: Scope, params: Params) -> Params:
        self._store.remove(scope, "model", params["ModelName"])
        return {}

    def _delete_config(self, scope: Scope, params: Params) -> Params:
        self._store.remove(scope, "endpoint-config", params["EndpointConfigName"])
        return {}

    def _list_models(self, scope: Scope, _params: Params) -> Params:
        return {"Models": self._listed(scope, "model")}

    def _list_configs(self, scope: Scope, _params: Params) -> Params:
        return {"EndpointConfigs": self._listed(scope, "endpoint-config")}

    def _list_endpoints(self, scope: Scope, _params: Params) -> Params:
        return {"Endpoints": self._listed(scope, "endpoint")}

    def _listed(self, scope: Scope, kind: str) -> list[dict[str, Any]]:
        """Return the records of a kind; `ServiceProtocol` omits members that a summary lacks."""
        return [self._store.get(scope, kind, name) for name in self._store.names(scope, kind)]
