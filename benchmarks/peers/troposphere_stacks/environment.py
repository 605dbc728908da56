"""Environment files and the artifacts that they pin, read without CDK and without `stacks`."""

import hashlib
import json
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]

Settings = dict[str, Any]


class ConfigError(Exception):
    """What somebody gave that cannot be used; the text is one line."""


@dataclass(frozen=True)
class Environment:
    """One environment; each section has its defaults filled in."""

    name: str
    account: str
    region: str
    permissions_boundary: str | None
    tags: dict[str, str]
    model: Settings
    model_store: Settings
    fleet: Settings
    inference: Settings
    rollout: Settings
    monitoring: Settings

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something of this account and Region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    @property
    def asset_bucket(self) -> str:
        """The bucket that `cdk bootstrap` makes."""
        return f"cdk-deeplens-assets-{self.account}-{self.region}"


@dataclass(frozen=True)
class Artifact:
    """A pinned artifact whose bytes were checked."""

    path: Path
    name: str
    digest: str
    version: str


def load_environments(folder: Path) -> list[Environment]:
    """Read every `*.toml` in `folder`; raise `ConfigError`."""
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise ConfigError(f"{folder}: no environment file (*.toml) here; expected dev.toml, …")
    sections = json.loads((ROOT / "benchmarks/peers/environment.json").read_text("utf-8"))
    return [_load_environment(file, sections) for file in files]


def _load_environment(file: Path, sections: dict[str, Settings]) -> Environment:
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    known = {"account", "region", "promoted_from", "permissions_boundary", "tags", *sections}
    unknown = [key for key in given if key not in known] + [
        f"{section}.{key}"
        for section, defaults in sections.items()
        for key in given.get(section, {})
        if key not in defaults
    ]
    if unknown:
        raise ConfigError(f"{file}: {unknown[0]}: the troposphere peer does not have this setting")
    required = {
        "account": (account := given.get("account")),
        "region": (region := given.get("region")),
        "model.name": given.get("model", {}).get("name"),
        "model.digest": given.get("model", {}).get("digest"),
    }
    for key, value in required.items():
        if not value:
            raise ConfigError(f"{file}: {key} is missing")
    named = {
        "model_store": {"bucket_name": f"deeplens-{file.stem}-{account}-{region}"},
        "fleet": {"thing_group": f"deeplens-{file.stem}"},
    }
    return Environment(
        name=file.stem,
        account=str(account),
        region=str(region),
        permissions_boundary=given.get("permissions_boundary"),
        tags={**given.get("tags", {}), "deeplens:environment": file.stem},
        **{
            section: {**defaults, **named.get(section, {}), **given.get(section, {})}
            for section, defaults in sections.items()
        },
    )


@cache
def load_artifact(name: str, digest: str) -> Artifact:
    """Find the pinned artifact and check its bytes; raise `ConfigError`."""
    path = ROOT / "models" / name / digest / "model.zip"
    if not path.is_file():
        raise ConfigError(f"{path}: the pinned artifact is not there")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise ConfigError(f"{path}: the artifact's SHA-256 is {found}, the pin says {digest}")
    with zipfile.ZipFile(path) as archive:
        version = json.loads(archive.read("manifest.json"))["version"]
    return Artifact(path, name, digest, version)
