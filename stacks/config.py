"""What an environment is: one TOML file, typed and validated when it is read. No CDK here.

`load_environment` and `load_environments` raise `ConfigError`; its text names the file, the key,
what was given and what would work.
"""

import difflib
import hashlib
import json
import re
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stacks.rollout import RolloutConfig

ARTIFACT_NAME = "model.zip"

# Where AWS IoT Greengrass V2 is offered; a test holds this list against botocore's own.
GREENGRASS_REGIONS = (
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-5",
    "ca-central-1",
    "cn-north-1",
    "eu-central-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-2",
)


class ConfigError(Exception):
    """An environment file, or the artifact that it pins, cannot be used as it is."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelPin(_Section):
    """Which artifact the environment runs, by name and by the SHA-256 of its bytes."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelStoreConfig(_Section):
    """The bucket that cameras download from."""

    bucket_name: str
    termination_protection: bool = True
    access_log_retention_days: Annotated[int, Field(ge=1, le=3650)] = 90

    @field_validator("bucket_name")
    @classmethod
    def _deeplens_bucket(cls, value: str) -> str:
        if not re.fullmatch(r"deeplens-[a-z0-9-]{0,53}[a-z0-9]", value):
            tail = re.sub(r"[^a-z0-9-]+", "-", value.lower().removeprefix("deeplens")).strip("-")
            suggestion = f"deeplens-{tail or 'models'}"[:63].rstrip("-")
            raise ValueError(
                "a bucket that DeepLens may read starts with 'deeplens-' and has 10 to 63 "
                f"lower-case letters, digits and hyphens, for example '{suggestion}'"
            )
        return value


class FleetConfig(_Section):
    """The cameras: members of one thing group."""

    thing_group: Annotated[str, Field(pattern=r"^[A-Za-z0-9:_-]{1,128}$")]


class InferenceConfig(_Section):
    """Settings of the function on the camera."""

    camera: Annotated[str, Field(pattern=r"^folder:.+$")] = "folder:camera"
    engine: Literal["openvino", "tensorflow"] = "openvino"
    threshold: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.5
    topic: str = "deeplens/{thing}/infer"
    frame_interval_seconds: Annotated[float, Field(gt=0, le=3600, strict=False)] = 1.0
    heartbeat_interval_seconds: Annotated[float, Field(ge=1, le=3600, strict=False)] = 10.0
    isolation_mode: Literal["NoContainer", "GreengrassContainer"] = "NoContainer"
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731] = 30

    @field_validator("topic")
    @classmethod
    def _own_topic(cls, value: str) -> str:
        plain = value.replace("{thing}", "thing")
        if not plain or value.startswith("$") or re.search(r"[+#{}\s]", plain):
            raise ValueError(
                "a topic has no wildcard, no space and no leading '$', and may contain '{thing}', "
                "for example 'deeplens/{thing}/infer'"
            )
        return value


class EnvironmentConfig(_Section):
    """One environment, whole; `name` is the name of its file."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,19}$")]
    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    region: str
    model: ModelPin
    model_store: ModelStoreConfig
    fleet: FleetConfig
    inference: InferenceConfig = InferenceConfig()
    rollout: RolloutConfig = RolloutConfig()

    @field_validator("region")
    @classmethod
    def _greengrass_region(cls, value: str) -> str:
        if value not in GREENGRASS_REGIONS:
            near = difflib.get_close_matches(value, GREENGRASS_REGIONS, n=1, cutoff=0)
            raise ValueError(
                f"AWS IoT Greengrass V2 is not offered there; nearest by name: '{near[0]}', "
                f"all: {', '.join(GREENGRASS_REGIONS)}"
            )
        return value


@dataclass(frozen=True)
class ModelArtifact:
    """The pinned artifact: a file whose SHA-256 was checked, and what its manifest says."""

    path: Path
    name: str
    version: str
    digest: str


def load_environments(folder: Path) -> list[EnvironmentConfig]:
    """Read every `*.toml` in `folder`, dev first, then by name; raise `ConfigError`."""
    files = sorted(folder.glob("*.toml"), key=lambda file: (file.stem != "dev", file.stem))
    if not files:
        raise ConfigError(f"{folder}: no environment file (*.toml) here; expected dev.toml, …")
    environments = [load_environment(file) for file in files]
    _refuse_shared_buckets(folder, environments)
    return environments


def load_environment(file: Path) -> EnvironmentConfig:
    """Read one environment file; raise `ConfigError` listing everything wrong with it."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such environment file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    if "name" in values:
        raise ConfigError(f"{file}: name: is the file's own name; remove the key")
    try:
        return EnvironmentConfig(name=file.stem, **values)
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors()]
        raise ConfigError("\n".join(f"{file}: {problem}" for problem in problems)) from None


def load_artifact(models: Path, pin: ModelPin) -> ModelArtifact:
    """Find the pinned artifact below `models` and check its bytes; raise `ConfigError`."""
    path = models / pin.name / pin.digest / ARTIFACT_NAME
    if not path.is_file():
        built = sorted(file.parent.name for file in (models / pin.name).glob(f"*/{ARTIFACT_NAME}"))
        known = f"built here: {', '.join(built)}" if built else "none is built here"
        raise ConfigError(
            f"{path}: the pinned artifact is not there ({known}); build it with `make model`, "
            "or pin one that is there with `model-tools pin`"
        )
    digest = _sha256(path, path.stat().st_mtime_ns)
    if digest != pin.digest:
        raise ConfigError(
            f"{path}: the artifact's SHA-256 is {digest}, the pin says {pin.digest}; "
            "the file was changed after it was packaged: package it again"
        )
    manifest = _read_manifest(path)
    if manifest.get("name") != pin.name:
        raise ConfigError(
            f"{path}: the artifact is of model '{manifest.get('name')}', the pin says '{pin.name}'"
        )
    return ModelArtifact(path, pin.name, str(manifest["version"]), digest)


def _explain(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    given = problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key{_nearest_key(problem['loc'])}"
        case "missing":
            return f"{key}: is missing"
        case "string_pattern_mismatch":
            pattern = problem["ctx"]["pattern"]
            return f"{key}: given {given!r}, expected text that matches {pattern}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: given {given!r}: {message[0].lower() + message[1:]}"


def _nearest_key(location: tuple[str | int, ...]) -> str:
    section: type[BaseModel] = EnvironmentConfig
    for part in location[:-1]:
        annotation = section.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return ""
        section = annotation
    known = [name for name in section.model_fields if name != "name" or section is ModelPin]
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return (f"; did you mean '{near[0]}'?" if near else "") + f" (known: {', '.join(known)})"


def _refuse_shared_buckets(folder: Path, environments: list[EnvironmentConfig]) -> None:
    owners: dict[str, str] = {}
    for environment in environments:
        bucket = environment.model_store.bucket_name
        if bucket in owners:
            raise ConfigError(
                f"{folder / environment.name}.toml: model_store.bucket_name: '{bucket}' is also "
                f"the bucket of {owners[bucket]}; bucket names are global, give each its own"
            )
        owners[bucket] = environment.name


@cache
def _sha256(path: Path, _modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("manifest.json"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ConfigError(f"{path}: not a model artifact: {error}") from None
    if not isinstance(manifest, dict) or "version" not in manifest:
        raise ConfigError(f"{path}: its manifest.json names no version")
    return manifest
