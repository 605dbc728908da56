"""Rules that compare templates with environment files and delivery.toml.

The other rules hold in every environment. A template without Object Lock, a boundary, code signing
or an approval is valid unless its environment's file sets them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from deeplens.config import DeliveryConfig, EnvironmentConfig
from tools.policy.delivery import environment_stages, provider
from tools.policy.reading import Finding, Stack, text

_Rule = Callable[[EnvironmentConfig, list[Stack]], Iterator[Finding]]


def object_lock(environment: EnvironmentConfig, stacks: list[Stack]) -> Iterator[Finding]:
    """`object_lock_days` locks each new object of the model bucket for at least as long."""
    asked = environment.model_store.object_lock_days
    for stack in stacks if asked else ():
        for logical_id, bucket in stack.resources("AWS::S3::Bucket"):
            found = bucket["Properties"]
            if found.get("BucketName") != environment.model_store.bucket_name:
                continue
            lock = found.get("ObjectLockConfiguration", {})
            retention = lock.get("Rule", {}).get("DefaultRetention", {})
            days = retention.get("Days", 0) + 365 * retention.get("Years", 0)
            if not (
                found.get("ObjectLockEnabled")
                and lock.get("ObjectLockEnabled") == "Enabled"
                and retention.get("Mode") in {"GOVERNANCE", "COMPLIANCE"}
                and days >= asked
            ):
                yield stack.finding(
                    "object-lock",
                    logical_id,
                    f"{environment.name}.toml has object_lock_days = {asked}: expected "
                    f"ObjectLockConfiguration with that default retention; got {lock or 'none'}",
                )


def signed_code(environment: EnvironmentConfig, stacks: list[Stack]) -> Iterator[Finding]:
    """`lambda_profile` makes Lambda reject code that the profile did not sign."""
    profile = environment.signing.lambda_profile
    for stack in stacks if profile else ():
        enforced = {
            f"${{{logical_id}.CodeSigningConfigArn}}"
            for logical_id, config in stack.resources("AWS::Lambda::CodeSigningConfig")
            if config["Properties"].get("CodeSigningPolicies", {}).get(
                "UntrustedArtifactOnDeployment"
            ) == "Enforce"
            and config["Properties"]["AllowedPublishers"]["SigningProfileVersionArns"] == [profile]
        }  # fmt: skip
        for logical_id, function in stack.resources("AWS::Lambda::Function"):
            if text(function["Properties"].get("CodeSigningConfigArn", "")) not in enforced:
                yield stack.finding(
                    "signed-code",
                    logical_id,
                    f"{environment.name}.toml has lambda_profile: expected CodeSigningConfigArn of "
                    f"a configuration that enforces {profile}, not Warn",
                )


def bounded_roles(environment: EnvironmentConfig, stacks: list[Stack]) -> Iterator[Finding]:
    """`permissions_boundary` bounds every role."""
    asked = environment.permissions_boundary
    for stack in stacks if asked else ():
        for logical_id, role in stack.resources("AWS::IAM::Role", "AWS::IAM::User"):
            found = text(role["Properties"].get("PermissionsBoundary", "none"))
            if found != asked and not found.endswith(f":policy/{asked}"):
                yield stack.finding(
                    "bounded-roles",
                    logical_id,
                    f"{environment.name}.toml has permissions_boundary = {asked}; got {found}",
                )


RULES: tuple[_Rule, ...] = (object_lock, signed_code, bounded_roles)


def approvals_stay(delivery: DeliveryConfig, stacks: list[Stack]) -> Iterator[Finding]:
    """A person approves each environment that delivery.toml lists under `approve`."""
    for stack in stacks:
        for logical_id, environment, actions in environment_stages(stack):
            asked = environment in delivery.approve
            if asked and not any(provider(one) == "Manual" for one in actions):
                yield stack.finding(
                    "approvals-stay",
                    logical_id,
                    f"delivery.toml has approve = {list(delivery.approve)}: expected a manual "
                    f"approval in the stage {environment}; got none",
                )


def findings(
    environments: Sequence[EnvironmentConfig],
    delivery: DeliveryConfig | None,
    stacks: Mapping[str, list[Stack]],
) -> list[Finding]:
    """Return where templates lack what their files ask for; `stacks` are by environment."""
    found = [
        finding
        for environment in environments
        for rule in RULES
        for finding in rule(environment, stacks.get(environment.name, []))
    ]
    # The pipeline is in no environment.
    return found + (list(approvals_stay(delivery, stacks.get("", []))) if delivery else [])
