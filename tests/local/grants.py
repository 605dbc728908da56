"""Temporary removal of statements from policies that are deployed on the emulator."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# A statement for an action that does not exist, because a policy requires a statement.
_NOTHING = {"Effect": "Allow", "Action": "deeplens:Nothing", "Resource": "*"}


class RoleGrants:
    """The statements of an IAM role, in its customer managed policies and inline policies."""

    def __init__(self, iam: Any, role: str) -> None:
        """Find the role by the start of its name, because CloudFormation generates the rest."""
        self._iam = iam
        pages = iam.get_paginator("list_roles").paginate()
        names = [one["RoleName"] for page in pages for one in page["Roles"]]
        [self.name] = [name for name in names if name.startswith(role)]

    @contextmanager
    def without_action(self, action: str) -> Iterator[None]:
        """Remove an action from an inline policy during the block."""
        [name] = [name for name in self._inline() if _has(self._inline_document(name), action)]
        document = self._inline_document(name)
        statements = [
            {**one, "Action": [each for each in _actions(one) if each != action]}
            for one in document["Statement"]
        ]
        with self._put(name, document, {**document, "Statement": statements}):
            yield

    @contextmanager
    def without(self, statement: str) -> Iterator[None]:
        """Remove the statement with this Sid or action from a policy during the block."""
        for name in self._inline():
            document = self._inline_document(name)
            if _has(document, statement):
                with self._put(name, document, _without(document, statement)):
                    yield
                return
        attached = self._iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]
        arns = [one["PolicyArn"] for one in attached if ":iam::aws:" not in one["PolicyArn"]]
        [arn] = [arn for arn in arns if _has(self._document(arn), statement)]
        with self._without_managed(arn, statement):
            yield

    @contextmanager
    def without_policy(self, name: str) -> Iterator[None]:
        """Detach an AWS managed policy during the block, because AWS owns its statements."""
        arn = f"arn:aws:iam::aws:policy/{name}"
        self._iam.detach_role_policy(RoleName=self.name, PolicyArn=arn)
        try:
            yield
        finally:
            self._iam.attach_role_policy(RoleName=self.name, PolicyArn=arn)

    def _inline(self) -> list[str]:
        names: list[str] = self._iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        return names

    def _inline_document(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._iam.get_role_policy(RoleName=self.name, PolicyName=name)[
            "PolicyDocument"
        ]
        return found

    @contextmanager
    def _put(self, name: str, before: dict[str, Any], document: dict[str, Any]) -> Iterator[None]:
        """Replace the document of an inline policy during the block."""
        for_policy = {"RoleName": self.name, "PolicyName": name}
        self._iam.put_role_policy(**for_policy, PolicyDocument=json.dumps(document))
        try:
            yield
        finally:
            self._iam.put_role_policy(**for_policy, PolicyDocument=json.dumps(before))

    @contextmanager
    def _without_managed(self, arn: str, statement: str) -> Iterator[None]:
        # Each change creates a version, because the emulator cannot make an older version default.
        document = self._document(arn)
        self._replace(arn, _without(document, statement))
        try:
            yield
        finally:
            self._replace(arn, document)

    def _replace(self, arn: str, document: dict[str, Any]) -> None:
        before = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        self._iam.create_policy_version(
            PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True
        )
        # IAM allows only five versions of a policy.
        self._iam.delete_policy_version(PolicyArn=arn, VersionId=before)

    def _document(self, arn: str) -> dict[str, Any]:
        version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found: dict[str, Any] = self._iam.get_policy_version(PolicyArn=arn, VersionId=version)[
            "PolicyVersion"
        ]["Document"]
        return found


@contextmanager
def device_policy_without(iot: Any, name: str, action: str) -> Iterator[None]:
    """Remove the statement with an action from an AWS IoT policy during the block."""
    policy = iot.get_policy(policyName=name)
    document = json.loads(policy["policyDocument"])
    version = iot.create_policy_version(
        policyName=name, policyDocument=json.dumps(_without(document, action)), setAsDefault=True
    )["policyVersionId"]
    try:
        yield
    finally:
        iot.set_default_policy_version(policyName=name, policyVersionId=policy["defaultVersionId"])
        iot.delete_policy_version(policyName=name, policyVersionId=version)


def _without(document: dict[str, Any], name: str) -> dict[str, Any]:
    statements = document["Statement"]
    [removed] = [one for one in statements if _is_named(one, name)]
    remaining = [one for one in statements if one is not removed]
    return {**document, "Statement": remaining or [_NOTHING]}


def _has(document: dict[str, Any], name: str) -> bool:
    return any(_is_named(one, name) for one in document["Statement"])


def _is_named(statement: dict[str, Any], name: str) -> bool:
    return name == statement.get("Sid") or name in _actions(statement)


def _actions(statement: dict[str, Any]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else actions
