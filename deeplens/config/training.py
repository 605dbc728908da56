"""`[training]`: a SageMaker pipeline that trains the head-pose classifier; off by default."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from deeplens.config.base import ConfigSection
from deeplens.config.deep_learning_containers import runs_images, supported_versions
from deeplens.config.hosting import InstanceType

_LONGEST_RUN_SECONDS = 432_000


class NotebookConfig(ConfigSection):
    """A notebook instance without internet access, root access, or metadata service version 1."""

    instance_type: Annotated[InstanceType, Field(description="instance type of the notebook")] = (
        "ml.t3.medium"
    )
    volume_gib: Annotated[int, Field(ge=5, le=16384, description="disk size of the notebook")] = 20
    subnet: Annotated[
        str,
        Field(
            pattern=r"^subnet-[0-9a-f]{8,17}$",
            description="the VPC's subnet through which the notebook reaches AWS; it has no "
            "internet access",
        ),
    ]
    security_groups: Annotated[
        tuple[Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")], ...],
        Field(
            strict=False,
            min_length=1,
            max_length=5,
            description="security groups of the notebook in the VPC",
        ),
    ]


class TrainingConfig(ConfigSection):
    """Settings of the training pipeline: model, instances, duration, and the required accuracy."""

    enabled: Annotated[
        bool,
        Field(
            description="whether the environment has a Training stack, of which only runs "
            "cost money"
        ),
    ] = False
    framework_version: Annotated[
        str,
        Field(description="version of AWS' TensorFlow training container; see docs/training.md"),
    ] = "2.19"
    variant: Annotated[Literal["resnet50", "small"], Field(description="the network to train")] = (
        "resnet50"
    )
    epochs: Annotated[int, Field(ge=1, le=10_000, description="passes over the data")] = 60
    batch_size: Annotated[int, Field(ge=1, le=4096, description="images per step")] = 64
    instance_type: Annotated[InstanceType, Field(description="instance type of the training")] = (
        "ml.g4dn.xlarge"
    )
    verification_instance_type: Annotated[
        InstanceType, Field(description="instance type on which the model is frozen and compared")
    ] = "ml.m5.large"
    volume_gib: Annotated[int, Field(ge=1, le=16384, description="disk of each instance")] = 30
    maximum_run_seconds: Annotated[
        int, Field(ge=60, le=_LONGEST_RUN_SECONDS, description="time after which a run is stopped")
    ] = 14_400
    spot: Annotated[
        bool, Field(description="train on spot instances, and continue from checkpoints")
    ] = False
    maximum_wait_seconds: Annotated[
        int,
        Field(
            ge=60,
            le=2 * _LONGEST_RUN_SECONDS,
            description="with `spot`: maximum of run time and wait for capacity together",
        ),
    ] = 28_800
    minimum_accuracy: Annotated[
        float,
        Field(gt=0, le=1, description="accuracy on unseen images below which the run fails"),
    ] = 0.9
    maximum_difference: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="relative difference between the frozen model and its source above "
            "which the run fails",
        ),
    ] = 0.0001
    approval: Annotated[
        Literal["PendingManualApproval", "Approved"],
        Field(description="the initial status of a registered model package"),
    ] = "PendingManualApproval"
    notebook: NotebookConfig | None = None

    @model_validator(mode="after")
    def _runs(self) -> Self:
        versions = supported_versions("tensorflow", "training")
        if self.framework_version not in versions:
            raise ValueError(
                f"framework_version: given {self.framework_version!r}, expected a version of "
                f"AWS' TensorFlow training containers: {', '.join(versions)}"
            )
        for key in ("instance_type", "verification_instance_type"):
            given = getattr(self, key)
            if not runs_images(given):
                raise ValueError(
                    f"{key}: given {given!r}, for whose processor AWS has other containers; an x86 "
                    "type works, for example 'ml.m5.large'"
                )
        if self.spot and self.maximum_wait_seconds < self.maximum_run_seconds:
            raise ValueError(
                f"maximum_wait_seconds {self.maximum_wait_seconds} is less than "
                f"maximum_run_seconds {self.maximum_run_seconds}: it includes the run"
            )
        return self
