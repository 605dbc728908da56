"""`[hosting]`: an endpoint for any TensorFlow or MXNet model; off by default."""

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
    """A model behind the endpoint, and its share of the requests."""

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
        Field(
            ge=0, le=1_000_000, description="share of the requests, relative to the other variants"
        ),
    ] = 1.0
    instance_type: Annotated[
        InstanceType, Field(description="in mode `instance`: type of the instances")
    ] = "ml.m5.large"
    instances: Annotated[
        int, Field(ge=1, le=100, description="in mode `instance`: initial number of instances")
    ] = 1
    memory_mib: Annotated[
        Literal[1024, 2048, 3072, 4096, 5120, 6144],
        Field(description="in mode `serverless`: memory"),
    ] = 2048
    max_concurrency: Annotated[
        int, Field(ge=1, le=200, description="in mode `serverless`: maximum of concurrent requests")
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
                f"framework_version: given {self.framework_version!r}, expected a version of AWS' "
                f"{self.framework} containers: {', '.join(versions)}"
            )
        if not runs_images(self.instance_type):
            raise ValueError(
                f"instance_type: given {self.instance_type!r}, for whose processor AWS has other "
                "containers; an x86 type works, for example 'ml.m5.large'"
            )
        return self


class ScalingConfig(ConfigSection):
    """Automatic scaling of each variant by the number of requests per instance."""

    minimum_instances: Annotated[
        int, Field(ge=1, le=100, description="minimum number of instances of each variant")
    ] = 1
    maximum_instances: Annotated[
        int, Field(ge=1, le=100, description="maximum number of instances of each variant")
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
    """A SageMaker endpoint: its models, network, scaling and alarms."""

    enabled: Annotated[
        bool,
        Field(
            description="whether the environment has a Hosting stack, which costs money by the hour"
        ),
    ] = False
    mode: Annotated[
        Literal["instance", "serverless"],
        Field(description="`instance` costs money by the hour, `serverless` by the request"),
    ] = "instance"
    network_isolation: Annotated[
        bool,
        Field(
            description="in mode `instance`: the container has no network, and so does not install "
            "`code/requirements.txt`"
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
            description="alarm: the 95th percentile of the model's latency is higher",
        ),
    ] = 1000.0
    error_share: Annotated[
        float,
        Field(gt=0, lt=1, description="alarm: a larger share of the requests fails"),
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
        LogRetentionDays, Field(description="retention of the log of the containers")
    ] = 30
    scaling: ScalingConfig | None = None
    # At most three variants, because each has three alarms, and SageMaker monitors at most ten
    # alarms during the baking period.
    variants: Annotated[tuple[VariantConfig, ...], Field(max_length=3, strict=False)] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names = [variant.name for variant in self.variants]
        if self.enabled and not names:
            raise ValueError(
                "hosting.enabled requires a model: add [[hosting.variants]] with name, model_data, "
                "framework and framework_version"
            )
        if len(set(names)) != len(names):
            raise ValueError(f"the names of variants are unique; given {', '.join(names)}")
        if names and not any(variant.weight for variant in self.variants):
            raise ValueError("at least one variant needs a weight above 0")
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError(
                "a VPC requires at least one subnet and one security group; without a VPC, "
                "remove both"
            )
        self._fits_mode()
        return self

    def _fits_mode(self) -> None:
        """Reject settings that the mode does not support; SageMaker rejects them only at deploy."""
        other_mode_keys = _INSTANCE_ONLY if self.mode == "serverless" else _SERVERLESS_ONLY
        for variant in self.variants:
            for key in other_mode_keys:
                if key in variant.model_fields_set:
                    raise ValueError(
                        f"variant {variant.name}: a variant has no {key} in mode {self.mode!r}; "
                        "remove it, or use the other mode"
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
                    f"SageMaker has no {key} for serverless endpoints; remove it, or use mode "
                    "'instance'"
                )
