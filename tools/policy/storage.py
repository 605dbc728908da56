"""Where artifacts lie: private, kept, and written once."""

from collections.abc import Iterator
from typing import Any

from tools.policy.reading import Finding, Rule, Stack, statements, text

_COMPONENTS = "components/"
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
    """Buckets, and the keys beside them, outlive their stack and their replacement."""
    for stack in stacks:
        if not any(stack.resources("AWS::S3::Bucket")):
            continue
        for logical_id, resource in stack.resources("AWS::S3::Bucket", "AWS::KMS::Key"):
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if resource.get(policy) != "Retain":
                    yield stack.finding("kept-state", logical_id, f"set its {policy} to Retain")


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
    """Every bucket refuses requests without TLS 1.2."""
    for stack, logical_id, _ in _buckets(stacks):
        said = "".join(
            text(statement)
            for _, policy in stack.resources("AWS::S3::BucketPolicy")
            if text(policy["Properties"]["Bucket"]) == f"${{{logical_id}}}"
            for statement in statements(policy["Properties"]["PolicyDocument"])
            if statement["Effect"] == "Deny"
        )
        if "aws:SecureTransport" not in said or "s3:TlsVersion" not in said:
            yield stack.finding("tls-only", logical_id, "deny requests without TLS 1.2")


def written_once(stacks: list[Stack]) -> Iterator[Finding]:
    """Nobody but the publisher writes below `components/`, and nobody deletes there."""
    for stack, logical_id, _ in _model_buckets(stacks):
        denied = [
            statement
            for _, policy in stack.resources("AWS::S3::BucketPolicy")
            for statement in statements(policy["Properties"]["PolicyDocument"])
            if statement["Effect"] == "Deny"
            and f"/{_COMPONENTS}*" in text(statement.get("Resource", ""))
        ]
        if not any(_but_for_one(one) and "s3:PutObject" in one["Action"] for one in denied):
            advice = f"deny s3:PutObject to {_COMPONENTS}* to all but the publisher"
            yield stack.finding("written-once", logical_id, advice)
        deletion = {"s3:DeleteObject", "s3:DeleteObjectVersion"}
        if not any("Condition" not in one and deletion <= set(one["Action"]) for one in denied):
            advice = f"deny {' and '.join(sorted(deletion))} of {_COMPONENTS}* to everybody"
            yield stack.finding("written-once", logical_id, advice)


def components_never_expire(stacks: list[Stack]) -> Iterator[Finding]:
    """A device that comes back, and a roll-back, need artifacts of long ago."""
    for stack, logical_id, bucket in _model_buckets(stacks):
        rules = bucket["Properties"].get("LifecycleConfiguration", {}).get("Rules", [])
        for rule in rules:
            prefix = text(rule.get("Prefix") or rule.get("Filter", {}).get("Prefix") or "")
            touches = prefix.startswith(_COMPONENTS) or _COMPONENTS.startswith(prefix)
            expires = _EXPIRATIONS & rule.keys()
            if expires and touches and rule.get("Status") == "Enabled":
                yield stack.finding(
                    "components-never-expire",
                    logical_id,
                    f"limit the rule to prefixes other than {_COMPONENTS}",
                )


def protected_state(stacks: list[Stack]) -> Iterator[Finding]:
    """Outside dev, the stack that holds state cannot be deleted by one command."""
    for stack, logical_id, _ in _model_buckets(stacks):
        if not stack.name.startswith("dev") and not stack.termination_protection:
            yield stack.finding("protected-state", logical_id, "turn termination_protection on")


def _but_for_one(statement: dict[str, Any]) -> bool:
    return "aws:PrincipalArn" in text(statement.get("Condition", {}).get("ArnNotEquals", {}))


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
    components_never_expire,
    protected_state,
)
