"""Rules about cameras: their certificates, roles and secrets."""

import json
import re
from collections.abc import Iterator
from typing import Any

from deeplens.assembly import Stack, text
from deeplens.assembly.policy_documents import POLICY_TYPES, allowed, statements
from deeplens.policy.storage import model_bucket
from deeplens.policy.violation import Rule, Violation, violation

_OWN_NAME = "${iot:Connection.Thing.ThingName}"
_BY_THING_NAME = ("iot:Connect", "iot:Publish", "iot:Receive", "iot:Subscribe")
_OWN_TOPIC = re.compile(re.escape(_OWN_NAME) + "(?=/|$)")
# The client id of a camera; the core software appends "#2", "#3", … for further connections.
_OWN_CLIENT = re.compile(re.escape(_OWN_NAME) + "(#|$)")
# Data-plane actions without resource types.
_DATA_PLANE = {
    "greengrass:GetComponentVersionArtifact",
    "greengrass:GetDeploymentConfiguration",
    "greengrass:ListThingGroupsForCoreDevice",
    "greengrass:ResolveComponentCandidates",
}
_CERTIFICATE_MAY = {*_BY_THING_NAME, *_DATA_PLANE, "iot:AssumeRoleWithCertificate"}
_ROLE_MAY = {
    "kms:Decrypt",
    "s3:GetBucketLocation",
    "s3:GetObject",
}
_LONGEST_SECONDS = 3600
# Tokens with a known format: of Slack, GitHub and Google, and JSON web tokens.
_TOKEN = re.compile(
    r"xox[abprs]-[0-9A-Za-z-]{10}|gh[pousr]_[0-9A-Za-z]{30}|AIza[0-9A-Za-z_-]{35}"
    r"|eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10}"
)
_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|passcode|pwd|secret|token|credential|(api|access|private)[_-]?key",
    re.IGNORECASE,
)
# URLs of cameras with credentials: `http://user:password@host`,
# `http://host/stream?user=admin&pwd=…`.
_URL_WITH_PASSWORD = re.compile(
    r"[a-z]://[^/@\s\"'$]*:[^/@\s\"'$]+@|[?&](pass|pwd|passw(or)?d|token|api_?key)=[^&\s\"'$]",
    re.IGNORECASE,
)
# Names of properties that are not secrets: the provider of a custom resource, and identifiers.
_NO_SECRET_NAME = re.compile(r"^ServiceToken$|Arn$|Id$|Name$|Type$|Duration")
_SECRETS = ("PRIVATE KEY-----", "BEGIN CERTIFICATE", "AKIA", "ASIA", "aws_secret")


def certificate_actions(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject certificate policies with actions that a core device does not need."""
    for stack in stacks:
        for logical_id, policy in stack.definitions("AWS::IoT::Policy"):
            for action, _, _ in allowed(policy["Properties"]["PolicyDocument"]):
                if action not in _CERTIFICATE_MAY:
                    yield violation(stack, "certificate-actions", logical_id, f"remove {action}")


def own_name_only(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that a camera's topics and client ids contain its exact thing name."""
    for stack in stacks:
        for logical_id, policy in stack.definitions("AWS::IoT::Policy"):
            for action, resource, _ in allowed(policy["Properties"]["PolicyDocument"]):
                pattern = _OWN_CLIENT if action == "iot:Connect" else _OWN_TOPIC
                if action in _BY_THING_NAME and not pattern.search(resource):
                    yield violation(
                        stack,
                        "own-name-only",
                        logical_id,
                        f"{action} on {resource} needs {_OWN_NAME}",
                    )


def data_plane_only(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject `*` as resource in certificate policies, except for actions without resource types."""
    for stack in stacks:
        for logical_id, policy in stack.definitions("AWS::IoT::Policy"):
            for action, resource, _ in allowed(policy["Properties"]["PolicyDocument"]):
                if resource == "*" and action not in _DATA_PLANE:
                    yield violation(
                        stack, "data-plane-only", logical_id, f"name the resources of {action}"
                    )


def short_credentials(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that a camera's AWS credentials are valid for at most one hour."""
    for stack in stacks:
        for logical_id, alias in stack.definitions("AWS::IoT::RoleAlias"):
            seconds = alias["Properties"].get("CredentialDurationSeconds", _LONGEST_SECONDS)
            if seconds > _LONGEST_SECONDS:
                yield violation(
                    stack,
                    "short-credentials",
                    logical_id,
                    f"expected at most {_LONGEST_SECONDS} s; got {seconds} s",
                )


def camera_role_reads(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that the cameras' role only reads artifacts, so no camera can change its model."""
    for stack, logical_id, document in _camera_policies(stacks):
        for action, _, _ in allowed(document):
            if action not in _ROLE_MAY:
                yield violation(stack, "camera-role-reads", logical_id, f"remove {action}")


def camera_role_own_bucket(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that the cameras' role reads only `components/` of its environment's bucket."""
    bucket = f"arn:aws:s3:::{model_bucket(stacks)}"
    for stack, logical_id, document in _camera_policies(stacks):
        for action, resource, _ in allowed(document):
            expected = bucket if action == "s3:GetBucketLocation" else f"{bucket}/components/*"
            if action.startswith("s3:") and resource != expected:
                yield violation(
                    stack,
                    "camera-role-own-bucket",
                    logical_id,
                    f"{action}: expected {expected}; got {resource}",
                )


def camera_role_key_by_s3(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that the cameras' role decrypts with the bucket's key only through S3."""
    for stack, logical_id, document in _camera_policies(stacks):
        for action, _, statement in allowed(document):
            if action.startswith("kms:") and "kms:ViaService" not in text(
                statement.get("Condition", {})
            ):
                yield violation(
                    stack,
                    "camera-role-key-by-s3",
                    logical_id,
                    f"add a condition on kms:ViaService to {action}",
                )


def no_secrets(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject literal secrets, access keys, private keys and certificates in templates."""
    for stack in stacks:
        for logical_id, resource in stack.definitions():
            content = json.dumps(resource)
            names = [name for name, value in _pairs(resource) if _is_secret(name, value)]
            if any(secret in content for secret in _SECRETS) or _TOKEN.search(content):
                yield violation(
                    stack, "no-secrets", logical_id, "provision devices outside templates"
                )
            if _URL_WITH_PASSWORD.search(content):
                yield violation(stack, "no-secrets", logical_id, "remove the password from the URL")
            for name in names:
                advice = f"{name} has a literal value: refer to Secrets Manager or SSM instead"
                yield violation(stack, "no-secrets", logical_id, advice)


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values at any depth, including JSON in strings and `Name`, `Value` pairs."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, list):
        for item in value:
            yield from _pairs(item)
    if isinstance(value, dict):
        name = value.get("Name") or value.get("Key")
        if isinstance(name, str) and "Value" in value:
            yield name, value["Value"]
        for key, item in value.items():
            yield key, item
            yield from _pairs(item)


def _is_secret(name: str, value: Any) -> bool:
    """Return whether the value is a literal, and the name is typical of a secret."""
    if not isinstance(value, str) or not value or value.startswith(("{{resolve:", "arn:")):
        return False
    return bool(_SECRET_NAME.search(name)) and not _NO_SECRET_NAME.search(name)


def _camera_policies(stacks: list[Stack]) -> Iterator[tuple[Stack, str, dict[str, Any]]]:
    """Yield stack, logical id and document of each policy of a role that devices assume."""
    for stack in stacks:
        roles = {
            logical_id: role
            for logical_id, role in stack.definitions("AWS::IAM::Role")
            if any(
                "credentials.iot.amazonaws.com" in text(statement.get("Principal", {}))
                for statement in statements(role["Properties"]["AssumeRolePolicyDocument"])
            )
        }
        attached = {
            text(arn)
            for role in roles.values()
            for arn in role["Properties"].get("ManagedPolicyArns", [])
        }
        for logical_id, policy in stack.definitions(*POLICY_TYPES):
            properties = policy["Properties"]
            # An `AWS::IAM::RolePolicy` refers to one role.
            named = {
                text(role) for role in [*properties.get("Roles", []), properties.get("RoleName")]
            }
            if f"${{{logical_id}}}" in attached or named & {f"${{{role}}}" for role in roles}:
                yield stack, logical_id, policy["Properties"]["PolicyDocument"]
        for logical_id, role in roles.items():
            for inline in role["Properties"].get("Policies", []):
                yield stack, logical_id, inline["PolicyDocument"]


RULES: tuple[Rule, ...] = (
    certificate_actions,
    own_name_only,
    data_plane_only,
    short_credentials,
    camera_role_reads,
    camera_role_own_bucket,
    camera_role_key_by_s3,
    no_secrets,
)
