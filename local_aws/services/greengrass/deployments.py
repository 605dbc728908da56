"""Deployments: each target has one active revision, which a job or a shadow delivers."""

import uuid
from typing import Any

from local_aws import json_text
from local_aws.account_region import Scope
from local_aws.errors import ConflictError, NotFoundError, ValidationError
from local_aws.input_validation.rules.iot import rollout_fault
from local_aws.services.greengrass.arns import configuration_arn, parse_target
from local_aws.services.greengrass.components import Components
from local_aws.services.greengrass.delivery import Deliveries, job_id, job_members
from local_aws.services.greengrass.paging import page
from local_aws.services.greengrass.ports import CloudServices
from local_aws.services.greengrass.store import GreengrassStore, now
from local_aws.services.greengrass.tags import check_tags

Params = dict[str, Any]
Record = dict[str, Any]

_TOKEN_SECONDS = 8 * 3600
# The version of the structure of job documents (aws-greengrass-component-common, SchemaDate).
_SCHEMA_DATE = "2021-05-17"
_DEFAULT_POLICIES: Params = {
    "failureHandlingPolicy": "ROLLBACK",
    "componentUpdatePolicy": {"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"},
    "configurationValidationPolicy": {"timeoutInSeconds": 30},
}


class Deployments:
    """The operations on deployments."""

    def __init__(
        self, store: GreengrassStore, cloud: CloudServices, components: Components
    ) -> None:
        self._store = store
        self._cloud = cloud
        self._components = components
        self._deliveries = Deliveries(cloud)

    async def create(self, scope: Scope, params: Params) -> Params:
        """Implement CreateDeployment; a new revision supersedes the target's previous revision."""
        target = parse_target(scope, params["targetArn"])
        check_tags(params.get("tags", {}))
        _check_rollout(params)
        if not self._cloud.target_exists(scope, params["targetArn"]):
            raise NotFoundError("TARGET", params["targetArn"])
        if repeated := self._by_token(scope, params.get("clientToken")):
            return _created(scope, repeated)
        self._check_parent(scope, params)
        components = params.get("components", {})
        self._check_components(scope, components)
        region = self._store.region(scope)
        revision = region.revisions.get(params["targetArn"], 0) + 1
        policies = _with_defaults(params.get("deploymentPolicies", {}))
        record: Record = {
            "deploymentId": str(uuid.uuid4()),
            "deploymentName": params.get("deploymentName", ""),
            "targetArn": params["targetArn"],
            "parentTargetArn": params.get("parentTargetArn"),
            "components": components,
            "deploymentPolicies": policies,
            "iotJobConfiguration": params.get("iotJobConfiguration", {}),
            "tags": params.get("tags", {}),
            "created": now(),
            "revision": revision,
            "configurationArn": configuration_arn(scope, target, revision),
            "state": "ACTIVE",
            "clientToken": params.get("clientToken"),
            **job_id(target),
        }
        previous = self.superseded(scope, params["targetArn"])
        await self._deliveries.of(record).send(scope, record, job_document(record))
        region.revisions[params["targetArn"]] = revision
        region.deployments[record["deploymentId"]] = record
        for superseded in previous:
            superseded["state"] = "INACTIVE"
            await self._deliveries.of(superseded).supersede(scope, superseded)
        return _created(scope, record)

    def get(self, scope: Scope, params: Params) -> Params:
        """Implement GetDeployment."""
        record = self.record(scope, params["deploymentId"])
        return {
            **{key: value for key, value in record.items() if value is not None},
            **self._summary(scope, record),
            **job_members(scope, record),
        }

    def list_deployments(self, scope: Scope, params: Params) -> Params:
        """Implement ListDeployments, newest first."""
        listed = [self._summary(scope, record) for record in self.listed(scope, params)]
        return page("deployments", listed, params)

    async def cancel(self, scope: Scope, params: Params) -> Params:
        """Implement CancelDeployment; devices that have finished the deployment do not change."""
        record = self.record(scope, params["deploymentId"])
        status = self.status(scope, record)
        if status != "ACTIVE":
            raise ConflictError(
                "DEPLOYMENT",
                record["deploymentId"],
                f"Deployment {record['deploymentId']} is {status}; only ACTIVE"
                " deployments can be cancelled.",
            )
        await self._deliveries.of(record).cancel(scope, record)
        record["state"] = "CANCELED"
        return {"message": f"Deployment {record['deploymentId']} is canceled."}

    def delete(self, scope: Scope, params: Params) -> Params:
        """Implement DeleteDeployment, which does not change devices."""
        record = self.record(scope, params["deploymentId"])
        if self.status(scope, record) == "ACTIVE":
            raise ConflictError(
                "DEPLOYMENT",
                record["deploymentId"],
                f"Deployment {record['deploymentId']} is ACTIVE; cancel it before deleting it.",
            )
        del self._store.region(scope).deployments[record["deploymentId"]]
        return {}

    def record(self, scope: Scope, deployment_id: str) -> Record:
        """Return a deployment.

        Raises:
            NotFoundError: the deployment does not exist.
        """
        record = self._store.region(scope).deployments.get(deployment_id)
        if record is None:
            raise NotFoundError("DEPLOYMENT", deployment_id)
        return record

    def find(self, scope: Scope, params: Params) -> list[Record]:
        """Return the deployment with the id in a call, as a list; empty if it does not exist."""
        record = self._store.region(scope).deployments.get(params.get("deploymentId", ""))
        return [] if record is None else [record]

    def listed(self, scope: Scope, params: Params) -> list[Record]:
        """Return the deployments that ListDeployments selects, newest first."""
        latest_only = params.get("historyFilter", "LATEST_ONLY") == "LATEST_ONLY"
        return [
            record
            for record in self.records(scope)
            if params.get("targetArn") in (None, record["targetArn"])
            and params.get("parentTargetArn") in (None, record["parentTargetArn"])
            and (self.is_latest(scope, record) or not latest_only)
        ]

    def records(self, scope: Scope) -> list[Record]:
        """Return all deployments, newest first."""
        records = self._store.region(scope).deployments.values()
        return sorted(records, key=lambda record: (record["created"], record["revision"]),
                      reverse=True)  # fmt: skip

    def status(self, scope: Scope, record: Record) -> str:
        """Return a deployment's status; for an active deployment, the status of its delivery."""
        if record["state"] != "ACTIVE":
            return str(record["state"])
        return self._deliveries.of(record).status(scope, record)

    def execution(self, scope: Scope, record: Record, thing: str) -> Record | None:
        """Return the execution of a deployment on a thing; None for a thing outside the target."""
        return self._deliveries.of(record).execution(scope, record, thing)

    def is_latest(self, scope: Scope, record: Record) -> bool:
        """Return whether a deployment is the newest revision of its target."""
        latest = self._store.region(scope).revisions.get(record["targetArn"])
        return bool(record["revision"] == latest)

    def superseded(self, scope: Scope, target_arn: str) -> list[Record]:
        """Return the deployments that a new revision for a target supersedes."""
        return [
            record
            for record in self.records(scope)
            if target_arn in (record["targetArn"], record["parentTargetArn"])
            and record["state"] == "ACTIVE"
        ]

    def _summary(self, scope: Scope, record: Record) -> Params:
        summary = {
            "targetArn": record["targetArn"],
            "revisionId": str(record["revision"]),
            "deploymentId": record["deploymentId"],
            "deploymentName": record["deploymentName"],
            "creationTimestamp": record["created"],
            "deploymentStatus": self.status(scope, record),
            "isLatestForTarget": self.is_latest(scope, record),
            "parentTargetArn": record["parentTargetArn"],
        }
        return {key: value for key, value in summary.items() if value is not None}

    def _by_token(self, scope: Scope, token: str | None) -> Record | None:
        """Return the deployment of a request with this token in the last 8 hours, or None."""
        for record in self.records(scope):
            if token and record.get("clientToken") == token:
                return record if now() - record["created"] < _TOKEN_SECONDS else None
        return None

    def _check_parent(self, scope: Scope, params: Params) -> None:
        parent = params.get("parentTargetArn")
        if parent is None:
            return
        if parse_target(scope, params["targetArn"]).kind != "thinggroup":
            raise ValidationError("The target of a subdeployment must be a thing group.")
        if not self._cloud.target_exists(scope, parent):
            raise NotFoundError("TARGET", parent)
        others = {
            record["parentTargetArn"]
            for record in self.records(scope)
            if record["targetArn"] == params["targetArn"] and record["parentTargetArn"]
        } - {parent}
        if others:
            raise ValidationError(
                f"{params['targetArn']} is the target of a subdeployment for {others.pop()};"
                " it cannot have another parent."
            )

    def _check_components(self, scope: Scope, components: Params) -> None:
        for name, specification in components.items():
            version = specification["componentVersion"]
            component = self._components.find(scope, name, version)
            if component is None:
                versions = self._components.versions(scope, name)
                raise NotFoundError(
                    "COMPONENT",
                    f"{name}:{version}",
                    f"Component {name} has no version {version} in account {scope.account},"
                    f" {scope.region}; known versions: {versions or 'none'}.",
                )
            state = self._components.state(component)
            if state != "DEPLOYABLE":
                raise ValidationError(f"Component {name} {version} is {state}, not DEPLOYABLE.")
            _merge_object(name, specification)


def _check_rollout(params: Params) -> None:
    """Check the rollout rate of the deployment's job."""
    job = params.get("iotJobConfiguration", {})
    fault = rollout_fault(job.get("jobExecutionsRolloutConfig", {}))
    if fault is not None:
        raise ValidationError(fault)


def _merge_object(name: str, specification: Params) -> dict[str, Any] | None:
    merge = specification.get("configurationUpdate", {}).get("merge")
    if merge is None:
        return None
    try:
        value = json_text.parse(merge)
    except ValueError as error:
        raise ValidationError(f"configurationUpdate.merge of {name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValidationError(f"configurationUpdate.merge of {name} must be a JSON object.")
    return value


def _with_defaults(policies: Params) -> Params:
    return {
        key: {**default, **policies.get(key, {})}
        if isinstance(default, dict)
        else policies.get(key, default)
        for key, default in _DEFAULT_POLICIES.items()
    }


def _created(scope: Scope, record: Record) -> Params:
    return {"deploymentId": record["deploymentId"], **job_members(scope, record)}


def job_document(record: Record) -> Params:
    """Return the job document of a deployment in the form that nuclei read."""
    policies = record["deploymentPolicies"]
    update, validation = (
        policies["componentUpdatePolicy"],
        policies["configurationValidationPolicy"],
    )
    parent = record.get("parentTargetArn")
    return {
        "schemaDate": _SCHEMA_DATE,
        **({"onBehalfOf": parent} if parent else {}),
        "deploymentId": record["deploymentId"],
        "deploymentName": record["deploymentName"],
        "configurationArn": record["configurationArn"],
        "creationTimestamp": int(record["created"] * 1000),
        "components": {
            name: _component_document(name, specification)
            for name, specification in record["components"].items()
        },
        "failureHandlingPolicy": policies["failureHandlingPolicy"],
        "componentUpdatePolicy": {
            "timeout": update["timeoutInSeconds"],
            "action": update["action"],
        },
        "configurationValidationPolicy": {"timeout": validation["timeoutInSeconds"]},
    }


def _component_document(name: str, specification: Params) -> Params:
    document: Params = {"version": specification["componentVersion"]}
    merge = _merge_object(name, specification)
    update = {
        "merge": merge,
        "reset": specification.get("configurationUpdate", {}).get("reset"),
    }
    update = {key: value for key, value in update.items() if value is not None}
    if update:
        document["configurationUpdate"] = update
    if "runWith" in specification:
        document["runWith"] = specification["runWith"]
    return document
