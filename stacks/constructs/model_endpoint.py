"""A SageMaker endpoint with its variants, scaling, log group, and volume key."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, aws_applicationautoscaling, aws_kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from deeplens.config import HostingConfig, VariantConfig
from deeplens.config.deep_learning_containers import has_local_storage
from stacks.constructs.endpoint_alarms import EndpointAlarms
from stacks.constructs.hosted_model import HostedModel
from stacks.constructs.service_role import ServiceLog

# The maximum duration of an update; SageMaker rolls back an update that takes longer.
_LONGEST_UPDATE_SECONDS = 7200


class ModelEndpoint(Construct):
    """An endpoint with a fixed name, which its log group and alarms use before the endpoint exists.

    See docs/decisions/0085-the-endpoint-has-a-name.md.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        hosting: HostingConfig,
        models: Sequence[HostedModel],
        log_group_name: str,
        alarms: EndpointAlarms,
        capture_uri: str | None,
    ) -> None:
        """Create the endpoint; `models` has the order of `hosting.variants`."""
        super().__init__(scope, id_)
        log_group = ServiceLog(
            self, "Log", name=log_group_name, retention_days=hosting.log_retention_days
        )
        is_instance = hosting.mode == "instance"
        self.config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[
                _production_variant(variant, model, is_instance=is_instance)
                for variant, model in zip(hosting.variants, models, strict=True)
            ],
            kms_key_id=self._volume_key(hosting),
            data_capture_config=_data_capture(hosting.data_capture_percent, capture_uri),
        )
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=name,
            endpoint_config_name=self.config.attr_endpoint_config_name,
            deployment_config=_deployment(hosting, alarms) if is_instance else None,
            # An update retains the instance counts from scaling; the environment file sets the
            # weights.
            retain_all_variant_properties=True if hosting.scaling else None,
            exclude_retained_variant_properties=(
                [
                    sagemaker.CfnEndpoint.VariantPropertyProperty(
                        variant_property_type="DesiredWeight"
                    )
                ]
                if hosting.scaling
                else None
            ),
        )
        self.endpoint.node.add_dependency(log_group)
        self.endpoint.node.add_dependency(alarms)
        for variant in hosting.variants:
            self._scale(name, variant, hosting)

    def _volume_key(self, hosting: HostingConfig) -> str | None:
        """Return the ARN of a new key for volumes; None if a variant has no volume to encrypt."""
        if hosting.mode == "serverless" or any(
            has_local_storage(variant.instance_type) for variant in hosting.variants
        ):
            return None
        key = aws_kms.Key(
            self,
            "VolumeKey",
            description="Volumes of the endpoint's instances",
            enable_key_rotation=True,
            # Volumes are deleted with their instances, and a key that is pending deletion costs
            # nothing.
            removal_policy=RemovalPolicy.DESTROY,
            pending_window=Duration.days(7),
        )
        return key.key_arn

    def _scale(self, name: str, variant: VariantConfig, hosting: HostingConfig) -> None:
        scaling = hosting.scaling
        if scaling is None:
            return
        target = aws_applicationautoscaling.CfnScalableTarget(
            self,
            f"Scale-{variant.name}",
            service_namespace="sagemaker",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{name}/variant/{variant.name}",
            min_capacity=scaling.minimum_instances,
            max_capacity=scaling.maximum_instances,
        )
        target.add_resource_dependency(self.endpoint)
        policy = aws_applicationautoscaling.CfnScalingPolicy
        policy(
            self,
            f"ByInvocations-{variant.name}",
            policy_name=f"{name}-{variant.name}-invocations",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=(
                policy.TargetTrackingScalingPolicyConfigurationProperty(
                    target_value=scaling.invocations_per_minute,
                    scale_in_cooldown=scaling.scale_in_cooldown_seconds,
                    scale_out_cooldown=scaling.scale_out_cooldown_seconds,
                    predefined_metric_specification=policy.PredefinedMetricSpecificationProperty(
                        predefined_metric_type="SageMakerVariantInvocationsPerInstance"
                    ),
                )
            ),
        )


def _production_variant(
    variant: VariantConfig, hosted: HostedModel, *, is_instance: bool
) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    kind = sagemaker.CfnEndpointConfig
    return kind.ProductionVariantProperty(
        variant_name=variant.name,
        model_name=hosted.model.attr_model_name,
        initial_variant_weight=variant.weight,
        instance_type=variant.instance_type if is_instance else None,
        initial_instance_count=variant.instances if is_instance else None,
        serverless_config=(
            None
            if is_instance
            else kind.ServerlessConfigProperty(
                memory_size_in_mb=variant.memory_mib, max_concurrency=variant.max_concurrency
            )
        ),
    )


def _data_capture(
    percent: int, uri: str | None
) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty | None:
    """Return the configuration of the data capture at `uri`; None if `uri` is None."""
    if uri is None:
        return None
    kind = sagemaker.CfnEndpointConfig
    return kind.DataCaptureConfigProperty(
        enable_capture=True,
        initial_sampling_percentage=percent,
        destination_s3_uri=uri,
        capture_options=[
            kind.CaptureOptionProperty(capture_mode="Input"),
            kind.CaptureOptionProperty(capture_mode="Output"),
        ],
        capture_content_type_header=kind.CaptureContentTypeHeaderProperty(
            json_content_types=["application/json"]
        ),
    )


def _deployment(
    hosting: HostingConfig, alarms: EndpointAlarms
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    """Return a blue/green deployment that rolls back on an alarm during the baking period."""
    kind = sagemaker.CfnEndpoint
    return kind.DeploymentConfigProperty(
        blue_green_update_policy=kind.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=kind.TrafficRoutingConfigProperty(
                type="ALL_AT_ONCE", wait_interval_in_seconds=hosting.bake_seconds
            ),
            maximum_execution_timeout_in_seconds=_LONGEST_UPDATE_SECONDS,
        ),
        auto_rollback_configuration=kind.AutoRollbackConfigProperty(
            alarms=[kind.AlarmProperty(alarm_name=name) for name in alarms.names]
        ),
    )
