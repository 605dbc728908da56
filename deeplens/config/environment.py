"""The environment file: top-level keys, and rules that relate sections."""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from deeplens.config.aws_environment import GREENGRASS_REGIONS, AwsEnvironment
from deeplens.config.base import ConfigSection
from deeplens.config.compatibility import incompatible_settings
from deeplens.config.fleet import FleetConfig
from deeplens.config.hosting import HostingConfig
from deeplens.config.inference import ComponentKind, InferenceConfig
from deeplens.config.model_store import ModelPin, ModelStoreConfig
from deeplens.config.monitoring import MonitoringConfig
from deeplens.config.rollout import RolloutConfig
from deeplens.config.runtime import RuntimeConfig
from deeplens.config.signing import SigningConfig
from deeplens.config.training import TrainingConfig

LONGEST_NAME = 13
"""Maximum length: generated names contain 24 characters of a stack name, `<name>-ModelStore`."""
NOT_KEYS = ("name", "file")
"""Attributes of an environment that its file does not contain."""
POLICY = r"^(arn:aws[a-z-]*:iam::[0-9]{12}:policy/)?[A-Za-z0-9_+=,.@/-]{1,128}$"
"""The name or the ARN of a managed policy."""

_LEAST_HEARTBEATS = 3
_MOST_TAGS = 40
_LONGEST_GROUP_NAME = 128
_TAG_KEY = r"(?!aws:|deeplens:)[\w .:/=+@-]{1,128}"
_TAG_TEXT = r"[\w .:/=+@-]{0,256}"


class EnvironmentConfig(ConfigSection):
    """An environment; `name` is the stem of its file.

    The file cannot contain the keys `name` and `file`.
    """

    name: Annotated[str, Field(pattern=rf"^[a-z][a-z0-9-]{{0,{LONGEST_NAME - 1}}}$", exclude=True)]
    file: Annotated[Path, Field(exclude=True)]
    account: Annotated[
        str,
        Field(
            pattern=r"^[0-9]{12}$",
            description="the twelve digits of the AWS account, in quotation marks",
        ),
    ]
    region: Annotated[
        str,
        Field(
            description="an AWS Region that has AWS IoT Greengrass V2",
            json_schema_extra={"enum": [*GREENGRASS_REGIONS]},
        ),
    ]
    promoted_from: Annotated[
        str | None,
        Field(description="the environment from which releases are promoted to this one"),
    ] = None
    challenges: Annotated[
        str | None,
        Field(
            description="the environment in the same account and Region whose release this one "
            "challenges on a part of the cameras"
        ),
    ] = None
    permissions_boundary: Annotated[
        str | None,
        Field(
            pattern=POLICY,
            description="name or ARN of the managed policy that bounds every role; "
            "policies/environment-account.yaml creates `DeepLensBoundary`, without which the role "
            "of CloudFormation cannot create roles",
        ),
    ] = None
    deeplens_roles: Annotated[
        bool,
        Field(
            description="create the five roles with the names that DeepLens requires; once per "
            "account, for accounts that still use them"
        ),
    ] = False
    tags: Annotated[
        dict[str, str],
        Field(
            description="tags of every resource, in addition to `deeplens:environment`",
            json_schema_extra={
                "maxProperties": _MOST_TAGS,
                "propertyNames": {"pattern": f"^{_TAG_KEY}$"},
                "additionalProperties": {"type": "string", "pattern": f"^{_TAG_TEXT}$"},
            },
        ),
    ] = Field(default={})
    model: ModelPin
    signing: SigningConfig = SigningConfig()
    model_store: ModelStoreConfig
    fleet: FleetConfig
    inference: InferenceConfig = InferenceConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    rollout: RolloutConfig = RolloutConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    hosting: HostingConfig = HostingConfig()
    training: TrainingConfig = TrainingConfig()

    @property
    def aws_environment(self) -> AwsEnvironment:
        """The account and the Region of this environment."""
        return AwsEnvironment(self.account, self.region)

    @property
    def component(self) -> ComponentKind:
        """The kind of component in which Greengrass runs the published function version.

        The default is `generic` for nucleus lite, and `lambda` for nucleus classic.
        """
        default: ComponentKind = "generic" if self.fleet.core_runtime == "lite" else "lambda"
        return self.inference.component or default

    @property
    def inference_component(self) -> str:
        """The name of the component that runs the camera's loop.

        The classic nucleus selects the kind of a component when it first loads the name. On a
        classic fleet, the two kinds therefore have two names. Source: aws-greengrass-nucleus,
        Kernel.java, `locate`.
        """
        is_other_kind = self.component == "generic" and self.fleet.core_runtime == "classic"
        return f"deeplens.{self.name}.{'camera' if is_other_kind else 'inference'}"

    @model_validator(mode="before")
    @classmethod
    def _names_from_name(cls, values: Any) -> Any:
        """Add the default names of bucket and thing group, which contain the environment's name."""
        if not isinstance(values, dict):
            return values
        name = values.get("name")
        store, fleet = values.get("model_store", {}), values.get("fleet", {})
        bucket = f"deeplens-{name}-{values.get('account')}-{values.get('region')}"
        if isinstance(store, dict):
            values = {**values, "model_store": {"bucket_name": bucket, **store}}
        if isinstance(fleet, dict):
            values = {**values, "fleet": {"thing_group": f"deeplens-{name}", **fleet}}
        return values

    @field_validator("region")
    @classmethod
    def _greengrass_region(cls, value: str) -> str:
        if value not in GREENGRASS_REGIONS:
            near = difflib.get_close_matches(value, GREENGRASS_REGIONS, n=1, cutoff=0)
            raise ValueError(
                f"AWS IoT Greengrass V2 is not available there; most similar name: '{near[0]}', "
                f"all: {', '.join(GREENGRASS_REGIONS)}"
            )
        return value

    @field_validator("tags")
    @classmethod
    def _tags(cls, value: dict[str, str]) -> dict[str, str]:
        for key, text in value.items():
            if not (re.fullmatch(_TAG_KEY, key, re.IGNORECASE) and re.fullmatch(_TAG_TEXT, text)):
                raise ValueError(
                    f"tag {key!r}: a key has 1 to 128 and a value up to 256 letters, digits, "
                    "spaces and . : / = + - @ _, and no key starts with 'aws:' or 'deeplens:'"
                )
        if len(value) > _MOST_TAGS:
            raise ValueError(
                f"at most {_MOST_TAGS} tags; AWS allows 50, of which the project sets some"
            )
        return value

    @model_validator(mode="after")
    def _wave_groups_have_names(self) -> "EnvironmentConfig":
        """Reject a thing group name that makes the names of the wave groups too long."""
        longest = f"deeplens-{self.name}-wave-{len(self.rollout.waves)}-of-{self.fleet.thing_group}"
        has_shares = any(wave.percent is not None for wave in self.rollout.waves)
        if has_shares and len(longest) > _LONGEST_GROUP_NAME:
            excess = len(longest) - _LONGEST_GROUP_NAME
            raise ValueError(
                f"fleet.thing_group has {len(self.fleet.thing_group)} characters, and with waves "
                f"by percentage at most {len(self.fleet.thing_group) - excess} work: the project's "
                f"thing group {longest} has more than {_LONGEST_GROUP_NAME}"
            )
        return self

    @model_validator(mode="after")
    def _compatible_settings(self) -> "EnvironmentConfig":
        if problems := list(incompatible_settings(self.fleet, self.inference, self.runtime)):
            raise ValueError("; ".join(problems))
        profile = self.signing.lambda_profile
        if profile and profile.split(":")[3] != self.region:
            raise ValueError(
                f"signing.lambda_profile is in {profile.split(':')[3]}: AWS Signer only "
                f"signs in buckets of the same Region; a profile in {self.region} works"
            )
        silence = self.monitoring.no_heartbeat_minutes * 60
        interval = self.inference.heartbeat_interval_seconds
        if self.monitoring.enabled and silence < _LEAST_HEARTBEATS * interval:
            raise ValueError(
                f"monitoring.no_heartbeat_minutes {self.monitoring.no_heartbeat_minutes} is less "
                f"than {_LEAST_HEARTBEATS} of inference.heartbeat_interval_seconds {interval:g}: "
                "the alarm would include cameras without a fault; at least "
                f"{-(-_LEAST_HEARTBEATS * interval // 60):g} minutes work"
            )
        if self.hosting.enabled and not self.monitoring.enabled:
            raise ValueError(
                "hosting.enabled requires monitoring.enabled: the alarms of the endpoint use the "
                "topic of the Monitoring stack"
            )
        return self
