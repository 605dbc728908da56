"""The SageMaker pipeline of the head-pose classifier: train, freeze, verify, register."""

from dataclasses import dataclass
from typing import Any

from deeplens.config import TrainingConfig
from deeplens.config.deep_learning_containers import ContainerImage
from stacks.constructs.pipeline_steps import (
    Condition,
    ConditionStep,
    Parameter,
    PipelineDefinition,
    Step,
    get,
)
from stacks.constructs.training_code import ENTRY_POINT

_INPUT = "/opt/ml/processing/input"
_OUTPUT = "/opt/ml/processing/output"
_CHECKPOINTS = "/opt/ml/checkpoints"
# The metric definition of the accuracy that model_tools.samples.headpose.sagemaker prints.
_ACCURACY = {"Name": "accuracy", "Regex": r"accuracy=([0-9.]+)"}
_VERIFY = (
    "set -e; mkdir -p /tmp/code; tar -xzf {code}/* -C /tmp/code; cd /tmp/code; "
    "python3 -m pip install --quiet -r requirements.txt; "
    "python3 -m model_tools.samples.headpose.verification_job"
).format(code=f"{_INPUT}/code")


@dataclass(frozen=True)
class Surroundings:
    """The URLs, ARNs and container images to which the definition refers."""

    job_prefix: str
    bucket_uri: str
    code_url: str
    jobs_role_arn: str
    key_arn: str
    training_image: ContainerImage
    verification_image: ContainerImage
    inference_image: ContainerImage
    model_package_group: str


def headpose_pipeline(training: TrainingConfig, around: Surroundings) -> PipelineDefinition:
    """Return the pipeline's definition, with parameters for data, epochs and required quality."""
    data = Parameter("DataUri", "String", f"{around.bucket_uri}/headpose/datasets/")
    epochs = Parameter("Epochs", "String", str(training.epochs))
    accuracy = Parameter("MinimumAccuracy", "Float", training.minimum_accuracy)
    difference = Parameter("MaximumDifference", "Float", training.maximum_difference)
    train = _train(training, around, data, epochs)
    verify = _verify(training, around, train)
    reached = train.result("FinalMetricDataList['accuracy'].Value")
    differs = verify.from_property_file("Verification", "maximum_difference")
    decide = ConditionStep(
        "GoodEnough",
        [
            Condition(reached, "GreaterThanOrEqualTo", accuracy.value),
            Condition(differs, "LessThanOrEqualTo", difference.value),
        ],
        then=[_register(training, around, train)],
        otherwise=[_fail([reached, accuracy.value, differs, difference.value])],
    )
    return PipelineDefinition([data, epochs, accuracy, difference], [train, verify, decide])


def _train(
    training: TrainingConfig, around: Surroundings, data: Parameter, epochs: Parameter
) -> Step:
    artifacts = f"{around.bucket_uri}/headpose/TFartifacts"
    arguments: dict[str, Any] = {
        # The name is a prefix; SageMaker appends the id of the execution.
        "TrainingJobName": f"{around.job_prefix}headpose-train",
        "AlgorithmSpecification": {
            "TrainingImage": around.training_image.uri,
            "TrainingInputMode": "File",
            "MetricDefinitions": [_ACCURACY],
        },
        # Script mode requires each value as JSON.
        "HyperParameters": {
            "sagemaker_program": f'"{ENTRY_POINT}"',
            "sagemaker_submit_directory": f'"{around.code_url}"',
            "variant": f'"{training.variant}"',
            "epochs": epochs.value,
            "batch-size": str(training.batch_size),
        },
        "InputDataConfig": [
            {
                "ChannelName": "training",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": data.value,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {"S3OutputPath": artifacts, "KmsKeyId": around.key_arn},
        "ResourceConfig": {
            "InstanceCount": 1,
            "InstanceType": training.instance_type,
            "VolumeSizeInGB": training.volume_gib,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": training.maximum_run_seconds},
        "RoleArn": around.jobs_role_arn,
    }
    if training.spot:
        arguments["EnableManagedSpotTraining"] = True
        arguments["StoppingCondition"]["MaxWaitTimeInSeconds"] = training.maximum_wait_seconds
        arguments["CheckpointConfig"] = {
            "S3Uri": f"{artifacts}/checkpoints/",
            "LocalPath": _CHECKPOINTS,
        }
    return Step("Train", "Training", arguments)


def _verify(training: TrainingConfig, around: Surroundings, train: Step) -> Step:
    def given(name: str, uri: Any) -> dict[str, Any]:
        return {
            "InputName": name,
            "S3Input": {
                "S3Uri": uri,
                "LocalPath": f"{_INPUT}/{name}",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
            },
        }

    arguments = {
        "ProcessingJobName": f"{around.job_prefix}headpose-verify",
        "AppSpecification": {
            "ImageUri": around.verification_image.uri,
            "ContainerEntrypoint": ["/bin/sh", "-c", _VERIFY],
        },
        "ProcessingInputs": [
            given("code", around.code_url),
            given("model", train.result("ModelArtifacts.S3ModelArtifacts")),
        ],
        "ProcessingOutputConfig": {
            "KmsKeyId": around.key_arn,
            "Outputs": [
                {
                    "OutputName": "verification",
                    "S3Output": {
                        "S3Uri": {
                            "Std:Join": {
                                "On": "/",
                                "Values": [
                                    f"{around.bucket_uri}/headpose/TFartifacts/verification",
                                    get("Execution.PipelineExecutionId"),
                                ],
                            }
                        },
                        "LocalPath": _OUTPUT,
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ],
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": training.verification_instance_type,
                "VolumeSizeInGB": training.volume_gib,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": training.maximum_run_seconds},
        "RoleArn": around.jobs_role_arn,
    }
    report = {
        "PropertyFileName": "Verification",
        "OutputName": "verification",
        "FilePath": "verification.json",
    }
    return Step("FreezeAndVerify", "Processing", arguments, [report])


def _register(training: TrainingConfig, around: Surroundings, train: Step) -> Step:
    return Step(
        "Register",
        "RegisterModel",
        {
            "ModelPackageGroupName": around.model_package_group,
            "ModelApprovalStatus": training.approval,
            "InferenceSpecification": {
                "Containers": [
                    {
                        "Image": around.inference_image.uri,
                        "ModelDataUrl": train.result("ModelArtifacts.S3ModelArtifacts"),
                    }
                ],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
                "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large", "ml.c5.xlarge"],
                "SupportedTransformInstanceTypes": ["ml.m5.large"],
            },
        },
    )


def _fail(values: list[Any]) -> Step:
    """Return a step that fails and reports the measured and the required values."""
    reached, accuracy, differs, difference = values
    words = [
        "The model is not registered: accuracy", reached, "where at least", accuracy,
        "is asked for; the frozen model differs from its source by", differs,
        "where at most", difference, "is allowed.",
    ]  # fmt: skip
    message = {"Std:Join": {"On": " ", "Values": words}}
    return Step("NotGoodEnough", "Fail", {"ErrorMessage": message})
