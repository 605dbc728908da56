"""`[hosting]`: an endpoint for any TensorFlow or MXNet model; off unless it is asked for."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from deeplens.config.base import ConfigSection, LogRetentionDays
from deeplens.config.deep_learning_containers import Framework, runs_images, supported_versions

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,1023}")
_LONGEST_VALUE = 1024
_SERVERLESS_ONLY = ("memory_mib", "max_concurrency")
_INSTANCE_ONLY = ("instance_type", "instances")

InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z][a-z0-9-]*\.[a-z0-9]+$")]


class VariantConfig(ConfigSection):
    """One model behind the endpoint, and its share of the requests."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$",
            description="the production variant's name, which `TargetVariant` takes",
        ),
    ]
    model_data: Annotated[
        str,
        Field(
            pattern=r"^.+\.tar\.gz$",
            description="the model's `model.tar.gz`, from the folder `models/`",
        ),
    ]
    digest: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256 that the file must have; without it, any file is accepted",
        ),
    ] = None
    framework: Annotated[
        Framework, Field(description="framework whose AWS container runs the model")
    ]
    framework_version: Annotated[
        str,
        Field(description="version of the container; docs/endpoints.md lists the versions"),
    ]
    weight: Annotated[
        float,
        Field(ge=0, le=1_000_000, description="its share, relative to the others'"),
    ] = 1.0
    instance_type: Annotated[
        InstanceType, Field(description="in mode `instance`: type of the instances")
    ] = "ml.m5.large"
    instances: Annotated[
        int, Field(ge=1, le=100, description="in mode `instance`: initial number of instances")
    ] = 1
    memory_mib: Annotated[
        Literal[1024, 2048, 3072, 4096, 5120, 6144],
        Field(description="in mode `serverless`: its memory"),
    ] = 2048
    max_concurrency: Annotated[
        int, Field(ge=1, le=200, description="in mode `serverless`: concurrent requests, at most")
    ] = 5
    environment: Annotated[
        dict[str, str], Field(description="environment variables of the container; not for secrets")
    ] = Field(default={})

    @field_validator("environment")
    @classmethod
    def _variables(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _VARIABLE.fullmatch(name) or len(text) > _LONGEST_VALUE:
                raise ValueError(
                    f"variable {name!r}: a name has letters, digits and _, and a value up to "
                    f"{_LONGEST_VALUE} characters"
                )
        return value

    @model_validator(mode="after")
    def _runs(self) -> Self:
        versions = supported_versions(self.framework, "inference")
        if self.framework_version not in versions:
            raise ValueError(
                f"framework_version: given {self.framework_version!r}, but AWS' containers of "
                f"{self.framework} that are known here are {', '.join(versions)}"
            )
        if not runs_images(self.instance_type):
            raise ValueError(
                f"instance_type: given {self.instance_type!r}, for whose processor AWS has other "
                "containers; take one with x86, for example 'ml.m5.large'"
            )
        return self


class ScalingConfig(ConfigSection):
    """How many instances each variant has, by the requests that it gets."""

    minimum_instances: Annotated[
        int, Field(ge=1, le=100, description="instances of each variant, at least")
    ] = 1
    maximum_instances: Annotated[
        int, Field(ge=1, le=100, description="instances of each variant, at most")
    ]
    invocations_per_minute: Annotated[
        float,
        Field(gt=0, description="target for the requests per instance and minute"),
    ]
    scale_in_cooldown_seconds: Annotated[
        int, Field(ge=0, le=3600, description="pause before instances are removed")
    ] = 300
    scale_out_cooldown_seconds: Annotated[
        int, Field(ge=0, le=3600, description="pause before instances are added")
    ] = 60

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum_instances > self.maximum_instances:
            raise ValueError(
                f"minimum_instances {self.minimum_instances} is more than maximum_instances "
                f"{self.maximum_instances}"
            )
        return self


class HostingConfig(ConfigSection):
    """A SageMaker endpoint; it costs money as long as its stack is there."""

    enabled: Annotated[
        bool,
        Field(
            description="whether the environment has a Hosting stack; it costs money by the hour"
        ),
    ] = False
    mode: Annotated[
        Literal["instance", "serverless"],
        Field(description="instances that wait for requests, or memory that is paid by request"),
    ] = "instance"
    network_isolation: Annotated[
        bool,
        Field(
            description="in mode `instance`: the container reaches no network; it then installs "
            "no `code/requirements.txt` either"
        ),
    ] = True
    subnets: Annotated[
        tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...],
        Field(
            strict=False, max_length=16, description="subnets of the endpoint, if it runs in a VPC"
        ),
    ] = ()
    security_groups: Annotated[
        tuple[Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")], ...],
        Field(strict=False, max_length=5, description="security groups of the endpoint in the VPC"),
    ] = ()
    data_capture_percent: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="share of requests and responses that is stored below `datasets/captured/`",
        ),
    ] = 0
    latency_p95_ms: Annotated[
        float,
        Field(
            gt=0,
            le=60_000,
            description="alarm: 95 of 100 requests take the model longer",
        ),
    ] = 1000.0
    error_share: Annotated[
        float,
        Field(gt=0, lt=1, description="alarm: more than this share of them fails"),
    ] = 0.01
    bake_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=3600,
            description="in mode `instance`: how long a new version must run without an alarm "
            "before the old one is removed",
        ),
    ] = 300
    log_retention_days: Annotated[
        LogRetentionDays, Field(description="how long the containers' log is kept")
    ] = 30
    scaling: ScalingConfig | None = None
    # Three alarms each, and SageMaker watches ten at most while a new version bakes.
    variants: Annotated[tuple[VariantConfig, ...], Field(max_length=3, strict=False)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [variant.name for variant in self.variants]
        if self.enabled and not names:
            raise ValueError(
                "hosting.enabled needs a model: add a [[hosting.variants]] with name, model_data, "
                "framework and framework_version"
            )
        if len(set(names)) != len(names):
            raise ValueError(f"each variant has a name of its own; given {', '.join(names)}")
        if names and not any(variant.weight for variant in self.variants):
            raise ValueError("some variant needs a weight above 0, else no request is answered")
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError(
                "a VPC needs both: at least one of subnets and one of security_groups, or neither"
            )
        self._fits_mode()
        return self

    def _fits_mode(self) -> None:
        """Refuse what the mode does not have: SageMaker would, only minutes later."""
        foreign = _INSTANCE_ONLY if self.mode == "serverless" else _SERVERLESS_ONLY
        for variant in self.variants:
            for key in foreign:
                if key in variant.model_fields_set:
                    raise ValueError(
                        f"variant {variant.name}: a variant has no {key} in mode {self.mode!r}; "
                        "remove it, or take the other mode"
                    )
        if self.mode != "serverless":
            return
        if len(self.variants) > 1:
            raise ValueError(
                "a serverless endpoint has one variant; a comparison needs mode 'instance'"
            )
        given = {
            "network_isolation": "network_isolation" in self.model_fields_set
            and self.network_isolation,
            "subnets": bool(self.subnets),
            "data_capture_percent": bool(self.data_capture_percent),
            "scaling": self.scaling is not None,
            "bake_seconds": "bake_seconds" in self.model_fields_set,
        }
        for key, is_given in given.items():
            if is_given:
                raise ValueError(
                    f"SageMaker has no {key} for serverless endpoints; remove it, or take mode "
                    "'instance'"
                )
