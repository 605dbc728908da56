"""CodePipeline: pipelines are stored and returned; `deeplens local deliver` executes a pipeline."""

import time
from typing import TYPE_CHECKING, Any

from local_aws.account_region import Scope
from local_aws.authorization.checks import Subjects
from local_aws.errors import ServiceError
from local_aws.service_api import ServiceApi

if TYPE_CHECKING:
    from collections.abc import Callable

Params = dict[str, Any]
_PRINCIPAL = "codepipeline.amazonaws.com"


class CodePipeline:
    """The pipelines of all accounts and Regions, as JSON."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Params]] = {}
        self.operations: dict[str, Callable[[Scope, Params], Params]] = {
            "CreatePipeline": self.create,
            "DeletePipeline": self.delete,
            "GetPipeline": self.get,
            "ListPipelines": self.list_all,
            "UpdatePipeline": self.update,
        }
        self.api = ServiceApi("codepipeline", self.operations, _subjects)

    def create(self, scope: Scope, params: Params) -> Params:
        """Implement CreatePipeline."""
        name = params["pipeline"]["name"]
        if name in self._of(scope):
            raise ServiceError(
                "PipelineNameInUseException", f"A pipeline with the name '{name}' already exists."
            )
        created = round(time.time(), 3)
        self._of(scope)[name] = {
            "pipeline": {**params["pipeline"], "version": 1},
            "metadata": {"pipelineArn": _arn(scope, name), "created": created, "updated": created},
        }
        return {"pipeline": self._of(scope)[name]["pipeline"], "tags": params.get("tags", [])}

    def get(self, scope: Scope, params: Params) -> Params:
        """Implement GetPipeline for the current version only."""
        record = self._existing(scope, params["name"])
        current = record["pipeline"]["version"]
        if params.get("version", current) != current:
            raise ServiceError(
                "PipelineVersionNotFoundException",
                f"The emulator stores version {current} of {params['name']} only.",
            )
        return record

    def update(self, scope: Scope, params: Params) -> Params:
        """Implement UpdatePipeline, which increments the version."""
        record = self._existing(scope, params["pipeline"]["name"])
        version = record["pipeline"]["version"] + 1
        record["pipeline"] = {**params["pipeline"], "version": version}
        record["metadata"]["updated"] = round(time.time(), 3)
        return {"pipeline": record["pipeline"]}

    def delete(self, scope: Scope, params: Params) -> Params:
        """Implement DeletePipeline, which, as on AWS, also succeeds for a missing pipeline."""
        self._of(scope).pop(params["name"], None)
        return {}

    def list_all(self, scope: Scope, _params: Params) -> Params:
        """Implement ListPipelines, with one page."""
        listed = [
            {**record["pipeline"], **record["metadata"]}
            for _, record in sorted(self._of(scope).items())
        ]
        return {"pipelines": listed}

    def to_json(self) -> Params:
        """Return all resources as JSON."""
        return self._records

    def load_json(self, data: Params) -> None:
        """Replace all resources with the result of ``to_json``."""
        self._records = data

    def clear(self) -> None:
        """Remove all resources."""
        self._records = {}

    def _existing(self, scope: Scope, name: str) -> Params:
        record = self._of(scope).get(name)
        if record is None:
            raise ServiceError(
                "PipelineNotFoundException",
                f"Account '{scope.account}' does not have a pipeline with name '{name}'",
            )
        return record

    def _of(self, scope: Scope) -> dict[str, Params]:
        return self._records.setdefault(str(scope), {})


def _arn(scope: Scope, name: str) -> str:
    return f"arn:aws:codepipeline:{scope.region}:{scope.account}:{name}"


def _subjects(scope: Scope, params: Params) -> Subjects:
    """Return the resources and tags that authorize a call: the pipeline and the passed role."""
    pipeline = params.get("pipeline", {})
    name = pipeline.get("name") or params.get("name")
    resources = {"codepipeline:pipeline": [_arn(scope, name)]} if name else {}
    if "roleArn" in pipeline:
        resources["iam:role"] = [pipeline["roleArn"]]
    tags = {tag["key"]: tag["value"] for tag in params.get("tags", [])}
    return Subjects(resources, tags=tags, passed_to=_PRINCIPAL)
