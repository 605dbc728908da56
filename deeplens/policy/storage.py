"""Rules about storage: private, encrypted and retained buckets, and write-once artifacts."""

from collections.abc import Iterable, Iterator
from typing import Any

from deeplens.assembly import Stack, as_list, text
from deeplens.assembly.policy_documents import denies_everybody, denies_without_tls, statements
from deeplens.config.deep_learning_containers import has_local_storage
from deeplens.policy.violation import Rule, Violation, violation

_COMPONENTS = "components/"
_STATE = ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KMS::Key")
_RETAINED = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
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


def model_bucket(stacks: Iterable[Stack]) -> str | None:
    """Return the name of the environment's model bucket, or None if it is absent."""
    for stack in stacks:
        for _, bucket in stack.definitions("AWS::S3::Bucket"):
            name = bucket.get("Properties", {}).get("BucketName")
            if name:
                return str(name)
    return None


def deeplens_bucket_name(stacks: list[Stack]) -> Iterator[Violation]:
    """Require bucket names that start with `deeplens-`, because DeepLens reads no other buckets."""
    for stack, logical_id, bucket in _buckets(stacks):
        name = bucket["Properties"].get("BucketName")
        if name is not None and not text(name).startswith("deeplens-"):
            yield violation(
                stack, "deeplens-bucket-name", logical_id, "its name must start with deeplens-"
            )


def private_bucket(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that buckets block public access, and that their owner owns every object."""
    for stack, logical_id, bucket in _buckets(stacks):
        blocks = bucket["Properties"].get("PublicAccessBlockConfiguration", {})
        ownership = text(bucket["Properties"].get("OwnershipControls", {}))
        if len(blocks) != 4 or not all(blocks.values()):  # noqa: PLR2004 - S3 has four settings
            yield violation(
                stack,
                "private-bucket",
                logical_id,
                "enable all four settings of PublicAccessBlockConfiguration",
            )
        if "BucketOwnerEnforced" not in ownership:
            yield violation(
                stack, "private-bucket", logical_id, "set ObjectOwnership to BucketOwnerEnforced"
            )


def retained_state(stacks: list[Stack]) -> Iterator[Violation]:
    """Require retention of buckets, their policies and keys on deletion and replacement.

    After a failed creation, these resources are deleted, because otherwise their names stay in use.
    """
    for stack in stacks:
        if not any(stack.definitions("AWS::S3::Bucket")):
            continue
        for logical_id, resource in stack.definitions(*_STATE):
            for policy, expected in _RETAINED.items():
                if resource.get(policy) != expected:
                    yield violation(
                        stack, "retained-state", logical_id, f"set its {policy} to {expected}"
                    )


def bucket_key(stacks: list[Stack]) -> Iterator[Violation]:
    """Require encryption with the environment's key, versioning and logging of the model bucket."""
    for stack, logical_id, bucket in _model_buckets(stacks):
        properties = bucket["Properties"]
        if "KMSMasterKeyID" not in text(properties.get("BucketEncryption", {})):
            yield violation(
                stack, "bucket-key", logical_id, "encrypt it with the environment's KMS key"
            )
        if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield violation(stack, "bucket-key", logical_id, "enable versioning")
        if "LoggingConfiguration" not in properties:
            yield violation(stack, "bucket-key", logical_id, "add a LoggingConfiguration")


def rotated_key(stacks: list[Stack]) -> Iterator[Violation]:
    """Require key rotation, and key policies without a wildcard principal."""
    for stack in stacks:
        for logical_id, key in stack.definitions("AWS::KMS::Key"):
            if not key["Properties"].get("EnableKeyRotation"):
                yield violation(stack, "rotated-key", logical_id, "set EnableKeyRotation to true")
            for statement in statements(key["Properties"]["KeyPolicy"]):
                if text(statement.get("Principal", {})) in ("*", '{"AWS": "*"}'):
                    yield violation(
                        stack, "rotated-key", logical_id, "list the principals in its policy"
                    )


def tls_only(stacks: list[Stack]) -> Iterator[Violation]:
    """Require bucket policies that deny requests without TLS 1.2 or later.

    The denial applies to the bucket and its objects.
    """
    for stack, logical_id, _ in _buckets(stacks):
        of_bucket = list(_policy_statements(stack, logical_id))
        resources = {f"${{{logical_id}.Arn}}", f"${{{logical_id}.Arn}}/*"}
        old_tls = [
            statement
            for statement in of_bucket
            if denies_everybody(statement, {"s3:*"}, resources)
            and list(statement.get("Condition", {})) == ["NumericLessThan"]
            and float(statement["Condition"]["NumericLessThan"].get("s3:TlsVersion", 0))
            >= _OLDEST_TLS
        ]
        if not old_tls or not any(
            denies_without_tls(statement, {"s3:*"}, resources) for statement in of_bucket
        ):
            advice = "deny s3:* on the bucket and its objects to everybody without TLS 1.2"
            yield violation(stack, "tls-only", logical_id, advice)


def written_once(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that only the publisher writes below `components/`, and that nobody deletes."""
    for stack, logical_id, bucket in _model_buckets(stacks):
        of_bucket = list(_policy_statements(stack, logical_id))
        components = {f"arn:aws:s3:::{text(bucket['Properties']['BucketName'])}/{_COMPONENTS}*"}
        if not any(
            denies_everybody(statement, {"s3:PutObject"}, components)
            and _exempts_one_role(statement)
            for statement in of_bucket
        ):
            advice = f"deny s3:PutObject to {_COMPONENTS}* to everybody except the publisher's role"
            yield violation(stack, "written-once", logical_id, advice)
        deletion = {"s3:DeleteObject", "s3:DeleteObjectVersion"}
        if not any(
            denies_everybody(statement, deletion, components) and "Condition" not in statement
            for statement in of_bucket
        ):
            advice = f"deny {' and '.join(sorted(deletion))} of {_COMPONENTS}* to everybody"
            yield violation(stack, "written-once", logical_id, advice)


def logged_access(stacks: list[Stack]) -> Iterator[Violation]:
    """Require access logs of each bucket, except for the buckets that contain these logs."""
    for stack, logical_id, bucket in _buckets(stacks):
        logs = {
            text(other["Properties"].get("LoggingConfiguration", {}).get("DestinationBucketName"))
            for _, other in stack.definitions("AWS::S3::Bucket")
        }
        is_log = f"${{{logical_id}}}" in logs
        if not is_log and "LoggingConfiguration" not in bucket["Properties"]:
            yield violation(stack, "logged-access", logical_id, "add a LoggingConfiguration")


def components_not_archived(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject storage class transitions, because cameras cannot download archived components."""
    for stack, logical_id, bucket in _model_buckets(stacks):
        for rule in _rules_of_components(bucket):
            if moved := sorted(_TRANSITIONS & rule.keys()):
                advice = f"{', '.join(moved)} applies to {_COMPONENTS}: limit it to other prefixes"
                yield violation(stack, "components-not-archived", logical_id, advice)
        if bucket["Properties"].get("IntelligentTieringConfigurations"):
            advice = (
                "remove IntelligentTieringConfigurations: cameras cannot download archived objects"
            )
            yield violation(stack, "components-not-archived", logical_id, advice)


def components_never_expire(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject expiry of components, because offline devices and rollbacks need old artifacts."""
    for stack, logical_id, bucket in _model_buckets(stacks):
        for rule in _rules_of_components(bucket):
            if _EXPIRATIONS & rule.keys():
                yield violation(
                    stack,
                    "components-never-expire",
                    logical_id,
                    f"limit the rule to prefixes other than {_COMPONENTS}",
                )


def _rules_of_components(bucket: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the enabled lifecycle rules that apply to `components/`."""
    for rule in bucket["Properties"].get("LifecycleConfiguration", {}).get("Rules", []):
        prefix = text(rule.get("Prefix") or rule.get("Filter", {}).get("Prefix") or "")
        touches = prefix.startswith(_COMPONENTS) or _COMPONENTS.startswith(prefix)
        if touches and rule.get("Status") == "Enabled":
            yield rule


def protected_state(stacks: list[Stack]) -> Iterator[Violation]:
    """Require termination protection of the model bucket's stack outside development environments.

    Their names are `dev`, or begin with `dev-`.
    """
    for stack, logical_id, _ in _model_buckets(stacks):
        if not stack.name.startswith("dev-") and not stack.termination_protection:
            yield violation(stack, "protected-state", logical_id, "enable termination protection")


def _exempts_one_role(statement: dict[str, Any]) -> bool:
    """Return whether the only exception of a statement is one role without a wildcard."""
    conditions = statement.get("Condition", {})
    exempt = as_list(conditions.get("ArnNotEquals", {}).get("aws:PrincipalArn", []))
    return (
        list(conditions) == ["ArnNotEquals"]
        and list(conditions["ArnNotEquals"]) == ["aws:PrincipalArn"]
        and len(exempt) == 1
        and not {"*", "?"} & set(text(exempt[0]))
    )


def _policy_statements(stack: Stack, bucket: str) -> Iterator[dict[str, Any]]:
    for _, policy in stack.definitions("AWS::S3::BucketPolicy"):
        if text(policy["Properties"]["Bucket"]) == f"${{{bucket}}}":
            yield from statements(policy["Properties"]["PolicyDocument"])


def _buckets(stacks: list[Stack]) -> Iterator[tuple[Stack, str, dict[str, Any]]]:
    for stack in stacks:
        for logical_id, bucket in stack.definitions("AWS::S3::Bucket"):
            yield stack, logical_id, bucket


def _model_buckets(stacks: list[Stack]) -> Iterator[tuple[Stack, str, dict[str, Any]]]:
    for stack, logical_id, bucket in _buckets(stacks):
        if "BucketName" in bucket["Properties"]:
            yield stack, logical_id, bucket


def endpoint_key(stacks: list[Stack]) -> Iterator[Violation]:
    """Require encryption of endpoint volumes with a key of the environment.

    Serverless variants and instances with local storage have no volume, so SageMaker rejects a key.
    """
    for stack in stacks:
        for logical_id, config in stack.definitions("AWS::SageMaker::EndpointConfig"):
            types = [
                variant.get("InstanceType")
                for variant in config["Properties"].get("ProductionVariants", [])
            ]
            has_volumes = all(types) and not any(has_local_storage(str(type_)) for type_ in types)
            if has_volumes and not config["Properties"].get("KmsKeyId"):
                yield violation(
                    stack,
                    "endpoint-key",
                    logical_id,
                    f"{', '.join(map(str, types))}: set KmsKeyId to a key of this stack",
                )


RULES: tuple[Rule, ...] = (
    deeplens_bucket_name,
    private_bucket,
    retained_state,
    bucket_key,
    rotated_key,
    tls_only,
    written_once,
    logged_access,
    components_never_expire,
    components_not_archived,
    protected_state,
    endpoint_key,
)
