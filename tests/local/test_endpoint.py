"""A classifier of irises on an endpoint: `cdk deploy`, invoke, compare, `cdk destroy`.

The model has four features and three classes, as in the DeepLens guide. TensorFlow writes the
model, the emulator runs the model in a container process, and this process computes the expected
values.
"""

import json
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError

from deeplens.config import load_environment
from deeplens.local.policies import create_policies
from testkit.account_keys import secret
from testkit.checkout import ROOT, Checkout
from testkit.waiting import eventually
from tests.local.grants import RoleGrants

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.walk,
    pytest.mark.timeout(900),
]

ACCOUNT, REGION, NAME = "555555555555", "eu-central-1", "deeplens-iris"
SITE = """
account = "{account}"
region = "{region}"
permissions_boundary = "DeepLensBoundary"

[model]
name = "shapes"
digest = "{digest}"

[model_store]

[fleet]

[hosting]
enabled = true

[hosting.scaling]
maximum_instances = 2
invocations_per_minute = 60

[[hosting.variants]]
name = "AllTraffic"
model_data = "{archive}"
framework = "tensorflow"
framework_version = "2.19"
"""
FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [7.7, 3.0, 6.1, 2.3]]


@dataclass
class Site:
    """The environment `iris`, the `cdk` command for the environment, and clients of its account."""

    root: Path
    folder: Path
    url: str
    secret: str

    def cdk(self, *arguments: str) -> str:
        result = subprocess.run(
            [ROOT / ".venv/bin/node", ROOT / "node_modules/aws-cdk/bin/cdk", *arguments,
             "-c", f"environments={self.folder}"],
            cwd=self.root,
            env={
                **os.environ,
                "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
                "AWS_ENDPOINT_URL": self.url,
                "AWS_ACCESS_KEY_ID": ACCOUNT,
                "AWS_SECRET_ACCESS_KEY": self.secret,
                "AWS_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true",
                "CDK_HOME": str(self.root / ".local/cdk"),
                "CDK_DISABLE_CLI_TELEMETRY": "true",
                "CDK_VALIDATION": "false",
            },
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        output = result.stdout + result.stderr
        assert result.returncode == 0, output
        return output

    def client(self, service: str) -> Any:
        connect: Any = boto3.client  # boto3's stub requires a literal name
        return connect(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key=self.secret,
        )


def write_iris(folder: Path) -> Path:
    """Write `model.tar.gz` with `export/Servo/1`, as the DeepLens guide exports it."""
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

    class Iris(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            chance = np.random.default_rng(7)
            self.weights = tf.Variable(chance.normal(size=(4, 3)), dtype=tf.float32)
            self.bias = tf.Variable(chance.normal(size=3), dtype=tf.float32)

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
        def classify(self, x: Any) -> dict[str, Any]:
            return {"probabilities": tf.nn.softmax(x @ self.weights + self.bias)}

    model = Iris()
    export = folder / "export/Servo/1"
    tf.saved_model.save(model, str(export), signatures={"serving_default": model.classify})
    archive = folder / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(folder / "export", "export")
    return archive


def predicted(folder: Path, flowers: list[list[float]]) -> np.ndarray:
    """Return TensorFlow's scores as an array of shape (flowers, classes)."""
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

    signature = tf.saved_model.load(str(folder / "export/Servo/1")).signatures["serving_default"]
    found: np.ndarray = signature(x=tf.constant(flowers, tf.float32))["probabilities"].numpy()
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iris")
    write_iris(folder)
    return folder


@pytest.fixture(scope="module")
def site(checkout: Checkout, model: Path) -> Site:
    file = checkout.root / ".local/aws/endpoint.json"
    url = json.loads(file.read_text(encoding="utf-8"))["endpoint_url"]
    made = Site(checkout.root, checkout.root / "iris-site", url, secret(file, ACCOUNT))
    made.folder.mkdir()
    digest = load_environment(ROOT / "environments/dev.toml").model.digest
    text = SITE.format(
        account=ACCOUNT, region=REGION, digest=digest, archive=model / "model.tar.gz"
    )
    (made.folder / "iris.toml").write_text(text, encoding="utf-8")
    policies = ",".join(create_policies(made.client("cloudformation")))
    made.cdk(
        "bootstrap",
        f"aws://{ACCOUNT}/{REGION}",
        "--cloudformation-execution-policies",
        policies,
    )
    made.cdk("deploy", "iris/Hosting", "--require-approval=never", "--progress=events")
    return made


def test_the_deployed_endpoint_says_what_tensorflow_says_and_destroy_leaves_nothing(
    site: Site, model: Path
) -> None:
    sagemaker, runtime = site.client("sagemaker"), site.client("sagemaker-runtime")
    described = sagemaker.describe_endpoint(EndpointName=NAME)
    assert described["EndpointStatus"] == "InService"
    response = runtime.invoke_endpoint(
        EndpointName=NAME, ContentType="application/json", Body=json.dumps({"instances": FLOWERS})
    )
    assert response["InvokedProductionVariant"] == "AllTraffic"
    answered = np.array(json.loads(response["Body"].read())["predictions"])
    expected = predicted(model, FLOWERS)
    assert np.abs(answered - expected).max() < 1e-6
    assert expected.shape == (3, 3)
    assert np.ptp(expected) > 0.1

    with pytest.raises(ClientError) as caught:
        runtime.invoke_endpoint(
            EndpointName=NAME, ContentType="application/json", Body=b'{"instances": [[1, 2]]}'
        )
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == 400

    with RoleGrants(site.client("iam"), "iris-Hosting-Role").without("ReadModels"):
        reason = _failure_of_second_endpoint(sagemaker, described["EndpointConfigName"])
    assert f'role "arn:aws:iam::{ACCOUNT}:role/iris-Hosting-Role' in reason
    assert 'has "s3:GetObject" permissions' in reason
    assert "s3://cdk-deeplens-assets-" in reason

    processes = _containers(site)
    assert processes
    site.cdk("destroy", "iris/Hosting", "--force")
    for operation, key in (
        ("list_models", "Models"),
        ("list_endpoint_configs", "EndpointConfigs"),
        ("list_endpoints", "Endpoints"),
    ):
        assert getattr(sagemaker, operation)()[key] == [], operation
    scaling = site.client("application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")
    assert targets["ScalableTargets"] == []
    logs = site.client("logs").describe_log_groups(logGroupNamePrefix="/aws/sagemaker/")
    assert logs["logGroups"] == []
    alarms = site.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert not [one for one in alarms if one["Namespace"] == "AWS/SageMaker"]
    eventually(lambda: not _containers(site))


def _failure_of_second_endpoint(sagemaker: Any, config: str) -> str:
    """Create a second endpoint that fails, delete the endpoint, and return the failure's reason."""
    name = f"{NAME}-second"
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)

    def reason() -> str:
        found = sagemaker.describe_endpoint(EndpointName=name)
        return str(found.get("FailureReason", "")) if found["EndpointStatus"] == "Failed" else ""

    found = eventually(reason, "the endpoint does not fail")
    sagemaker.delete_endpoint(EndpointName=name)
    return found


def _containers(site: Site) -> list[str]:
    """Return the command lines of container processes that this emulator runs."""
    lines = [
        file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        for file in Path("/proc").glob("[0-9]*/cmdline")
        if file.exists()
    ]
    return [line for line in lines if "serve-container" in line and str(site.root) in line]
