"""Application Auto Scaling: targets and policies are stored and returned, but never applied."""

import hashlib
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from local_aws.account_region import Scope
from local_aws.authorization.checks import Subjects
from local_aws.authorization.reference import arn
from local_aws.errors import ServiceError
from local_aws.service_api import ServiceApi

if TYPE_CHECKING:
    from collections.abc import Callable

Params = dict[str, Any]
_TARGETS, _POLICIES = "targets", "policies"
_TARGET_TYPE = "application-autoscaling:ScalableTarget"
_ID_CHARACTERS = 32


class AutoScaling:
    """The scalable targets and scaling policies of all accounts and Regions, as JSON."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, dict[str, Params]]] = {}
        self.operations: dict[str, Callable[[Scope, Params], Params]] = {
            "DeleteScalingPolicy": self.delete_policy,
            "DeregisterScalableTarget": self.deregister,
            "DescribeScalableTargets": self.describe_targets,
            "DescribeScalingPolicies": self.describe_policies,
            "PutScalingPolicy": self.put_policy,
            "RegisterScalableTarget": self.register,
        }
        self.api = ServiceApi("application-autoscaling", self.operations, _subjects)

    def register(self, scope: Scope, params: Params) -> Params:
        """Implement RegisterScalableTarget, which creates or updates a target."""
        targets = self._of(scope, _TARGETS)
        key = target_key(params)
        record = {"CreationTime": round(time.time(), 3), **targets.get(key, {}), **params}
        if record.get("MinCapacity", 0) > record.get("MaxCapacity", 0):
            raise ServiceError(
                "ValidationException",
                "Maximum capacity cannot be less than minimum capacity: "
                f"{record.get('MinCapacity')} to {record.get('MaxCapacity')}.",
            )
        targets[key] = record
        return {}

    def deregister(self, scope: Scope, params: Params) -> Params:
        """Implement DeregisterScalableTarget, which also deletes the policies of the target."""
        key = target_key(params)
        if self._of(scope, _TARGETS).pop(key, None) is None:
            raise _no_target(key)
        policies = self._of(scope, _POLICIES)
        for name in [name for name, policy in policies.items() if target_key(policy) == key]:
            del policies[name]
        return {}

    def describe_targets(self, scope: Scope, params: Params) -> Params:
        """Implement DescribeScalableTargets, with one page."""
        targets = self._of(scope, _TARGETS).values()
        return {"ScalableTargets": [target for target in targets if _matches(target, params)]}

    def put_policy(self, scope: Scope, params: Params) -> Params:
        """Implement PutScalingPolicy, which creates or updates a policy."""
        key = target_key(params)
        if key not in self._of(scope, _TARGETS):
            raise _no_target(key)
        policies = self._of(scope, _POLICIES)
        name = f"{key}|{params['PolicyName']}"
        arn = policies.get(name, {}).get("PolicyARN") or (
            f"arn:aws:autoscaling:{scope.region}:{scope.account}:scalingPolicy:{uuid.uuid4()}:"
            f"resource/{params['ServiceNamespace']}/{params['ResourceId']}:"
            f"policyName/{params['PolicyName']}"
        )
        policies[name] = {**params, "PolicyARN": arn, "CreationTime": round(time.time(), 3)}
        return {"PolicyARN": arn, "Alarms": []}

    def delete_policy(self, scope: Scope, params: Params) -> Params:
        """Implement DeleteScalingPolicy."""
        name = f"{target_key(params)}|{params['PolicyName']}"
        if self._of(scope, _POLICIES).pop(name, None) is None:
            raise ServiceError("ObjectNotFoundException", f"No scaling policy found for {name}.")
        return {}

    def describe_policies(self, scope: Scope, params: Params) -> Params:
        """Implement DescribeScalingPolicies, with one page."""
        policies = self._of(scope, _POLICIES).values()
        return {"ScalingPolicies": [policy for policy in policies if _matches(policy, params)]}

    def to_json(self) -> Params:
        """Return all resources as JSON."""
        return self._records

    def load_json(self, data: Params) -> None:
        """Replace all resources with the result of ``to_json``."""
        self._records = data

    def clear(self) -> None:
        """Remove all resources."""
        self._records = {}

    def _of(self, scope: Scope, kind: str) -> dict[str, Params]:
        return self._records.setdefault(str(scope), {}).setdefault(kind, {})


def _subjects(scope: Scope, params: Params) -> Subjects:
    """Return the resources and condition keys that authorize a call.

    The id in the target's ARN is a digest, while AWS uses a random id.
    """
    keys = {
        "application-autoscaling:service-namespace": params.get("ServiceNamespace"),
        "application-autoscaling:scalable-dimension": params.get("ScalableDimension"),
    }
    tags: dict[str, str] = params.get("Tags", {})
    if not {"ResourceId", "ScalableDimension", "ServiceNamespace"} <= params.keys():
        return Subjects(tags=tags, keys=keys)
    identifier = hashlib.sha256(target_key(params).encode()).hexdigest()[:_ID_CHARACTERS]
    target = arn(_TARGET_TYPE, scope, identifier)
    return Subjects({_TARGET_TYPE: [target]}, tags=tags, keys=keys)


def target_key(params: Params) -> str:
    """Return a target's id in the form of CloudFormation's `Ref`: resource, dimension, service."""
    return f"{params['ResourceId']}|{params['ScalableDimension']}|{params['ServiceNamespace']}"


def target_of(key: str) -> Params:
    """Return the parameters of a target from the result of `target_key`.

    Raises:
        ValueError: the key has another form.
    """
    match = re.fullmatch(r"(.+)\|(.+)\|(.+)", key)
    if match is None:
        raise ValueError(f"{key!r} is not a scalable target: expected RESOURCE|DIMENSION|SERVICE")
    return dict(
        zip(("ResourceId", "ScalableDimension", "ServiceNamespace"), match.groups(), strict=True)
    )


def _matches(record: Params, params: Params) -> bool:
    ids = params.get("ResourceIds") or [params.get("ResourceId", record["ResourceId"])]
    return (
        record["ServiceNamespace"] == params["ServiceNamespace"]
        and record["ResourceId"] in ids
        and params.get("ScalableDimension", record["ScalableDimension"])
        == record["ScalableDimension"]
    )


def _no_target(key: str) -> ServiceError:
    return ServiceError("ObjectNotFoundException", f"No scalable target registered for {key}.")
