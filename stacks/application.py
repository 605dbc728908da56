"""The stage of one environment, with all of its stacks."""

# ruff: noqa: PLC0415 - CDK's SageMaker module is large, and most environments do not use it

from pathlib import Path

from aws_cdk import Environment, Stage, Tags
from constructs import Construct

from deeplens.config import (
    EnvironmentConfig,
    least_free_disk_mib,
    load_artifact,
    load_runtime,
)
from stacks.constructs.code_signing import enforce_code_signing
from stacks.constructs.iam import permissions_boundary
from stacks.deeplens_roles_stack import DeepLensRolesStack
from stacks.devices_stack import DevicesStack
from stacks.inference_stack import InferenceStack
from stacks.model_store_stack import ModelStoreStack
from stacks.monitoring_stack import MonitoringStack


class DeepLensApplication(Stage):
    """The stacks of one environment: model store, devices, release, and optional stacks."""

    def __init__(
        self,
        scope: Construct,
        environment: EnvironmentConfig,
        *,
        models: Path,
        runtimes: Path,
    ) -> None:
        """Build the stacks of an environment; the environment's name is the id of the stage.

        Args:
            scope: the app.
            environment: the environment file.
            models: folder of the artifacts that environment files pin.
            runtimes: folder of the runtime archives that environment files pin.

        Raises:
            ConfigError: a pinned artifact or archive is absent, or its digest differs from the pin.
        """
        super().__init__(
            scope,
            environment.name,
            env=Environment(account=environment.account, region=environment.region),
            permissions_boundary=permissions_boundary(environment.permissions_boundary),
        )
        self.environment_config = environment
        artifact = load_artifact(models, environment.model, environment.signing)
        runtime = load_runtime(runtimes, environment.runtime)

        store = ModelStoreStack(self, "ModelStore", environment=environment)
        devices = DevicesStack(self, "Devices", environment=environment)
        inference = InferenceStack(
            self,
            "Inference",
            environment=environment,
            artifact=artifact,
            runtime=runtime,
            model_bucket=store.bucket,
        )
        inference.add_stack_dependency(devices)
        store.bucket.grant_download(devices.token_exchange_role)
        if environment.monitoring.enabled:
            monitoring = MonitoringStack(
                self,
                "Monitoring",
                environment=environment,
                least_free_disk_mib=environment.monitoring.free_disk_mib
                or least_free_disk_mib(artifact, runtime),
            )
            if environment.hosting.enabled:
                from stacks.hosting_stack import HostingStack

                HostingStack(
                    self,
                    "Hosting",
                    environment=environment,
                    models=models,
                    model_bucket=store.bucket,
                    alarm_topic=monitoring.alarm_topic,
                )
        if environment.training.enabled:
            from stacks.training_stack import TrainingStack

            TrainingStack(self, "Training", environment=environment, model_bucket=store.bucket)
        if environment.deeplens_roles:
            DeepLensRolesStack(
                self, "DeepLensRoles", environment=environment, model_bucket=store.bucket
            )

        if environment.signing.lambda_profile:
            enforce_code_signing(self, environment.signing.lambda_profile)
        tags = Tags.of(self)
        for key, value in environment.tags.items():
            tags.add(key, value)
        tags.add("deeplens:environment", environment.name)
