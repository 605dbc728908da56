"""The permissions that CloudFormation's caller needs for a step of a resource's life cycle."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from local_aws.authorization.cloudformation import table
from local_aws.authorization.cloudformation.resources import Resource
from local_aws.authorization.cloudformation.table import Step

# The service principal to which each resource type passes its role.
_PASSED_TO = {
    "AWS::CodeBuild::Project": "codebuild.amazonaws.com",
    "AWS::CodePipeline::Pipeline": "codepipeline.amazonaws.com",
    "AWS::Events::Rule": "events.amazonaws.com",
    "AWS::IoT::RoleAlias": "credentials.iot.amazonaws.com",
    "AWS::IoT::TopicRule": "iot.amazonaws.com",
    "AWS::Lambda::Function": "lambda.amazonaws.com",
    "AWS::SageMaker::EndpointConfig": "sagemaker.amazonaws.com",
    "AWS::SageMaker::Model": "sagemaker.amazonaws.com",
    "AWS::SageMaker::NotebookInstance": "sagemaker.amazonaws.com",
    "AWS::SageMaker::Pipeline": "sagemaker.amazonaws.com",
}
_SERVICE_LINKED = ":role/aws-service-role/"
_SETS_BOUNDARY = ("iam:CreateRole", "iam:PutRolePermissionsBoundary")


@dataclass(frozen=True)
class Demand:
    """One required permission; `context` contains the condition keys of the request."""

    action: str
    resource: str
    context: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Role:
    """A role that a policy refers to by name, and the ARN of the role's permissions boundary."""

    arn: str
    boundary: str | None


@dataclass(frozen=True)
class Change:
    """A step of a resource's life cycle.

    `resource` contains the properties after the step, and `before` the properties before an update.
    `role_named` returns the role with the given name, or None if the role does not exist.
    """

    step: Step
    resource: Resource
    before: dict[str, Any] = field(default_factory=dict)
    role_named: Callable[[str], Role | None] = lambda _name: None

    def demands(self) -> list[Demand]:
        """Return the permissions that CloudFormation's caller needs.

        Raises:
            KeyError: the permissions table does not contain the type of the resource.
        """
        return [
            Demand(action, arn, context)
            for action in self._actions()
            for arn in self._arns(action)
            for context in self._contexts(action, arn)
        ]

    def _actions(self) -> Iterator[str]:
        type_, after, before = self.resource.type, self.resource.properties, self.before
        having = table.by_property("with", type_)
        setting = table.by_property("setting", type_)
        removing = table.by_property("removing", type_)
        for action in table.row(type_)[self.step]:
            had = action not in having or having[action] in {**before, **after}
            is_set = action not in setting or setting[action] in after
            if had and is_set and action not in removing:
                yield action
        if self.step == "update":
            for action, property_ in removing.items():
                if property_ in before and property_ not in after:
                    yield action

    def _arns(self, action: str) -> list[str]:
        """Return the ARNs on which IAM evaluates an action; ["*"] if it has no resource types."""
        kinds = table.kinds(action)
        if kinds == ["*"]:
            return ["*"]
        return [
            self._located(arn)
            for arn in self.resource.arns()
            if any(table.is_a(kind, arn) for kind in kinds)
            # A service creates its service-linked role itself, so CloudFormation does not pass the
            # role.
            and (action == "iam:CreateServiceLinkedRole") == (_SERVICE_LINKED in arn)
        ]

    def _located(self, arn: str) -> str:
        """Return the ARN; add the path of a role if a policy names the role without its path."""
        role = self.role_named(arn.rpartition("/")[2]) if self._is_for_roles() else None
        return role.arn if role and ":role/" in arn else arn

    def _is_for_roles(self) -> bool:
        return self.resource.type in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")

    def _contexts(self, action: str, arn: str) -> Iterator[dict[str, str]]:
        """Yield the condition keys of each request of an action."""
        match action:
            case "iam:PassRole":
                yield {"iam:PassedToService": _PASSED_TO[self.resource.type]}
            case "iam:CreateServiceLinkedRole":
                yield {"iam:AWSServiceName": arn.split("/")[2]}
            case "kms:Decrypt":
                service = self.resource.type.split("::")[1].lower()
                yield {"kms:ViaService": f"{service}.{self.resource.region}.amazonaws.com"}
            case "kms:CreateGrant":
                yield {"kms:GrantIsForAWSResource": "true"}
            case "iam:AttachRolePolicy" | "iam:DetachRolePolicy":
                for policy in self._attached():
                    yield {**self._boundary(action, arn), "iam:PolicyARN": policy}
            case _ if ":role/" in arn and action.startswith("iam:"):
                yield self._boundary(action, arn)
            case _:
                yield {}

    def _attached(self) -> list[str]:
        if self.resource.type == "AWS::IAM::ManagedPolicy":
            return [str(self.resource.own_arn)]
        key = "ManagedPolicyArns"
        both = [*self.before.get(key, []), *self.resource.properties.get(key, [])]
        return list(dict.fromkeys(both))

    def _boundary(self, action: str, arn: str) -> dict[str, str]:
        """Return the condition key for the boundary that the request sets or the role has.

        The result is empty if there is no boundary.
        """
        if self._is_for_roles():
            role = self.role_named(arn.rpartition("/")[2])
            boundary = role.boundary if role else None
        elif action in _SETS_BOUNDARY or self.step != "update":
            boundary = self.resource.properties.get("PermissionsBoundary")
        else:
            boundary = self.before.get("PermissionsBoundary")
        return {"iam:PermissionsBoundary": boundary} if boundary else {}
