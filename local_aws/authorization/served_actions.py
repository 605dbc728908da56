"""The IAM actions of the operations that the emulator's own services implement."""

from pathlib import Path
from typing import Any

from local_aws.services.auto_scaling import AutoScaling
from local_aws.services.code_pipeline import CodePipeline
from local_aws.services.greengrass.service import Greengrass
from local_aws.services.role_aliases import RoleAliases
from local_aws.services.sagemaker.runtime import ACTION as INVOKE_ENDPOINT
from local_aws.services.sagemaker.service import SageMaker


def served_actions() -> list[str]:
    """Return the IAM actions of the emulator's own services, sorted."""
    cloud: Any = None  # no operation is called, so no cloud is required
    return sorted(
        {
            *(f"greengrass:{name}" for name in Greengrass(cloud).operations),
            *(f"iot:{name}" for name in RoleAliases().operations),
            *(f"sagemaker:{name}" for name in SageMaker(cloud, Path()).operations),
            *(f"application-autoscaling:{name}" for name in AutoScaling().operations),
            *(f"codepipeline:{name}" for name in CodePipeline().operations),
            INVOKE_ENDPOINT,
        }
    )
