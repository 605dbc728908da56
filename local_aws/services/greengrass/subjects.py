"""The resources of Greengrass calls, for their authorization."""

import uuid
from typing import Any

from local_aws.account_region import Scope
from local_aws.authorization.checks import Subjects
from local_aws.authorization.reference import arn, resource_types
from local_aws.errors import ServiceError
from local_aws.service_protocol import Call
from local_aws.services.greengrass.deployments import Deployments
from local_aws.services.greengrass.devices import Devices
from local_aws.services.greengrass.ports import CloudServices
from local_aws.services.greengrass.recipes import artifacts, read_recipe
from local_aws.services.greengrass.tags import Tags

Params = dict[str, Any]
Record = dict[str, Any]
SERVICE_PRINCIPAL = "greengrass.amazonaws.com"
_TAGGED = ("greengrass:componentVersion", "greengrass:deployment", "greengrass:coreDevice")
_OF_A_DEVICES_GROUPS = frozenset({"ListEffectiveDeployments", "DeleteCoreDevice"})
_BY_ARN = ("arn", "resourceArn", "targetArn", "parentTargetArn", "thingGroupArn", "roleArn")


class CallSubjects:
    """A finder of the resources of calls: those in the input, and jobs and targets of deployments.

    A deployment to a thing group uses an IoT job, and a deployment to a thing uses a shadow.
    Greengrass uses jobs and shadows on behalf of the caller, so the caller also needs permissions
    of IoT.
    """

    def __init__(
        self, cloud: CloudServices, deployments: Deployments, devices: Devices, tags: Tags
    ) -> None:
        self._cloud = cloud
        self._deployments = deployments
        self._devices = devices
        self._tags = tags

    def of(self, scope: Scope, call: Call) -> Subjects:
        """Return the resources and condition keys that authorize a call.

        The resources need not exist.
        """
        params, subjects = call.params, _Resources(scope)
        _add_named(subjects, params)
        if call.operation == "CreateComponentVersion":
            _add_component(subjects, params)
        elif call.operation == "CreateDeployment" and ":thinggroup/" in params["targetArn"]:
            # As on AWS, the id of a new job is random.
            subjects.add("iot:job", str(uuid.uuid4()))
        elif call.operation in _OF_A_DEVICES_GROUPS:
            groups = self._cloud.thing_groups(scope, params["coreDeviceThingName"])
            for group_arn in groups.values():
                subjects.add_arn(group_arn)
        for deployment in self._concerned(scope, call):
            if "iotJobId" in deployment:
                subjects.add("iot:job", deployment["iotJobId"])
            subjects.add_arn(deployment["targetArn"])
        return Subjects(
            subjects.by_type,
            tags=params.get("tags", {}),
            tag_keys=params.get("tagKeys", ()),
            own_tags=self._own_tags(scope, subjects),
            passed_to=SERVICE_PRINCIPAL,
        )

    def _concerned(self, scope: Scope, call: Call) -> list[Record]:
        """Return the deployments that a call reads, changes or supersedes."""
        if call.operation == "CreateDeployment":
            return self._deployments.superseded(scope, call.params["targetArn"])
        if call.operation == "ListDeployments":
            return self._deployments.listed(scope, call.params)
        if call.operation in _OF_A_DEVICES_GROUPS:
            thing = call.params["coreDeviceThingName"]
            return self._devices.effective_deployments(scope, thing)
        return self._deployments.find(scope, call.params)

    def _own_tags(self, scope: Scope, subjects: "_Resources") -> dict[str, str]:
        own = [arn for kind in _TAGGED for arn in subjects.by_type.get(kind, ())]
        try:
            return self._tags.of(scope, own[0]) if own else {}
        except ServiceError:
            return {}


class _Resources:
    """The unique ARNs of a call's resources, by resource type."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.by_type: dict[str, list[str]] = {}

    def add(self, kind: str, *names: str) -> None:
        self.add_as(kind, arn(kind, self._scope, *names))

    def add_arn(self, value: str) -> None:
        """Add the resource with an ARN; ignore values that are not an ARN."""
        for kind in resource_types(value):
            self.add_as(kind, value)

    def add_as(self, kind: str, value: str) -> None:
        arns = self.by_type.setdefault(kind, [])
        if value not in arns:
            arns.append(value)


def _add_named(subjects: _Resources, params: Params) -> None:
    """Add the resources that the input identifies by ARN, name or id."""
    for name in _BY_ARN:
        subjects.add_arn(params.get(name, ""))
    if "deploymentId" in params:
        subjects.add("greengrass:deployment", params["deploymentId"])
    if "thingName" in params:
        subjects.add("greengrass:connectivityInfo", params["thingName"])
        subjects.add("iot:thing", params["thingName"])
    if "coreDeviceThingName" in params:
        subjects.add("greengrass:coreDevice", params["coreDeviceThingName"])
        subjects.add("iot:thing", params["coreDeviceThingName"])
    for candidate in params.get("componentCandidates", []):
        subjects.add(
            "greengrass:componentVersion",
            candidate.get("componentName", "*"),
            candidate.get("componentVersion", "*"),
        )


def _add_component(subjects: _Resources, params: Params) -> None:
    try:
        if "lambdaFunction" in params:
            source = params["lambdaFunction"]
            subjects.add_as("lambda:function", source["lambdaArn"])
            function = source["lambdaArn"].split(":")[6:7]
            for name in [source["componentName"]] if "componentName" in source else function:
                subjects.add("greengrass:component", name)
        elif "inlineRecipe" in params:
            recipe = read_recipe(params["inlineRecipe"])
            subjects.add("greengrass:component", recipe["ComponentName"])
            for artifact in artifacts(recipe):
                bucket, _, key = artifact["Uri"].removeprefix("s3://").partition("/")
                subjects.add("s3:object", bucket, key)
    except ServiceError:
        # The operation itself rejects the recipe, but only after the caller is authorized.
        return
