"""Rules that compare templates with environment files and delivery.toml.

The other rules apply to every environment. The rules of this module require Object Lock, code
signing, a boundary or an approval only if a file requires it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from deeplens.assembly import Stack, text
from deeplens.config import DeliveryConfig, EnvironmentConfig
from deeplens.policy.delivery import environment_stages, provider
from deeplens.policy.violation import Violation, violation

_Rule = Callable[[EnvironmentConfig, list[Stack]], Iterator[Violation]]


def object_lock(environment: EnvironmentConfig, stacks: list[Stack]) -> Iterator[Violation]:
    """Require a default retention of at least `object_lock_days` in the model bucket."""
    required = environment.model_store.object_lock_days
    for stack in stacks if required else ():
        for logical_id, bucket in stack.definitions("AWS::S3::Bucket"):
            properties = bucket["Properties"]
            if properties.get("BucketName") != environment.model_store.bucket_name:
                continue
            lock = properties.get("ObjectLockConfiguration", {})
            retention = lock.get("Rule", {}).get("DefaultRetention", {})
            days = retention.get("Days", 0) + 365 * retention.get("Years", 0)
            if not (
                properties.get("ObjectLockEnabled")
                and lock.get("ObjectLockEnabled") == "Enabled"
                and retention.get("Mode") in {"GOVERNANCE", "COMPLIANCE"}
                and days >= required
            ):
                yield violation(
                    stack,
                    "object-lock",
                    logical_id,
                    f"{environment.name}.toml has object_lock_days = {required}: expected "
                    f"ObjectLockConfiguration with that default retention; got {lock or 'none'}",
                )


def signed_code(environment: EnvironmentConfig, stacks: list[Stack]) -> Iterator[Violation]:
    """Require that Lambda rejects code without a signature of `lambda_profile`."""
    profile = environment.signing.lambda_profile
    for stack in stacks if profile else ():
        enforced = {
            f"${{{logical_id}.CodeSigningConfigArn}}"
            for logical_id, config in stack.definitions("AWS::Lambda::CodeSigningConfig")
            if config["Properties"].get("CodeSigningPolicies", {}).get(
                "UntrustedArtifactOnDeployment"
            ) == "Enforce"
            and config["Properties"]["AllowedPublishers"]["SigningProfileVersionArns"] == [profile]
        }  # fmt: skip
        for logical_id, function in stack.definitions("AWS::Lambda::Function"):
            if text(function["Properties"].get("CodeSigningConfigArn", "")) not in enforced:
                yield violation(
                    stack,
                    "signed-code",
                    logical_id,
                    f"{environment.name}.toml has lambda_profile: expected CodeSigningConfigArn of "
                    f"a configuration that enforces {profile}, not Warn",
                )


def bounded_roles(environment: EnvironmentConfig, stacks: list[Stack]) -> Iterator[Violation]:
    """Require the boundary of `permissions_boundary` on every role and user."""
    required = environment.permissions_boundary
    for stack in stacks if required else ():
        for logical_id, role in stack.definitions("AWS::IAM::Role", "AWS::IAM::User"):
            boundary = text(role["Properties"].get("PermissionsBoundary", "none"))
            if boundary != required and not boundary.endswith(f":policy/{required}"):
                yield violation(
                    stack,
                    "bounded-roles",
                    logical_id,
                    f"{environment.name}.toml has permissions_boundary = {required}: "
                    f"expected that boundary; got {boundary}",
                )


RULES: tuple[_Rule, ...] = (object_lock, signed_code, bounded_roles)


def approvals_stay(delivery: DeliveryConfig, stacks: list[Stack]) -> Iterator[Violation]:
    """Require an approval by a person for each environment under `approve` in delivery.toml."""
    for stack in stacks:
        for logical_id, environment, actions in environment_stages(stack):
            is_required = environment in delivery.approve
            if is_required and not any(provider(action) == "Manual" for action in actions):
                yield violation(
                    stack,
                    "approvals-stay",
                    logical_id,
                    f"delivery.toml has approve = {list(delivery.approve)}: expected a manual "
                    f"approval in the stage {environment}; got none",
                )


def violations(
    environments: Sequence[EnvironmentConfig],
    delivery: DeliveryConfig | None,
    stacks: Mapping[str, list[Stack]],
) -> list[Violation]:
    """Return the violations of this module's rules; the keys of `stacks` are environment names."""
    violations_of_environments = [
        violation_
        for environment in environments
        for rule in RULES
        for violation_ in rule(environment, stacks.get(environment.name, []))
    ]
    # The pipeline does not belong to an environment.
    return violations_of_environments + (
        list(approvals_stay(delivery, stacks.get("", []))) if delivery else []
    )
