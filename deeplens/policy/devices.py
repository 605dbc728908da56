"""What a camera may do, by its certificate and by its role."""

import json
import re
from collections.abc import Iterator
from typing import Any

from deeplens.policy.reading import (
    POLICY_TYPES,
    Finding,
    Rule,
    Stack,
    allowed,
    model_bucket,
    statements,
    text,
)

_OWN_NAME = "${iot:Connection.Thing.ThingName}"
_OWN = ("iot:Connect", "iot:Publish", "iot:Receive", "iot:Subscribe")
_OWN_TOPIC = re.compile(re.escape(_OWN_NAME) + "(?=/|$)")
# The core software appends "#2" and so on.
_OWN_CLIENT = re.compile(re.escape(_OWN_NAME) + "(#|$)")
# The data plane's actions know no resources.
_DATA_PLANE = {
    "greengrass:GetComponentVersionArtifact",
    "greengrass:GetDeploymentConfiguration",
    "greengrass:ListThingGroupsForCoreDevice",
    "greengrass:ResolveComponentCandidates",
}
_CERTIFICATE_MAY = {*_OWN, *_DATA_PLANE, "iot:AssumeRoleWithCertificate"}
_ROLE_MAY = {
    "kms:Decrypt",
    "s3:GetBucketLocation",
    "s3:GetObject",
}
_LONGEST_SECONDS = 3600
# Secrets by their form: of Slack, GitHub, Google, and JSON web tokens.
_TOKEN = re.compile(
    r"xox[abprs]-[0-9A-Za-z-]{10}|gh[pousr]_[0-9A-Za-z]{30}|AIza[0-9A-Za-z_-]{35}"
    r"|eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10}"
)
_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|passcode|pwd|secret|token|credential|(api|access|private)[_-]?key",
    re.IGNORECASE,
)
# Of cameras: `http://user:password@host`, `http://host/stream?user=admin&pwd=…`.
_URL_WITH_PASSWORD = re.compile(
    r"[a-z]://[^/@\s\"'$]*:[^/@\s\"'$]+@|[?&](pass|pwd|passw(or)?d|token|api_?key)=[^&\s\"'$]",
    re.IGNORECASE,
)
# Of a custom resource's provider, and of the type that names a secret.
_NO_SECRET_NAME = re.compile(r"^ServiceToken$|Arn$|Id$|Name$|Type$|Duration")
_SECRETS = ("PRIVATE KEY-----", "BEGIN CERTIFICATE", "AKIA", "ASIA", "aws_secret")


def certificate_actions(stacks: list[Stack]) -> Iterator[Finding]:
    """A certificate allows what a core device needs, and nothing else."""
    for stack in stacks:
        for logical_id, policy in stack.resources("AWS::IoT::Policy"):
            for action, _, _ in allowed(policy["Properties"]["PolicyDocument"]):
                if action not in _CERTIFICATE_MAY:
                    yield stack.finding("certificate-actions", logical_id, f"take {action} away")


def own_name_only(stacks: list[Stack]) -> Iterator[Finding]:
    """A camera connects, speaks and listens under its own name, and not under a longer one."""
    for stack in stacks:
        for logical_id, policy in stack.resources("AWS::IoT::Policy"):
            for action, resource, _ in allowed(policy["Properties"]["PolicyDocument"]):
                pattern = _OWN_CLIENT if action == "iot:Connect" else _OWN_TOPIC
                if action in _OWN and not pattern.search(resource):
                    yield stack.finding(
                        "own-name-only", logical_id, f"{action} on {resource} needs {_OWN_NAME}"
                    )


def data_plane_only(stacks: list[Stack]) -> Iterator[Finding]:
    """`*` is for the actions that know no resources."""
    for stack in stacks:
        for logical_id, policy in stack.resources("AWS::IoT::Policy"):
            for action, resource, _ in allowed(policy["Properties"]["PolicyDocument"]):
                if resource == "*" and action not in _DATA_PLANE:
                    yield stack.finding(
                        "data-plane-only", logical_id, f"name the resources of {action}"
                    )


def short_credentials(stacks: list[Stack]) -> Iterator[Finding]:
    """A camera's AWS credentials live an hour at most."""
    for stack in stacks:
        for logical_id, alias in stack.resources("AWS::IoT::RoleAlias"):
            seconds = alias["Properties"].get("CredentialDurationSeconds", _LONGEST_SECONDS)
            if seconds > _LONGEST_SECONDS:
                yield stack.finding(
                    "short-credentials", logical_id, f"{seconds} s: at most {_LONGEST_SECONDS}"
                )


def camera_role_reads(stacks: list[Stack]) -> Iterator[Finding]:
    """The cameras' role reads artifacts and does nothing else: no camera changes its own model."""
    for stack, logical_id, document in _camera_policies(stacks):
        for action, _, _ in allowed(document):
            if action not in _ROLE_MAY:
                yield stack.finding("camera-role-reads", logical_id, f"take {action} away")


def camera_role_own_bucket(stacks: list[Stack]) -> Iterator[Finding]:
    """The cameras' role reads `components/` of its own environment's bucket."""
    bucket = f"arn:aws:s3:::{model_bucket(stacks)}"
    for stack, logical_id, document in _camera_policies(stacks):
        for action, resource, _ in allowed(document):
            wanted = bucket if action == "s3:GetBucketLocation" else f"{bucket}/components/*"
            if action.startswith("s3:") and resource != wanted:
                yield stack.finding(
                    "camera-role-own-bucket", logical_id, f"{action} on {wanted}, not {resource}"
                )


def camera_role_key_by_s3(stacks: list[Stack]) -> Iterator[Finding]:
    """The bucket's key decrypts for S3 alone."""
    for stack, logical_id, document in _camera_policies(stacks):
        for action, _, statement in allowed(document):
            if action.startswith("kms:") and "kms:ViaService" not in text(
                statement.get("Condition", {})
            ):
                yield stack.finding(
                    "camera-role-key-by-s3", logical_id, f"{action} needs kms:ViaService"
                )


def no_secrets(stacks: list[Stack]) -> Iterator[Finding]:
    """No key of a device, or of anybody, passes through a template."""
    for stack in stacks:
        for logical_id, resource in stack.resources():
            content = json.dumps(resource)
            names = [name for name, value in _pairs(resource) if _is_secret(name, value)]
            if any(word in content for word in _SECRETS) or _TOKEN.search(content):
                yield stack.finding("no-secrets", logical_id, "provision devices outside templates")
            if _URL_WITH_PASSWORD.search(content):
                yield stack.finding("no-secrets", logical_id, "take the password out of the URL")
            for name in names:
                advice = f"{name} has a literal value: refer to Secrets Manager or SSM instead"
                yield stack.finding("no-secrets", logical_id, advice)


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values at any depth, also of JSON in text and of `Name`, `Value` pairs."""
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
    """Return whether a name is that of a secret and its value neither empty nor a reference."""
    if not isinstance(value, str) or not value or value.startswith(("{{resolve:", "arn:")):
        return False
    return bool(_SECRET_NAME.search(name)) and not _NO_SECRET_NAME.search(name)


def _camera_policies(stacks: list[Stack]) -> Iterator[tuple[Stack, str, dict[str, Any]]]:
    """Yield the policies of roles that devices assume by their certificates."""
    for stack in stacks:
        roles = {
            logical_id: role
            for logical_id, role in stack.resources("AWS::IAM::Role")
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
        for logical_id, policy in stack.resources(*POLICY_TYPES):
            properties = policy["Properties"]
            # A RolePolicy names one role.
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
