"""SageMaker hosting: creation, update, invocation, rejection and deletion.

The containers are doubles; tests/local runs TensorFlow.
"""

import io
import json
import os
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from local_aws.process.child_processes import is_alive
from local_aws.services.sagemaker.containers import COMMAND_VARIABLE
from tests.emulator.running_emulator import ACCOUNT, REGION, Command, Emulator, create_role, policy

pytestmark = pytest.mark.emulator

STUB = Path(__file__).with_name("stub_container.py")
REGISTRY = f"763104351884.dkr.ecr.{REGION}.amazonaws.com"
TENSORFLOW = f"{REGISTRY}/tensorflow-inference:2.19.0-cpu"
MXNET = f"{REGISTRY}/mxnet-inference:1.9.0-cpu-py38"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/hosting"
READS = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
MXNET_FILES = ("model-symbol.json", "model-0000.params", "model-shapes.json")


def create_hosting_role(aws: Emulator) -> None:
    create_role(aws, "hosting", READS, service="sagemaker.amazonaws.com")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator whose containers are doubles."""
    command = Command(tmp_path_factory.mktemp("sagemaker") / ".local" / "aws")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(COMMAND_VARIABLE, f"{sys.executable} {STUB}")
        started = command("up")
        assert started.returncode == 0, started.stdout + started.stderr
        started_aws = Emulator(command, command.endpoint())
        create_hosting_role(started_aws)
        yield started_aws
        command("down")


@pytest.fixture(scope="module")
def sagemaker(aws: Emulator) -> Any:
    return aws.client("sagemaker")


@pytest.fixture(scope="module")
def runtime(aws: Emulator) -> Any:
    return aws.client("sagemaker-runtime")


def archive(*names: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as made:
        for name in names:
            made.addfile(tarfile.TarInfo(name))
    return content.getvalue()


class Site:
    """Models, configurations and endpoints with unique names."""

    def __init__(self, api: Any, s3: Any, bucket: str) -> None:
        self.api = api
        self._s3 = s3
        self._bucket = bucket

    def model(
        self, *files: str, image: str = TENSORFLOW, role: str = ROLE, **environment: str
    ) -> str:
        name, key = f"model-{uuid4().hex[:8]}", f"{uuid4().hex}.tar.gz"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=archive(*files))
        self.api.create_model(
            ModelName=name,
            ExecutionRoleArn=role,
            PrimaryContainer={
                "Image": image,
                "ModelDataUrl": f"s3://{self._bucket}/{key}",
                "Environment": environment,
            },
        )
        return name

    def config(self, **models: str) -> str:
        """Create an endpoint configuration with equally weighted variants; return its name.

        Each keyword is the name of a variant, and its value is the name of a model.
        """
        name = f"config-{uuid4().hex[:8]}"
        self.api.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": variant,
                    "ModelName": model,
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": 1,
                }
                for variant, model in models.items()
            ],
        )
        return name

    def endpoint(self, config: str) -> str:
        name = f"Endpoint-{uuid4().hex[:8]}"
        self.api.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return name

    def settled(self, name: str) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = self.api.describe_endpoint(EndpointName=name)
            if found["EndpointStatus"] not in ("Creating", "Updating"):
                return found
            time.sleep(0.05)


@pytest.fixture
def site(aws: Emulator, sagemaker: Any, bucket: str) -> Site:
    return Site(sagemaker, aws.client("s3"), bucket)


def invoke(runtime: Any, name: str, body: dict[str, Any] | bytes, **more: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return runtime.invoke_endpoint(
        EndpointName=name, Body=content, ContentType="application/json", **more
    )


def answer(response: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(response["Body"].read())
    return said


def test_an_endpoint_comes_into_service_answers_and_ends_with_its_process(
    site: Site, runtime: Any, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    name = site.endpoint(site.config(only=site.model(START_WHEN_EXISTS=str(ready))))
    assert site.api.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating"
    ready.touch()
    found = site.settled(name)
    assert (found["EndpointStatus"], found.get("FailureReason")) == ("InService", None)
    response = invoke(runtime, name, {"instances": []}, Accept="text/csv", CustomAttributes="id=7")
    said = answer(response)
    assert response["InvokedProductionVariant"] == "only"
    assert response["CustomAttributes"] == "id=7 seen"
    assert response["ContentType"] == "application/json"
    assert (said["path"], said["accept"]) == ("/invocations", "text/csv")
    assert said["environment"] == [f"START_WHEN_EXISTS={ready}"]

    site.api.delete_endpoint(EndpointName=name)
    assert not is_alive(said["pid"])
    with pytest.raises(ClientError, match="Could not find endpoint"):
        site.api.describe_endpoint(EndpointName=name)
    with pytest.raises(ClientError, match=f"Endpoint {name} of account {ACCOUNT} not found"):
        invoke(runtime, name, {})


def test_a_broken_archive_fails_the_endpoint_with_the_containers_own_reason(site: Site) -> None:
    found = site.settled(site.endpoint(site.config(only=site.model("broken"))))
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"] == "the archive has no SavedModel"


@pytest.mark.parametrize("lacks", ["right", "trust", "role"])
def test_an_endpoints_role_must_be_able_to_read_the_model(
    aws: Emulator, site: Site, unique: str, lacks: str
) -> None:
    service = "lambda.amazonaws.com" if lacks == "trust" else "sagemaker.amazonaws.com"
    role = f"arn:aws:iam::{ACCOUNT}:role/{unique}"
    if lacks != "role":
        create_role(aws, unique, *([] if lacks == "right" else [READS]), service=service)
    found = site.settled(site.endpoint(site.config(only=site.model(role=role))))
    assert found["EndpointStatus"] == "Failed"
    reason = found["FailureReason"]
    assert reason.startswith("Could not access model data at s3://"), reason
    assert f'"{role}"' in reason
    assert '"s3:GetObject"' in reason


def test_a_models_bucket_may_require_tls(aws: Emulator, site: Site, bucket: str) -> None:
    tls_only = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy(tls_only))
    found = site.settled(site.endpoint(site.config(only=site.model())))
    assert found["EndpointStatus"] == "InService", found["FailureReason"]


def test_variants_get_their_shares_and_can_be_asked_for(site: Site, runtime: Any) -> None:
    name = site.endpoint(site.config(blue=site.model(), green=site.model()))
    site.settled(name)
    for variant in ("blue", "green"):
        asked = invoke(runtime, name, {}, TargetVariant=variant)
        assert asked["InvokedProductionVariant"] == variant
    seen = {invoke(runtime, name, {})["InvokedProductionVariant"] for _ in range(60)}
    assert seen == {"blue", "green"}
    site.api.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "blue", "DesiredWeight": 0}],
    )
    seen = {invoke(runtime, name, {})["InvokedProductionVariant"] for _ in range(30)}
    assert seen == {"green"}
    with pytest.raises(ClientError, match="Variant red is not found"):
        invoke(runtime, name, {}, TargetVariant="red")


def test_an_update_replaces_the_fleet_and_a_failed_one_keeps_it(site: Site, runtime: Any) -> None:
    name = site.endpoint(site.config(only=site.model(VERSION="1")))
    site.settled(name)
    first = answer(invoke(runtime, name, {}))
    site.api.update_endpoint(
        EndpointName=name, EndpointConfigName=site.config(only=site.model(VERSION="2"))
    )
    good = site.settled(name)["EndpointConfigName"]
    second = answer(invoke(runtime, name, {}))
    assert second["environment"] == ["VERSION=2"]
    site.api.update_endpoint(
        EndpointName=name, EndpointConfigName=site.config(only=site.model("broken"))
    )
    found = site.settled(name)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", good)
    assert found["FailureReason"] == "the archive has no SavedModel"
    assert answer(invoke(runtime, name, {}))["pid"] == second["pid"]
    assert not is_alive(first["pid"])


def test_a_containers_error_is_a_model_error(site: Site, runtime: Any) -> None:
    name = site.endpoint(site.config(only=site.model()))
    site.settled(name)
    for status, kind in ((400, "client"), (503, "server")):
        with pytest.raises(ClientError) as caught:
            invoke(runtime, name, {"status": status, "say": "no such input"})
        response = caught.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
        assert response["Error"]["Code"] == "ModelError"
        assert response["OriginalStatusCode"] == status
        assert response["OriginalMessage"] == '"no such input"'
        assert f"Received {kind} error ({status}) from primary" in response["Error"]["Message"]


def test_a_container_that_ended_is_replaced(site: Site, runtime: Any) -> None:
    name = site.endpoint(site.config(only=site.model()))
    site.settled(name)
    before = answer(invoke(runtime, name, {}))["pid"]
    with pytest.raises(ClientError, match="ModelError"):
        invoke(runtime, name, {"die": True})
    assert answer(invoke(runtime, name, {}))["pid"] != before


def test_a_request_over_the_quota_is_refused(site: Site, runtime: Any) -> None:
    name = site.endpoint(site.config(only=site.model()))
    site.settled(name)
    largest = 6 * 1024 * 1024
    assert answer(invoke(runtime, name, b" " * largest))["bytes"] == largest
    with pytest.raises(ClientError) as caught:
        invoke(runtime, name, b" " * (largest + 1))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_serverless_endpoint_takes_four_megabytes(site: Site, runtime: Any) -> None:
    config = f"config-{uuid4().hex[:8]}"
    site.api.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[
            {
                "VariantName": "only",
                "ModelName": site.model(),
                "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1},
            }
        ],
    )
    name = site.endpoint(config)
    (variant,) = site.settled(name)["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["MemorySizeInMB"] == 2048
    with pytest.raises(ClientError, match="4194304 bytes, the limit of a serverless"):
        invoke(runtime, name, b" " * (4 * 1024 * 1024 + 1))


def test_an_mxnet_endpoint_is_validated_and_says_that_it_is_not_run_here(
    site: Site, runtime: Any
) -> None:
    name = site.endpoint(site.config(only=site.model(*MXNET_FILES, image=MXNET)))
    assert site.settled(name)["EndpointStatus"] == "InService"
    with pytest.raises(ClientError, match="does not run mxnet containers"):
        invoke(runtime, name, {})
    lacking = site.settled(site.endpoint(site.config(only=site.model("a", image=MXNET))))
    assert lacking["EndpointStatus"] == "Failed"
    assert "lacks model-symbol.json" in lacking["FailureReason"]


def test_an_image_that_is_not_known_is_refused(site: Site) -> None:
    with pytest.raises(ClientError, match="tensorflow-inference or mxnet-inference"):
        site.model(image="123456789012.dkr.ecr.eu-central-1.amazonaws.com/mine:1")


def test_what_alarms_watch_is_measured(aws: Emulator, site: Site, runtime: Any) -> None:
    name = site.endpoint(site.config(only=site.model()))
    site.settled(name)
    invoke(runtime, name, {})
    with pytest.raises(ClientError):
        invoke(runtime, name, {"status": 500})
    now = time.time()
    points = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker", MetricName="Invocation5XXErrors", Period=3600,
        StartTime=now - 3600, EndTime=now + 60, Statistics=["Sum", "SampleCount"],
        Dimensions=[{"Name": "EndpointName", "Value": name},
                    {"Name": "VariantName", "Value": "only"}],
    )["Datapoints"]  # fmt: skip
    assert sum(point["Sum"] for point in points) == 1
    assert sum(point["SampleCount"] for point in points) == 2


def template(model: dict[str, Any]) -> str:
    """Return the template of a model, its configuration and its endpoint, as CDK writes it."""
    return json.dumps(
        {
            "Resources": {
                "Model": {"Type": "AWS::SageMaker::Model", "Properties": model},
                "Config": {
                    "Type": "AWS::SageMaker::EndpointConfig",
                    "Properties": {
                        "ProductionVariants": [
                            {
                                "VariantName": "only",
                                "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
                                "InstanceType": "ml.m5.large",
                                "InitialInstanceCount": 1,
                                "InitialVariantWeight": 1,
                            }
                        ]
                    },
                },
                "Endpoint": {
                    "Type": "AWS::SageMaker::Endpoint",
                    "Properties": {
                        "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
                    },
                },
            },
            "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Endpoint", "EndpointName"]}}},
        }
    )


def finished(cloudformation: Any, stack: str) -> dict[str, Any]:
    while True:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            return dict(found)
        time.sleep(0.1)


def test_cloudformation_creates_updates_rolls_back_and_deletes_an_endpoint(
    aws: Emulator, bucket: str, sagemaker: Any, runtime: Any, unique: str
) -> None:
    s3, cloudformation, api = aws.client("s3"), aws.client("cloudformation"), sagemaker
    for key, names in (("good.tar.gz", ["a"]), ("bad.tar.gz", ["broken"])):
        s3.put_object(Bucket=bucket, Key=key, Body=archive(*names))

    def model(key: str, **environment: str) -> dict[str, Any]:
        container = {"Image": TENSORFLOW, "ModelDataUrl": f"s3://{bucket}/{key}",
                     "Environment": environment}  # fmt: skip
        return {"ExecutionRoleArn": ROLE, "PrimaryContainer": container}

    stack = f"hosting-{unique}"
    before = len(api.list_models()["Models"])
    cloudformation.create_stack(StackName=stack, TemplateBody=template(model("good.tar.gz")))
    made = finished(cloudformation, stack)
    assert made["StackStatus"] == "CREATE_COMPLETE"
    name = made["Outputs"][0]["OutputValue"]
    pid = answer(invoke(runtime, name, {}))["pid"]

    changed = template(model("good.tar.gz", VERSION="2"))
    cloudformation.update_stack(StackName=stack, TemplateBody=changed)
    assert finished(cloudformation, stack)["StackStatus"] == "UPDATE_COMPLETE"
    assert answer(invoke(runtime, name, {}))["environment"] == ["VERSION=2"]
    assert len(api.list_models()["Models"]) == before + 1

    cloudformation.update_stack(StackName=stack, TemplateBody=template(model("bad.tar.gz")))
    assert finished(cloudformation, stack)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    assert any("no SavedModel" in event.get("ResourceStatusReason", "") for event in events)
    last = answer(invoke(runtime, name, {}))
    assert last["environment"] == ["VERSION=2"]

    cloudformation.delete_stack(StackName=stack)
    while is_alive(last["pid"]):
        time.sleep(0.05)
    assert not is_alive(pid)
    while any(model["ModelName"] for model in api.list_models()["Models"][before:]):
        time.sleep(0.05)


def test_scaling_is_kept_shown_and_deleted_with_its_stack(aws: Emulator, unique: str) -> None:
    cloudformation, scaling = aws.client("cloudformation"), aws.client("application-autoscaling")
    resource = f"endpoint/{unique}/variant/only"
    resources = {
        "Target": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {
                "ServiceNamespace": "sagemaker",
                "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
                "ResourceId": resource,
                "MinCapacity": 1,
                "MaxCapacity": 3,
            },
        },
        "Policy": {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {
                "PolicyName": unique,
                "PolicyType": "TargetTrackingScaling",
                "ScalingTargetId": {"Ref": "Target"},
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 600,
                    "PredefinedMetricSpecification": {
                        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                    },
                },
            },
        },
    }
    stack = f"scaling-{unique}"
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": resources}))
    assert finished(cloudformation, stack)["StackStatus"] == "CREATE_COMPLETE"
    named = {"ServiceNamespace": "sagemaker"}
    (target,) = scaling.describe_scalable_targets(**named)["ScalableTargets"]
    assert (target["ResourceId"], target["MaxCapacity"]) == (resource, 3)
    (policy,) = scaling.describe_scaling_policies(**named)["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 600
    cloudformation.delete_stack(StackName=stack)
    while scaling.describe_scalable_targets(**named)["ScalableTargets"]:
        time.sleep(0.05)
    assert scaling.describe_scaling_policies(**named)["ScalingPolicies"] == []


def test_endpoints_outlive_a_restart_and_their_processes_do_not(tmp_path: Path) -> None:
    command = Command(tmp_path / ".local" / "aws")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(COMMAND_VARIABLE, f"{sys.executable} {STUB}")
        assert command("up").returncode == 0
        try:
            aws = Emulator(command, command.endpoint())
            create_hosting_role(aws)
            s3 = aws.client("s3")
            s3.create_bucket(
                Bucket="models", CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            site = Site(aws.client("sagemaker"), s3, "models")
            name = site.endpoint(site.config(only=site.model()))
            site.settled(name)
            before = answer(invoke(aws.client("sagemaker-runtime"), name, {}))["pid"]
            command("down")
            assert not is_alive(before)
            assert command("up").returncode == 0
            aws = Emulator(command, command.endpoint())
            after = answer(invoke(aws.client("sagemaker-runtime"), name, {}))["pid"]
            assert after != before
        finally:
            command("down")
        assert not is_alive(after)


def test_an_invocation_ends_at_the_time_limit(tmp_path: Path) -> None:
    """An invocation ends at the time limit.

    SageMaker's limit is one minute; this test sets a shorter limit.
    """
    import asyncio  # noqa: PLC0415 - only this test needs the module

    from local_aws.account_region import Scope  # noqa: PLC0415 - only this test needs the class
    from local_aws.service_protocol import Request  # noqa: PLC0415 - only this test needs the class
    from local_aws.services.sagemaker.containers import Container  # noqa: PLC0415 - only this test needs the class
    from local_aws.services.sagemaker.runtime import Runtime  # noqa: PLC0415 - only this test needs the class
    from local_aws.services.sagemaker.store import Store  # noqa: PLC0415 - only this test needs the class

    scope, store = Scope(ACCOUNT, REGION), Store()
    variant = {"VariantName": "only", "CurrentWeight": 1.0}
    record = {"EndpointName": "slow", "EndpointStatus": "InService",
              "ProductionVariants": [variant]}  # fmt: skip
    store.add(scope, "endpoint", "slow", record)
    (tmp_path / "m.tar.gz").write_bytes(archive("a"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(COMMAND_VARIABLE, f"{sys.executable} {STUB}")
        container = Container(tmp_path / "m.tar.gz", {}, tmp_path / "log")
    try:
        runtime = Runtime(store, _VariantServer(container), _NoCloud(), invocation_seconds=0.3)
        request = Request(
            "POST", "/endpoints/slow/invocations", body=json.dumps({"sleep_seconds": 30}).encode()
        )
        response = asyncio.run(runtime.respond(scope, request, lambda _check: None))
    finally:
        container.stop()
    said = json.loads(response.body)
    assert (response.status, said["OriginalStatusCode"]) == (424, 0)
    assert "Your invocation timed out" in said["OriginalMessage"]


class _VariantServer:
    """A double of the endpoints with one container."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def variant_server(self, *_arguments: Any) -> "_VariantServer":
        return self

    def container(self) -> Any:
        return self._container


class _NoCloud:
    def put_metric(self, *_arguments: Any) -> None:
        """Ignore the metric."""


def test_the_default_command_is_the_projects_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from local_aws.services.sagemaker.containers import serve_command  # noqa: PLC0415 - only this test needs the function

    monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    command = serve_command()
    assert command[1:] == ("-m", "model_tools", "serve-container")
    assert os.access(command[0], os.X_OK)
