"""`delivery.toml`: the pipeline from environment to environment, if there is one.

It is no environment: it lies beside `environments/`, and without it nothing is delivered by a
pipeline.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from deeplens.config.base import ConfigError, ConfigSection
from deeplens.config.environment import POLICY, EnvironmentConfig
from deeplens.config.loading import explain
from deeplens.config.toml_files import listed, read_toml


class DeliveryConfig(ConfigSection):
    """Where the pipeline is, what starts it, and where it stops for a person."""

    account: Annotated[
        str,
        Field(
            pattern=r"^[0-9]{12}$",
            description="the AWS account's twelve digits, in quotation marks",
        ),
    ]
    region: Annotated[
        str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="an AWS Region")
    ]
    connection_arn: Annotated[
        str,
        Field(
            pattern=r"^arn:aws[a-z-]*:(codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{12}:"
            r"connection/[0-9a-f-]{36}$",
            description="the CodeConnections connection to where the repository is",
        ),
    ]
    repository: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$",
            description="for example 'team/cameras'",
        ),
    ]
    branch: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_./-]{1,128}$", description="what is delivered")
    ] = "main"
    environments: Annotated[
        tuple[str, ...],
        Field(
            strict=False,
            min_length=1,
            description="in the order of delivery; each takes its releases from the one before",
        ),
    ]
    approve: Annotated[
        tuple[str, ...],
        Field(
            strict=False,
            description="environments that a person approves beforehand; at least one",
            json_schema_extra={"minItems": 1},
        ),
    ]
    approval_hours: Annotated[
        int,
        Field(
            ge=1,
            le=168,
            description="how long an approval is waited for; CodePipeline waits no longer than a "
            "week",
        ),
    ] = 24
    permissions_boundary: Annotated[
        str | None,
        Field(
            pattern=POLICY,
            description="name or ARN of the managed policy that bounds every role of the pipeline; "
            "policies/pipeline-account.yaml creates `DeepLensPipelineBoundary`",
        ),
    ] = None
    model_package_group: Annotated[
        str | None,
        Field(
            pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$",
            description="the SageMaker model package group, in the pipeline's account and Region, "
            "whose newly approved packages start the pipeline, too",
        ),
    ] = None
    bake_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=360,
            description="how long each environment's release must stay proven before the next one",
        ),
    ] = 15


def load_delivery(
    file: Path, environments: Sequence[EnvironmentConfig]
) -> tuple[DeliveryConfig, list[EnvironmentConfig]] | None:
    """Read the pipeline's file and its environments in their order; None where there is no file.

    Raises:
        ConfigError: it is wrong, or its order is not that of `promoted_from`.
    """
    try:
        values = read_toml(file)
        delivery = DeliveryConfig(**values)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        problems = [explain(problem, DeliveryConfig) for problem in error.errors()]
        raise ConfigError(listed(file, problems)) from None
    problems = list(_problems(delivery, {one.name: one for one in environments}))
    if problems:
        raise ConfigError("\n".join(f"{file}: {problem}" for problem in problems))
    known = {one.name: one for one in environments}
    return delivery, [known[name] for name in delivery.environments]


def _problems(delivery: DeliveryConfig, known: dict[str, EnvironmentConfig]) -> list[str]:
    problems = [
        f"{key}: given {name!r}, expected an environment: {', '.join(allowed)}"
        for key, names, allowed in (
            ("environments", delivery.environments, list(known)),
            ("approve", delivery.approve, list(delivery.environments)),
        )
        for name in names
        if name not in allowed
    ]
    # A challenger takes releases from where its champion does, and passes none on.
    way = [name for name in delivery.environments if name in known and not known[name].challenges]
    order: list[str | None] = [None, *way]
    problems += [
        f"environments: {name} comes after {before or 'nothing'}, its file says promoted_from = "
        f"{known[name].promoted_from!r}: releases go the way that promotions go"
        for before, name in zip(order, way, strict=False)
        if known[name].promoted_from != before
    ]
    problems += [
        f"environments: {name} comes before {source}, and takes its releases from there"
        for place, name in enumerate(delivery.environments)
        if name in known
        and known[name].challenges
        and (source := known[name].promoted_from)
        and source not in delivery.environments[:place]
    ]
    # Without keys of its own, CDK's pipeline has no artifact bucket in a second Region.
    problems += [
        f"region: given {delivery.region!r}, expected {known[name].region!r}, the Region of "
        f"{name}: the pipeline and its environments are in one Region"
        for name in delivery.environments
        if name in known and known[name].region != delivery.region
    ]
    problems += [
        f"environments: {name} has signing.lambda_profile, and the pipeline signs no code: Lambda "
        "would refuse every function; deploy it by hand (docs/signing.md), or leave it out"
        for name in delivery.environments
        if name in known and known[name].signing.lambda_profile
    ]
    if not delivery.approve:
        problems.append(
            "approve: given none, expected at least one environment: nothing reaches the last one "
            "without a person"
        )
    return problems
