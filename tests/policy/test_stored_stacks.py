"""CloudFormation's role deploys the stacks of training and of the pipeline to the emulator.

The emulator stores their pipelines, model package groups and notebooks, and runs none of them.
tests/local deploys the other stacks.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import Stack
from deeplens.local.policies import create_policies
from testkit.account_keys import client
from testkit.waiting import eventually
from tests.policy.conftest import Site
from tests.policy.policy_files import ENVIRONMENT_ACCOUNT, PIPELINE_ACCOUNT
from tests.synth.synthesis import ROOT

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

REGION = "eu-central-1"
EMULATOR = [ROOT / ".venv-local-aws/bin/python", "-m", "local_aws", "--state"]
TRUSTED = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudformation.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
# A queue that CloudFormation's roles may not create, because of the queue's name.
FOREIGN = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "billing"}}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The path of `endpoint.json` of an emulator."""
    state = tmp_path_factory.mktemp("stored") / ".local" / "aws"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*EMULATOR, state, "up"], cwd=ROOT, env=environment, check=True)
    yield state / "endpoint.json"
    subprocess.run([*EMULATOR, state, "down"], cwd=ROOT, env=environment, check=True)


@dataclass(frozen=True)
class Deployed:
    """A stack's template, and the account in which CloudFormation's role deploys it."""

    endpoint: Path
    stack: Stack
    role: str

    def client(self, service: str) -> Any:
        return client(service, self.endpoint, self.stack.account, REGION)

    def apply(self, operation: str, template: dict[str, Any]) -> str:
        """Create or update the stack from a template in a bucket; return the final status."""
        body = json.dumps(template, separators=(",", ":"))
        self.client("s3").put_object(Bucket=self._bucket, Key="template.json", Body=body)
        getattr(self.client("cloudformation"), f"{operation}_stack")(
            StackName=self.stack.name,
            TemplateURL=f"https://s3.{REGION}.amazonaws.com/{self._bucket}/template.json",
            Capabilities=["CAPABILITY_NAMED_IAM"],
            RoleARN=self.role,
        )
        return self.ended(self.stack.name)

    def delete(self) -> str:
        cloudformation = self.client("cloudformation")
        stack = cloudformation.describe_stacks(StackName=self.stack.name)["Stacks"][0]
        cloudformation.delete_stack(StackName=self.stack.name)
        return self.ended(stack["StackId"])

    def ended(self, name: str) -> str:
        def status() -> str:
            stack = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
            text = str(stack["StackStatus"])
            return "" if text.endswith("_IN_PROGRESS") else text

        return str(eventually(status))

    def problems(self) -> list[str]:
        events = self.client("cloudformation").describe_stack_events(StackName=self.stack.name)
        return [
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
            for event in events["StackEvents"]
            if event.get("ResourceStatusReason")
        ]

    def prepare(self) -> None:
        """Create the bucket for templates, the bootstrap version, and the imported exports."""
        version = self.stack.template["Parameters"]["BootstrapVersion"]["Default"]
        self.client("ssm").put_parameter(Name=version, Value="30", Type="String")
        self.client("s3").create_bucket(
            Bucket=self._bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        text = json.dumps(self.stack.template)
        names = sorted({part.split('"')[0] for part in text.split('"Fn::ImportValue": "')[1:]})
        if not names:
            return
        exports = {
            f"Output{number}": {"Value": self._imported(name), "Export": {"Name": name}}
            for number, name in enumerate(names)
        }
        queue = {"Type": "AWS::SQS::Queue"}
        template = {"Resources": {"Queue": queue}, "Outputs": exports}
        self.client("cloudformation").create_stack(
            StackName="Exports", TemplateBody=json.dumps(template)
        )
        assert self.ended("Exports") == "CREATE_COMPLETE"

    def _imported(self, name: str) -> str:
        account = self.stack.account
        if "Key" in name:
            return f"arn:aws:kms:{REGION}:{account}:key/00000000-0000-0000-0000-000000000000"
        return "arn:aws:s3:::deeplens-full" if name.endswith("Arn") else "deeplens-full"

    @property
    def _bucket(self) -> str:
        return f"templates-{self.stack.account}"


def deployed(endpoint: Path, stack: Stack, policies: Path) -> Deployed:
    """Create CloudFormation's role with only the policies of a file; return the prepared stack."""
    account = stack.account
    attached = create_policies(client("cloudformation", endpoint, account, REGION), policies)
    iam = client("iam", endpoint, account, REGION)
    name = f"cdk-deeplens-cfn-exec-role-{account}-{REGION}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUSTED))
    for arn in attached:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    made = Deployed(endpoint, stack, f"arn:aws:iam::{account}:role/{name}")
    made.prepare()
    return made


def lives(site: Deployed, changed: dict[str, Any]) -> None:
    """Create the stack, fail an update, and update it; check the status after each step."""
    template = site.stack.template
    assert site.apply("create", template) == "CREATE_COMPLETE", site.problems()
    failing = {**changed, "Resources": {**changed["Resources"], "Foreign": FOREIGN}}
    status = site.apply("update", failing)
    assert status == "UPDATE_ROLLBACK_COMPLETE", site.problems()
    assert any(
        "Foreign: " in problem and "sqs:CreateQueue" in problem for problem in site.problems()
    )
    assert site.apply("update", changed) == "UPDATE_COMPLETE", site.problems()


def with_property(template: dict[str, Any], type_: str, name: str, value: Any) -> dict[str, Any]:
    """Return a copy of a template with a changed property of a type's only resource."""
    changed: dict[str, Any] = json.loads(json.dumps(template))
    (resource,) = (
        candidate for candidate in changed["Resources"].values() if candidate["Type"] == type_
    )
    resource["Properties"][name] = value
    return changed


def test_training_is_deployed_updated_and_destroyed(endpoint: Path, site: Site) -> None:
    (stack,) = (stack for stack in site.stacks["full"] if stack.name == "full-Training")
    training = deployed(endpoint, stack, ENVIRONMENT_ACCOUNT)
    name, type_ = "deeplens-full-headpose", "AWS::SageMaker::Pipeline"
    lives(training, with_property(stack.template, type_, "PipelineDescription", "Changed"))
    sagemaker = training.client("sagemaker")
    pipeline = sagemaker.describe_pipeline(PipelineName=name)
    assert pipeline["PipelineDescription"] == "Changed"
    steps = [step["Name"] for step in json.loads(pipeline["PipelineDefinition"])["Steps"]]
    assert "Train" in steps
    groups = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    assert [group["ModelPackageGroupName"] for group in groups] == [name]
    (notebook,) = sagemaker.list_notebook_instances()["NotebookInstances"]
    assert notebook["NotebookInstanceStatus"] == "Stopped"
    assert training.delete() == "DELETE_COMPLETE"
    assert sagemaker.list_pipelines()["PipelineSummaries"] == []
    assert sagemaker.list_notebook_instances()["NotebookInstances"] == []


def test_the_pipeline_is_deployed_updated_and_destroyed(endpoint: Path, site: Site) -> None:
    (stack,) = (stack for stack in site.stacks[""] if stack.name == "Delivery")
    delivery = deployed(endpoint, stack, PIPELINE_ACCOUNT)
    type_ = "AWS::CodePipeline::Pipeline"
    lives(delivery, with_property(stack.template, type_, "ExecutionMode", "QUEUED"))
    code_pipeline = delivery.client("codepipeline")
    (listed,) = code_pipeline.list_pipelines()["pipelines"]
    assert listed["executionMode"] == "QUEUED"
    pipeline = code_pipeline.get_pipeline(name=listed["name"])["pipeline"]
    assert [stage["name"] for stage in pipeline["stages"]][-1] == "production"
    assert delivery.delete() == "DELETE_COMPLETE"
    assert code_pipeline.list_pipelines()["pipelines"] == []
