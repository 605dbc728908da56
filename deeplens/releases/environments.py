"""Environment files, as far as a promotion reads them; `deeplens.config` has their whole form."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions

from deeplens.releases.signing.trust import Signing
from model_tools.errors import SourceError
from model_tools.regular_files import check_regular


@dataclass(frozen=True)
class Environment:
    """One environment: where it is, what it pins, and from where it may get its next release."""

    name: str
    file: Path
    account: str
    region: str
    thing_group: str
    bucket: str
    promoted_from: str | None
    challenges: str | None
    model: str
    digest: str
    signing: Signing = field(default_factory=Signing)


def read_environments(folder: Path) -> dict[str, Environment]:
    """Read every environment file below `folder`, by name.

    Raises:
        SourceError: there is none, or one cannot be read.
    """
    found = {file.stem: _read(file) for file in sorted(folder.glob("*.toml"))}
    if not found:
        raise SourceError(f"{folder}: no environment file (*.toml) here; expected dev.toml, …")
    return found


def choose(environments: dict[str, Environment], name: str) -> Environment:
    """Return an environment by name; raise `SourceError` naming those that there are."""
    if name not in environments:
        raise SourceError(f"{name!r}: no such environment; there are: {', '.join(environments)}")
    return environments[name]


def challenger_of(environments: dict[str, Environment], champion: str) -> Environment:
    """Return the environment that challenges `champion`; raise `SourceError` if none does."""
    choose(environments, champion)
    for environment in environments.values():
        if environment.challenges == champion:
            return environment
    raise SourceError(
        f"{champion}: no environment challenges it; one whose file says challenges = "
        f'"{champion}" does (docs/promotion.md)'
    )


def _read(file: Path) -> Environment:
    check_regular(file)
    try:
        content: dict[str, Any] = tomlkit.parse(file.read_text(encoding="utf-8-sig")).unwrap()
    except (tomlkit.exceptions.TOMLKitError, UnicodeDecodeError) as error:
        raise SourceError(f"{file}: not valid TOML: {error}") from None
    name = file.stem
    try:
        account, region, model = content["account"], content["region"], content["model"]
        # The defaults are those of deeplens.config: names follow from the environment's own.
        return Environment(
            name=name,
            file=file,
            account=account,
            region=region,
            thing_group=content.get("fleet", {}).get("thing_group", f"deeplens-{name}"),
            bucket=content.get("model_store", {}).get(
                "bucket_name", f"deeplens-{name}-{account}-{region}"
            ),
            promoted_from=content.get("promoted_from"),
            challenges=content.get("challenges"),
            model=model["name"],
            digest=model["digest"],
            signing=Signing.of(content.get("signing", {})),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{file}: not a whole environment file: {error}") from None
