"""What two environments may not share: lines that begin with the file's name."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from deeplens.config.environment import EnvironmentConfig


def conflicts(environments: Sequence[EnvironmentConfig]) -> Iterator[str]:
    """Say how environments get in each other's way; nothing when they do not."""
    yield from _shared(
        environments,
        "model_store.bucket_name",
        lambda one: (one.model_store.bucket_name,),
        "bucket names are global, give each environment its own",
    )
    yield from _shared(
        environments,
        "fleet.thing_group",
        lambda one: (one.account, one.region, one.fleet.thing_group),
        "a thing group has one deployment, and the second would replace the first",
    )
    yield from _shared(
        [one for one in environments if one.deeplens_roles],
        "deeplens_roles",
        lambda one: (one.account,),
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
                f"which is also that of {owner}: {reason}"
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
    for one, other in combinations(environments, 2):
        if (one.account, one.region) == (other.account, other.region) and _overlap(
            one.inference.topic_filter, other.inference.topic_filter
        ):
            yield (
                f"{other.name}.toml: inference.topic: given {other.inference.topic!r}, which also "
                f"has messages of {one.name} in the same account and Region: each would count the "
                f"other's; for example 'deeplens/{other.name}/{{thing}}/infer' works"
            )


def _overlap(one: str, other: str) -> bool:
    """Whether some topic matches both filters; `+` is the only wildcard that they have."""
    levels, others = one.split("/"), other.split("/")
    return len(levels) == len(others) and all(
        mine == theirs or "+" in (mine, theirs) for mine, theirs in zip(levels, others, strict=True)
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
                f"expected another environment: {others or 'there is none'}"
            )
            continue
        seen = {environment.name}
        while source is not None and source in known:
            if source in seen:
                yield (
                    f"{environment.name}.toml: promoted_from: given "
                    f"{environment.promoted_from!r}, which leads back to {source!r}: "
                    "models move in one direction"
                )
                break
            seen.add(source)
            source = known[source].promoted_from


def _challenges(environments: Sequence[EnvironmentConfig]) -> Iterator[str]:
    known = {environment.name: environment for environment in environments}
    challengers: dict[str, str] = {}
    for one in environments:
        if one.challenges is None:
            continue
        at = f"{one.name}.toml: challenges: given {one.challenges!r}"
        champion = known.get(one.challenges)
        if champion is None or champion is one or champion.challenges:
            able = [name for name, other in known.items() if other is not one]
            champions = ", ".join(name for name in able if not known[name].challenges)
            yield f"{at}, expected an environment that challenges none: {champions or 'none'}"
            continue
        if (one.account, one.region) != (champion.account, champion.region):
            yield (
                f"{at}, which is in {champion.account}, {champion.region}: a challenger has a part "
                "of the same fleet, so account and Region are the same"
            )
        if one.promoted_from != champion.promoted_from:
            yield (
                f"{at}, which takes releases from {champion.promoted_from!r}, this one from "
                f"{one.promoted_from!r}: both take them from the same environment"
            )
        if (other := challengers.setdefault(champion.name, one.name)) != one.name:
            yield f"{at}, which {other} challenges already: two releases are compared at a time"


def _given(environment: EnvironmentConfig, key: str) -> object:
    value: object = environment
    for part in key.split("."):
        value = getattr(value, part)
    return value
