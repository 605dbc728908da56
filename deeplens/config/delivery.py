"""`delivery.toml`: the optional pipeline that delivers releases from environment to environment.

The file is next to `environments/`. Without the file, the app has no pipeline.
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
    """The settings of the pipeline: its account, source, environments, gates and approvals."""

    account: Annotated[
        str,
        Field(
            pattern=r"^[0-9]{12}$",
            description="the twelve digits of the AWS account, in quotation marks",
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
            description="the CodeConnections connection to the repository",
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
            description="time limit of an approval; CodePipeline waits at most a week",
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
            "whose newly approved packages also start the pipeline",
        ),
    ] = None
    bake_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=360,
            description="how long a release must stay verified before the next environment",
        ),
    ] = 15


def load_delivery(
    file: Path, environments: Sequence[EnvironmentConfig]
) -> tuple[DeliveryConfig, list[EnvironmentConfig]] | None:
    """Return delivery.toml and its environments in order of delivery; None if the file is absent.

    Raises:
        ConfigError: the file is not valid, or it conflicts with settings of the environments, for
            example with `promoted_from` or the Region.
    """
    try:
        values = read_toml(file)
        delivery = DeliveryConfig(**values)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        problems = [explain(problem, DeliveryConfig) for problem in error.errors()]
        raise ConfigError(listed(file, problems)) from None
    known = {environment.name: environment for environment in environments}
    problems = list(_problems(delivery, known))
    if problems:
        raise ConfigError("\n".join(f"{file}: {problem}" for problem in problems))
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
    # The order of promotions contains no challengers: a challenger receives releases from the same
    # environment as its champion, and no environment receives releases from a challenger.
    way = [name for name in delivery.environments if name in known and not known[name].challenges]
    order: list[str | None] = [None, *way]
    problems += [
        f"environments: {name} comes after {before or 'nothing'}, but has promoted_from = "
        f"{known[name].promoted_from!r}: the order is that of promotions"
        for before, name in zip(order, way, strict=False)
        if known[name].promoted_from != before
    ]
    problems += [
        f"environments: {name} comes before {source}, from which it takes its releases"
        for place, name in enumerate(delivery.environments)
        if name in known
        and known[name].challenges
        and (source := known[name].promoted_from)
        and source not in delivery.environments[:place]
    ]
    # All environments must be in the pipeline's Region: without customer managed keys, CDK's
    # pipeline has no artifact bucket in a second Region.
    problems += [
        f"region: given {delivery.region!r}, expected {known[name].region!r}, the Region of "
        f"{name}: the pipeline and its environments are in one Region"
        for name in delivery.environments
        if name in known and known[name].region != delivery.region
    ]
    problems += [
        f"environments: {name} has signing.lambda_profile, but the pipeline does not sign code, so "
        "Lambda would reject every function; deploy it manually (docs/signing.md), or remove it"
        for name in delivery.environments
        if name in known and known[name].signing.lambda_profile
    ]
    if not delivery.approve:
        problems.append(
            "approve: given none, expected at least one environment: the last environment needs "
            "an approval by a person"
        )
    return problems
