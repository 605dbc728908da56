"""Where artifacts lie: private, kept, and written once."""

from collections.abc import Iterator
from typing import Any

from deeplens.policy.reading import (
    Finding,
    Rule,
    Stack,
    denies_everybody,
    denies_without_tls,
    listed,
    statements,
    text,
)

_COMPONENTS = "components/"
_STATE = ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KMS::Key")
_KEPT = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
_OLDEST_TLS = 1.2
_TRANSITIONS = {
    "Transition",
    "Transitions",
    "NoncurrentVersionTransition",
    "NoncurrentVersionTransitions",
}
_EXPIRATIONS = {
    "ExpirationInDays",
    "ExpirationDate",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionExpirationInDays",
}


def deeplens_bucket_name(stacks: list[Stack]) -> Iterator[Finding]:
    """DeepLens reads only from buckets whose names begin so."""
    for stack, logical_id, bucket in _buckets(stacks):
        name = bucket["Properties"].get("BucketName")
        if name is not None and not text(name).startswith("deeplens-"):
            yield stack.finding("deeplens-bucket-name", logical_id, "begin its name with deeplens-")


def private_bucket(stacks: list[Stack]) -> Iterator[Finding]:
    """No bucket can be made public, or owned by whoever writes to it."""
    for stack, logical_id, bucket in _buckets(stacks):
        blocks = bucket["Properties"].get("PublicAccessBlockConfiguration", {})
        ownership = text(bucket["Properties"].get("OwnershipControls", {}))
        if len(blocks) != 4 or not all(blocks.values()):  # noqa: PLR2004 - there are four kinds
            yield stack.finding(
                "private-bucket", logical_id, "block public access in all four ways"
            )
        if "BucketOwnerEnforced" not in ownership:
            yield stack.finding("private-bucket", logical_id, "enforce the bucket owner")


def kept_state(stacks: list[Stack]) -> Iterator[Finding]:
    """Buckets, their policies and keys outlive their stack and their replacement.

    They do not outlive a failed creation: the next one would find their names in use.
    """
    for stack in stacks:
        if not any(stack.resources("AWS::S3::Bucket")):
            continue
        for logical_id, resource in stack.resources(*_STATE):
            for policy, expected in _KEPT.items():
                if resource.get(policy) != expected:
                    yield stack.finding("kept-state", logical_id, f"set its {policy} to {expected}")


def own_key(stacks: list[Stack]) -> Iterator[Finding]:
    """Artifacts are encrypted with the environment's own key, versioned, and reads are logged."""
    for stack, logical_id, bucket in _model_buckets(stacks):
        properties = bucket["Properties"]
        if "KMSMasterKeyID" not in text(properties.get("BucketEncryption", {})):
            yield stack.finding("own-key", logical_id, "encrypt it with the environment's KMS key")
        if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield stack.finding("own-key", logical_id, "turn versioning on")
        if "LoggingConfiguration" not in properties:
            yield stack.finding("own-key", logical_id, "log access to it")


def rotated_key(stacks: list[Stack]) -> Iterator[Finding]:
    """Keys rotate, and their policies name whom they trust."""
    for stack in stacks:
        for logical_id, key in stack.resources("AWS::KMS::Key"):
            if not key["Properties"].get("EnableKeyRotation"):
                yield stack.finding("rotated-key", logical_id, "turn rotation on")
            for statement in statements(key["Properties"]["KeyPolicy"]):
                if text(statement.get("Principal", {})) in ("*", '{"AWS": "*"}'):
                    yield stack.finding("rotated-key", logical_id, "name the principals it trusts")


def tls_only(stacks: list[Stack]) -> Iterator[Finding]:
    """Every bucket rejects every request without TLS 1.2, to itself and to its objects."""
    for stack, logical_id, _ in _buckets(stacks):
        found = list(_policy_statements(stack, logical_id))
        resources = {f"${{{logical_id}.Arn}}", f"${{{logical_id}.Arn}}/*"}
        old_tls = [
            one
            for one in found
            if denies_everybody(one, {"s3:*"}, resources)
            and list(one.get("Condition", {})) == ["NumericLessThan"]
            and float(one["Condition"]["NumericLessThan"].get("s3:TlsVersion", 0)) >= _OLDEST_TLS
        ]
        if not old_tls or not any(denies_without_tls(one, {"s3:*"}, resources) for one in found):
            advice = "deny s3:* on the bucket and its objects to everybody without TLS 1.2"
            yield stack.finding("tls-only", logical_id, advice)


def written_once(stacks: list[Stack]) -> Iterator[Finding]:
    """Nobody but the publisher writes below `components/`, and nobody deletes there."""
    for stack, logical_id, bucket in _model_buckets(stacks):
        found = list(_policy_statements(stack, logical_id))
        components = {f"arn:aws:s3:::{text(bucket['Properties']['BucketName'])}/{_COMPONENTS}*"}
        if not any(
            denies_everybody(one, {"s3:PutObject"}, components) and _but_for_one(one)
            for one in found
        ):
            advice = f"deny s3:PutObject to {_COMPONENTS}* to all but the publisher's one role"
            yield stack.finding("written-once", logical_id, advice)
        deletion = {"s3:DeleteObject", "s3:DeleteObjectVersion"}
        if not any(
            denies_everybody(one, deletion, components) and "Condition" not in one for one in found
        ):
            advice = f"deny {' and '.join(sorted(deletion))} of {_COMPONENTS}* to everybody"
            yield stack.finding("written-once", logical_id, advice)


def logged_access(stacks: list[Stack]) -> Iterator[Finding]:
    """S3 logs each access to a bucket, except to the buckets that hold those logs."""
    for stack, logical_id, bucket in _buckets(stacks):
        logs = {
            text(one["Properties"].get("LoggingConfiguration", {}).get("DestinationBucketName"))
            for _, one in stack.resources("AWS::S3::Bucket")
        }
        is_log = f"${{{logical_id}}}" in logs
        if not is_log and "LoggingConfiguration" not in bucket["Properties"]:
            yield stack.finding("logged-access", logical_id, "add a LoggingConfiguration")


def components_stay_warm(stacks: list[Stack]) -> Iterator[Finding]:
    """A camera cannot download an object from an archive: components stay where they are."""
    for stack, logical_id, bucket in _model_buckets(stacks):
        for rule in _rules_of_components(bucket):
            if moved := sorted(_TRANSITIONS & rule.keys()):
                advice = f"{', '.join(moved)} moves {_COMPONENTS}: limit it to other prefixes"
                yield stack.finding("components-stay-warm", logical_id, advice)
        if bucket["Properties"].get("IntelligentTieringConfigurations"):
            advice = "its archive tiers are not readable at once: remove the configuration"
            yield stack.finding("components-stay-warm", logical_id, advice)


def components_never_expire(stacks: list[Stack]) -> Iterator[Finding]:
    """A device that comes back, and a roll-back, need artifacts of long ago."""
    for stack, logical_id, bucket in _model_buckets(stacks):
        for rule in _rules_of_components(bucket):
            if _EXPIRATIONS & rule.keys():
                yield stack.finding(
                    "components-never-expire",
                    logical_id,
                    f"limit the rule to prefixes other than {_COMPONENTS}",
                )


def _rules_of_components(bucket: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lifecycle rules that touch `components/`."""
    for rule in bucket["Properties"].get("LifecycleConfiguration", {}).get("Rules", []):
        prefix = text(rule.get("Prefix") or rule.get("Filter", {}).get("Prefix") or "")
        touches = prefix.startswith(_COMPONENTS) or _COMPONENTS.startswith(prefix)
        if touches and rule.get("Status") == "Enabled":
            yield rule


def protected_state(stacks: list[Stack]) -> Iterator[Finding]:
    """Outside dev, the stack that holds state cannot be deleted by one command."""
    for stack, logical_id, _ in _model_buckets(stacks):
        if not stack.name.startswith("dev") and not stack.termination_protection:
            yield stack.finding("protected-state", logical_id, "turn termination_protection on")


def _but_for_one(statement: dict[str, Any]) -> bool:
    """Return whether the only exception is one role, without a wildcard."""
    conditions = statement.get("Condition", {})
    exempt = listed(conditions.get("ArnNotEquals", {}).get("aws:PrincipalArn", []))
    return (
        list(conditions) == ["ArnNotEquals"]
        and list(conditions["ArnNotEquals"]) == ["aws:PrincipalArn"]
        and len(exempt) == 1
        and not {"*", "?"} & set(text(exempt[0]))
    )


def _policy_statements(stack: Stack, bucket: str) -> Iterator[dict[str, Any]]:
    for _, policy in stack.resources("AWS::S3::BucketPolicy"):
        if text(policy["Properties"]["Bucket"]) == f"${{{bucket}}}":
            yield from statements(policy["Properties"]["PolicyDocument"])


def _buckets(stacks: list[Stack]) -> Iterator[tuple[Stack, str, dict[str, Any]]]:
    for stack in stacks:
        for logical_id, bucket in stack.resources("AWS::S3::Bucket"):
            yield stack, logical_id, bucket


def _model_buckets(stacks: list[Stack]) -> Iterator[tuple[Stack, str, dict[str, Any]]]:
    for stack, logical_id, bucket in _buckets(stacks):
        if "BucketName" in bucket["Properties"]:
            yield stack, logical_id, bucket


RULES: tuple[Rule, ...] = (
    deeplens_bucket_name,
    private_bucket,
    kept_state,
    own_key,
    rotated_key,
    tls_only,
    written_once,
    logged_access,
    components_never_expire,
    components_stay_warm,
    protected_state,
)
