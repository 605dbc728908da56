"""The ARNs of a template's resource, and of the resources that its properties refer to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local_aws.authorization.cloudformation.table import arn

_RANDOM = "X" * 13
_LONGEST_PART = 24
_LONGEST_NAME = 64
# Properties that contain documents. IAM does not check the ARNs in these documents during a step.
_DOCUMENTS = frozenset(
    {
        "AssumeRolePolicyDocument",
        "DashboardBody",
        "Environment",
        "EventPattern",
        "KeyPolicy",
        "PipelineDefinition",
        "PolicyDocument",
        "Tags",
    }
)


@dataclass(frozen=True)
class _Type:
    """The kind of ARN of a resource type, and the property that contains the resource's name."""

    kind: str
    name: str = ""
    # True if a generated name begins with the name of the stack, as for most types.
    of_stack: bool = True


_TYPES = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _Type("application-autoscaling:ScalableTarget"),
    "AWS::ApplicationAutoScaling::ScalingPolicy": _Type("application-autoscaling:ScalableTarget"),
    "AWS::CloudWatch::Alarm": _Type("cloudwatch:alarm", "AlarmName"),
    "AWS::CloudWatch::Dashboard": _Type("cloudwatch:dashboard", "DashboardName", of_stack=False),
    "AWS::CodeBuild::Project": _Type("codebuild:project", "Name", of_stack=False),
    "AWS::CodePipeline::Pipeline": _Type("codepipeline:pipeline", "Name"),
    "AWS::ECR::Repository": _Type("ecr:repository", "RepositoryName"),
    "AWS::Events::Rule": _Type("events:rule-on-default-event-bus", "Name"),
    "AWS::IAM::ManagedPolicy": _Type("iam:policy", "ManagedPolicyName"),
    "AWS::IAM::Role": _Type("iam:role", "RoleName"),
    "AWS::IoT::Policy": _Type("iot:policy", "PolicyName"),
    "AWS::IoT::RoleAlias": _Type("iot:rolealias", "RoleAlias"),
    "AWS::IoT::Thing": _Type("iot:thing", "ThingName"),
    "AWS::IoT::ThingGroup": _Type("iot:thinggroup", "ThingGroupName"),
    "AWS::IoT::TopicRule": _Type("iot:rule", "RuleName"),
    "AWS::KMS::Key": _Type("kms:key", of_stack=False),
    "AWS::Lambda::CodeSigningConfig": _Type("lambda:code signing config", of_stack=False),
    "AWS::Lambda::Function": _Type("lambda:function", "FunctionName"),
    "AWS::Lambda::LayerVersion": _Type("lambda:layer", "LayerName", of_stack=False),
    "AWS::Logs::LogGroup": _Type("logs:log-group", "LogGroupName"),
    "AWS::S3::Bucket": _Type("s3:bucket", "BucketName"),
    "AWS::SNS::Topic": _Type("sns:topic", "TopicName"),
    "AWS::SQS::Queue": _Type("sqs:queue", "QueueName"),
    "AWS::SSM::Parameter": _Type("ssm:parameter", "Name", of_stack=False),
    "AWS::SageMaker::Endpoint": _Type("sagemaker:endpoint", "EndpointName", of_stack=False),
    "AWS::SageMaker::EndpointConfig": _Type(
        "sagemaker:endpoint-config", "EndpointConfigName", of_stack=False
    ),
    "AWS::SageMaker::Model": _Type("sagemaker:model", "ModelName", of_stack=False),
    "AWS::SageMaker::ModelPackageGroup": _Type(
        "sagemaker:model-package-group", "ModelPackageGroupName", of_stack=False
    ),
    "AWS::SageMaker::NotebookInstance": _Type(
        "sagemaker:notebook-instance", "NotebookInstanceName", of_stack=False
    ),
    "AWS::SageMaker::Pipeline": _Type("sagemaker:pipeline", "PipelineName", of_stack=False),
}
# Properties that contain names, URLs or ARNs of other resources, and the kinds of these resources.
_REFERENCES = {
    "Bucket": "s3:bucket",
    "EndpointConfigName": "sagemaker:endpoint-config",
    "FunctionName": "lambda:function",
    "Queues": "sqs:queue",
    "Roles": "iam:role",
    "SecurityGroupIds": "ec2:security-group",
    "SubnetId": "ec2:subnet",
}
_SCALING_ROLE = (
    "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
# Resources that services create for a resource type, as pairs of kind and name.
_CREATED_BY_SERVICES = {
    "AWS::ApplicationAutoScaling::ScalableTarget": (
        ("cloudwatch:alarm", "TargetTracking-*"),
        ("iam:role", _SCALING_ROLE),
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": (("cloudwatch:alarm", "TargetTracking-*"),),
    "AWS::SageMaker::NotebookInstance": (("ec2:network-interface", "*"),),
}
KINDS = frozenset(
    [
        *(type_.kind for type_ in _TYPES.values()),
        *_REFERENCES.values(),
        *(kind for created in _CREATED_BY_SERVICES.values() for kind, _ in created),
        "codeconnections:Connection",
        "codepipeline:stage",
        "codestar-connections:Connection",
        "lambda:function version",
        "lambda:layer version",
        "s3:object",
    ]
)
"""The kinds of resources that `Resource.arns` returns, in the form of the table: service:kind."""


@dataclass(frozen=True)
class Resource:
    """A resource of a stack; references in its properties are resolved.

    `physical_id` is None before the resource exists.
    """

    type: str
    logical_id: str
    stack: str
    account: str
    region: str
    properties: dict[str, Any] = field(default_factory=dict)
    physical_id: str | None = None

    @property
    def own_arn(self) -> str | None:
        """The resource's ARN; None for a type without an ARN, for example a bucket policy."""
        type_ = _TYPES.get(self.type)
        if type_ is None:
            return None
        if self.physical_id and self.physical_id.startswith("arn:"):
            return self.physical_id
        path = str(self.properties.get("Path", "/")).removeprefix("/")
        name = self._name(type_)
        if type_.kind == "ssm:parameter":
            name = name.removeprefix("/")
        return self._arn(type_.kind, f"{path}{name}")

    def arns(self) -> list[str]:
        """Return the ARNs of the resource, of its references, and of resources that services add.

        A custom resource has one ARN: its function's.
        """
        if self.type.startswith("Custom::"):
            return [str(self.properties["ServiceToken"])]
        resource_arn = [self.own_arn] if self.own_arn else []
        return list(
            dict.fromkeys(
                [*resource_arn, *self._property_arns(), *self._referred(), *self._derived()]
            )
        )

    def _property_arns(self) -> Iterator[str]:
        """Yield the ARNs that the properties contain, except those in documents."""
        for path, value in _strings(self.properties):
            # The pipeline's role assumes the roles of the pipeline's actions; CloudFormation does
            # not pass them.
            assumed = self.type == "AWS::CodePipeline::Pipeline" and "Stages" in path
            if value.startswith("arn:") and not (assumed and ":iam:" in value):
                yield value

    def _referred(self) -> Iterator[str]:
        """Yield the ARNs of resources that the properties refer to by name, URL or ARN."""
        for property_, kind in _REFERENCES.items():
            names = self.properties.get(property_, [])
            for name in names if isinstance(names, list) else [names]:
                yield self._arn(kind, str(name).rpartition("/")[2].rpartition(":")[2])

    def _derived(self) -> Iterator[str]:
        for kind, name in _CREATED_BY_SERVICES.get(self.type, ()):
            yield self._arn(kind, name)
        for name in ("Code", "Content"):
            if isinstance(code := self.properties.get(name), dict) and "S3Bucket" in code:
                yield self._arn("s3:object", f"{code['S3Bucket']}/{code['S3Key']}")
        if self.type == "AWS::Lambda::LayerVersion" and self.physical_id is None:
            yield f"{self.own_arn}:1"
        if self.type == "AWS::Lambda::Version":
            name = str(self.properties["FunctionName"]).rpartition(":")[2]
            yield self._arn("lambda:function", f"{name}:1")
        if self.type == "AWS::CodePipeline::Pipeline":
            yield f"{self.own_arn}/Source"

    def _name(self, type_: _Type) -> str:
        if self.physical_id:
            is_url = self.physical_id.startswith(("http://", "https://"))
            return self.physical_id.rpartition("/")[2] if is_url else self.physical_id
        return str(self.properties.get(type_.name) or self._generated(type_))

    def _generated(self, type_: _Type) -> str:
        """Return a name in the form that CloudFormation generates, with X for random characters."""
        if not type_.name:
            return _RANDOM
        parts = [self.stack, self.logical_id] if type_.of_stack else [self.logical_id]
        if len("-".join([*parts, _RANDOM])) > _LONGEST_NAME and self.type in _SHORTENED:
            parts = [part[:_LONGEST_PART] for part in parts]
        name = "-".join([*parts, _RANDOM])
        return name.lower() if self.type == "AWS::S3::Bucket" else name

    def _arn(self, kind: str, name: str) -> str:
        return arn(kind, name, region=self.region, account=self.account)


# Resource types whose names have at most 64 characters. In the names that it generates for them,
# CloudFormation shortens the stack's name and the logical id.
_SHORTENED = frozenset(
    {"AWS::Events::Rule", "AWS::IAM::Role", "AWS::Lambda::Function", "AWS::S3::Bucket"}
)


def _strings(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each string of the properties with its path of property names; skip documents."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _DOCUMENTS:
                yield from _strings(item, (*path, key))
