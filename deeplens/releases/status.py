"""What is where: pins beside what fleets have, and one release's card."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deeplens.config import EnvironmentConfig, load_environments
from deeplens.releases.artifacts import find_release
from deeplens.releases.aws import Deployed
from deeplens.releases.promotion import Registry
from model_tools.errors import ModelToolsError, NoCameraError, RegistryError, SourceError

_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3600
_MINUTE_SECONDS = 60


@dataclass(frozen=True)
class EnvironmentStatus:
    """One environment: its pinned release, and the release of its fleet.

    Attributes:
        alias: `champion` or `challenger` where two releases are compared, else empty.
        version: of the pinned model; `?` if it was not built in this checkout.
        deployed: the digest of the deployment; None if there is none or it was not queried.
        healthy: whether the release is verified: the gate passed, or all reachable cameras run it.
        said: all of this in one sentence, for a person.
        error: why the account could not be queried, else None.
    """

    environment: str
    alias: str
    account: str
    region: str
    model: str
    version: str
    pinned: str
    deployed: str | None
    healthy: bool | None
    function: str | None
    said: str
    error: str | None


def environment_statuses(registry: Registry, *, offline: bool = False) -> list[EnvironmentStatus]:
    """Say where every environment stands, in the order in which a release goes.

    An environment whose account cannot be asked says so, and the others are asked all the same.
    """
    environments = load_environments(registry.folder)
    by_name = {environment.name: environment for environment in environments}
    ordered = sorted(environments, key=lambda one: (_place(one, by_name), one.name))
    challenged = {one.challenges for one in ordered}
    return [_standing(registry, one, _alias(one, challenged), offline=offline) for one in ordered]


def release_card(registry: Registry, digest: str) -> dict[str, str]:
    """Return what a release says of itself, and which environments pin it."""
    release = find_release(registry.models, digest)
    pinned_by = [
        environment.name
        for environment in load_environments(registry.folder)
        if environment.model.digest == release.digest
    ]
    flat = dict(_flat(release.document))
    flat = {name: value for name, value in flat.items() if not name.startswith("files.")}
    size = release.path.stat().st_size
    return {
        "digest": release.digest,
        "bytes": str(size),
        "pinned by": ", ".join(pinned_by) or "no environment",
        **flat,
    }


def differences_between(old: dict[str, str], new: dict[str, str]) -> dict[str, list[str | None]]:
    """Return what two cards say differently: before and after, by name."""
    return {
        name: [old.get(name), new.get(name)]
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    }


def digest_of(registry: Registry, named: str) -> str:
    """Return what an environment pins, if `named` is one; else `named`, a digest already."""
    for environment in load_environments(registry.folder):
        if environment.name == named:
            return environment.model.digest
    return named


def _place(environment: EnvironmentConfig, environments: dict[str, EnvironmentConfig]) -> int:
    """How many promotions away from the first environment it is."""
    steps, source, seen = 0, environment.promoted_from, {environment.name}
    while source in environments and source not in seen:
        seen.add(source)
        steps, source = steps + 1, environments[source].promoted_from
    return steps


def _alias(environment: EnvironmentConfig, challenged: set[str | None]) -> str:
    if environment.challenges is not None:
        return "challenger"
    return "champion" if environment.name in challenged else ""


def _standing(
    registry: Registry, environment: EnvironmentConfig, alias: str, *, offline: bool
) -> EnvironmentStatus:
    deployed: Deployed | None = None
    healthy: bool | None = None
    said, failure = "not asked", None
    if not offline:
        try:
            deployed = next(iter(registry.cloud.deployments(environment)), None)
            said = "nothing was deployed"
            if deployed is not None:
                healthy, proof = _proof(registry, environment, deployed)
                said = _sentence(environment, deployed, proof)
        except ModelToolsError as error:
            failure = str(error)
            said = f"not known: {failure}"
    try:
        version = find_release(registry.models, environment.model.digest).manifest.version
    except SourceError:
        version = "? (not built here)"
    return EnvironmentStatus(
        environment=environment.name,
        alias=alias,
        account=environment.account,
        region=environment.region,
        model=environment.model.name,
        version=version,
        pinned=environment.model.digest,
        deployed=deployed.digest if deployed else None,
        healthy=healthy,
        function=deployed.function if deployed else None,
        said=said,
        error=failure,
    )


def _proof(
    registry: Registry, environment: EnvironmentConfig, deployed: Deployed
) -> tuple[bool, str]:
    """Return whether what is deployed is proven now, and what says so."""
    try:
        return True, f"healthy: {registry.cloud.proof(environment, deployed.digest)}"
    except NoCameraError as error:
        return False, f"not verified: {error}"
    except RegistryError as error:
        return False, f"NOT healthy: {error}"


def _sentence(environment: EnvironmentConfig, deployed: Deployed, proof: str) -> str:
    what = "what is pinned" if deployed.digest == environment.model.digest else "NOT what is pinned"
    age = datetime.now(UTC).timestamp() - deployed.created_at
    return f"{deployed.digest[:12]}… ({what}), since {_age(age)}, {proof}"


def _age(seconds: float) -> str:
    if seconds >= _DAY_SECONDS:
        return f"{seconds / _DAY_SECONDS:.0f} d"
    if seconds >= _HOUR_SECONDS:
        return f"{seconds / _HOUR_SECONDS:.1f} h"
    return f"{seconds / _MINUTE_SECONDS:.0f} min"


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [
            pair
            for key, part in sorted(value.items())
            for pair in _flat(part, f"{path}.{key}" if path else key)
        ]
    return [(path, value if isinstance(value, str) else json.dumps(value))]
