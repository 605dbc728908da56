"""Checks for conflicts between environments; each message begins with the name of a file."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from deeplens.config.environment import EnvironmentConfig


def conflicts(environments: Sequence[EnvironmentConfig]) -> Iterator[str]:
    """Yield a message for each conflict between environments."""
    yield from _shared(
        environments,
        "model_store.bucket_name",
        lambda environment: (environment.model_store.bucket_name,),
        "bucket names are global; give each environment another one",
    )
    yield from _shared(
        environments,
        "fleet.thing_group",
        lambda environment: (
            environment.account,
            environment.region,
            environment.fleet.thing_group,
        ),
        "a thing group has one deployment, and the second one would replace the first",
    )
    yield from _shared(
        [environment for environment in environments if environment.deeplens_roles],
        "deeplens_roles",
        lambda environment: (environment.account,),
        "the roles have fixed names and exist once per account",
    )
    yield from _shared_things(environments)
    yield from _shared_topics(environments)
    yield from _promotion(environments)
    yield from _challenges(environments)


def _shared(
    environments: Sequence[EnvironmentConfig],
    key: str,
    identity: Callable[[EnvironmentConfig], tuple[str, ...]],
    reason: str,
) -> Iterator[str]:
    owners: dict[tuple[str, ...], str] = {}
    for environment in environments:
        owner = owners.setdefault(identity(environment), environment.name)
        if owner != environment.name:
            given = _given(environment, key)
            yield (
                f"{environment.name}.toml: {key}: given {given!r}, "
                f"which is also the value of {owner}: {reason}"
            )


def _shared_things(environments: Sequence[EnvironmentConfig]) -> Iterator[str]:
    owners: dict[tuple[str, str, str], str] = {}
    for environment in environments:
        for thing in environment.fleet.things:
            identity = (environment.account, environment.region, thing)
            owner = owners.setdefault(identity, environment.name)
            if owner != environment.name:
                yield (
                    f"{environment.name}.toml: fleet.things: given {thing!r}, "
                    f"which is also a camera of {owner}: "
                    "a thing belongs to one environment of an account and Region"
                )


def _shared_topics(environments: Sequence[EnvironmentConfig]) -> Iterator[str]:
    for first, second in combinations(environments, 2):
        if first.aws_environment == second.aws_environment and _overlap(
            first.inference.topic_filter, second.inference.topic_filter
        ):
            yield (
                f"{second.name}.toml: inference.topic: given {second.inference.topic!r}, which "
                f"also receives messages of {first.name} in the same account and Region, so "
                "both would count the messages of both; for example "
                f"'deeplens/{second.name}/{{thing}}/infer' works"
            )


def _overlap(first: str, second: str) -> bool:
    """Return whether a topic can match both filters; `+` is their only wildcard."""
    levels, others = first.split("/"), second.split("/")
    return len(levels) == len(others) and all(
        level == other or "+" in (level, other) for level, other in zip(levels, others, strict=True)
    )


def _promotion(environments: Sequence[EnvironmentConfig]) -> Iterator[str]:
    known = {environment.name: environment for environment in environments}
    for environment in environments:
        source = environment.promoted_from
        if source is None:
            continue
        if source not in known or source == environment.name:
            others = ", ".join(name for name in known if name != environment.name)
            yield (
                f"{environment.name}.toml: promoted_from: given {source!r}, "
                f"expected another environment: {others or 'none exists'}"
            )
            continue
        seen = {environment.name}
        while source is not None and source in known:
            if source in seen:
                yield (
                    f"{environment.name}.toml: promoted_from: given "
                    f"{environment.promoted_from!r}, which is a cycle with {source!r}: "
                    "releases move in one direction"
                )
                break
            seen.add(source)
            source = known[source].promoted_from


def _challenges(environments: Sequence[EnvironmentConfig]) -> Iterator[str]:
    known = {environment.name: environment for environment in environments}
    challengers: dict[str, str] = {}
    for environment in environments:
        if environment.challenges is None:
            continue
        at = f"{environment.name}.toml: challenges: given {environment.challenges!r}"
        champion = known.get(environment.challenges)
        if champion is None or champion is environment or champion.challenges:
            others = [name for name, other in known.items() if other is not environment]
            champions = ", ".join(name for name in others if not known[name].challenges)
            yield f"{at}, expected an environment that challenges none: {champions or 'none'}"
            continue
        if environment.aws_environment != champion.aws_environment:
            yield (
                f"{at}, which is in {champion.account}, {champion.region}: a challenger has a part "
                "of the same fleet, so account and Region are the same"
            )
        if environment.promoted_from != champion.promoted_from:
            yield (
                f"{at}, which receives releases from {champion.promoted_from!r}, this environment "
                f"from {environment.promoted_from!r}: both take them from the same environment"
            )
        other = challengers.setdefault(champion.name, environment.name)
        if other != environment.name:
            yield f"{at}, which {other} challenges already: a champion has one challenger"


def _given(environment: EnvironmentConfig, key: str) -> object:
    value: object = environment
    for part in key.split("."):
        value = getattr(value, part)
    return value
