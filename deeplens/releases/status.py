"""Pinned and deployed releases of environments, and the content of a release."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from deeplens.config import EnvironmentConfig, load_environments
from deeplens.releases.artifacts import find_release
from deeplens.releases.promotion import Registry
from model_tools.errors import ModelToolsError, NoCameraError, RegistryError, SourceError
from shared.fleet.deployments import Deployment

_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3600
_MINUTE_SECONDS = 60


@dataclass(frozen=True)
class EnvironmentStatus:
    """The pinned release of an environment, and the release of its fleet.

    Attributes:
        alias: `champion` or `challenger` if two releases are compared, otherwise empty.
        version: the version of the pinned model; `? (not built here)` if its artifact is absent.
        deployed: the digest of the deployment; None without a deployment or a query.
        healthy: true if the deployed release is verified; None without a deployment or a query.
        function: the ARN of the deployed function version; None without a deployment or a query.
        summary: the status of the fleet in one sentence.
        error: the reason if the account could not be queried, otherwise None.
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
    summary: str
    error: str | None

    def to_document(self) -> dict[str, Any]:
        """Return the status as `--json` prints it."""
        document = asdict(self)
        error = document.pop("error")
        return document | {"said": document.pop("summary"), "error": error}


def environment_statuses(registry: Registry, *, offline: bool = False) -> list[EnvironmentStatus]:
    """Return the status of every environment, in the order of promotions.

    If an account cannot be queried, its status contains the error, and the other accounts are
    queried. If `offline` is true, no account is queried.
    """
    environments = load_environments(registry.folder)
    by_name = {environment.name: environment for environment in environments}
    ordered = sorted(environments, key=lambda item: (_promotions_before(item, by_name), item.name))
    challenged = {environment.challenges for environment in ordered}
    return [
        _status(registry, environment, _alias(environment, challenged), offline=offline)
        for environment in ordered
    ]


def release_card(registry: Registry, digest: str) -> dict[str, str]:
    """Return digest, size and manifest of a release, and the environments that pin the release.

    The size is in bytes. The keys of the manifest are dotted; its `files` are omitted.

    Raises:
        SourceError: the release is absent.
        RegistryError: the artifact is not valid.
        ConfigError: an environment file is not valid.
    """
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
    """Return the old and the new value of each field that differs; None for an absent field."""
    return {
        name: [old.get(name), new.get(name)]
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    }


def digest_of(registry: Registry, name: str) -> str:
    """Return the digest that environment `name` pins, or `name` if no environment has this name."""
    for environment in load_environments(registry.folder):
        if environment.name == name:
            return environment.model.digest
    return name


def _promotions_before(
    environment: EnvironmentConfig, environments: dict[str, EnvironmentConfig]
) -> int:
    """Return the number of promotions from the first environment to `environment`."""
    steps, source, seen = 0, environment.promoted_from, {environment.name}
    while source in environments and source not in seen:
        seen.add(source)
        steps, source = steps + 1, environments[source].promoted_from
    return steps


def _alias(environment: EnvironmentConfig, challenged: set[str | None]) -> str:
    if environment.challenges is not None:
        return "challenger"
    return "champion" if environment.name in challenged else ""


def _status(
    registry: Registry, environment: EnvironmentConfig, alias: str, *, offline: bool
) -> EnvironmentStatus:
    deployed: Deployment | None = None
    healthy: bool | None = None
    summary, failure = "not queried", None
    if not offline:
        try:
            deployed = next(iter(registry.accounts.deployments(environment)), None)
            summary = "nothing was deployed"
            if deployed is not None:
                healthy, verification = _verification(registry, environment, deployed)
                summary = _sentence(environment, deployed, verification)
        except ModelToolsError as error:
            failure = str(error)
            summary = f"not known: {failure}"
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
        deployed=deployed.model_digest if deployed else None,
        healthy=healthy,
        function=(deployed.function_arn or "") if deployed else None,
        summary=summary,
        error=failure,
    )


def _verification(
    registry: Registry, environment: EnvironmentConfig, deployed: Deployment
) -> tuple[bool, str]:
    """Return whether the deployed release is verified now, and a phrase with the reason."""
    try:
        return (
            True,
            f"healthy: {registry.accounts.verification(environment, deployed.model_digest or '')}",
        )
    except NoCameraError as error:
        return False, f"not verified: {error}"
    except RegistryError as error:
        return False, f"NOT healthy: {error}"


def _sentence(environment: EnvironmentConfig, deployed: Deployment, verification: str) -> str:
    digest = deployed.model_digest or ""
    relation = "pinned" if digest == environment.model.digest else "NOT the pinned release"
    age = datetime.now(UTC).timestamp() - deployed.created_at
    return f"{digest[:12]}… ({relation}), since {_age(age)}, {verification}"


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
