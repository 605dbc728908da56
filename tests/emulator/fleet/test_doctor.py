"""`deeplens fleet doctor` reports each fault on one line, and changes nothing."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testkit.waiting import eventually
from tests.emulator.fleet.forked_deeplens import Cli, make_cli
from tests.emulator.fleet.proxy import Answer, Request, proxy
from tests.emulator.running_emulator import ACCOUNT, REGION, ROOT, Emulator

pytestmark = pytest.mark.emulator

BLOCKED = 4
SUFFIX = f"{ACCOUNT}-{REGION}"


@pytest.fixture
def cli(aws: Emulator, tmp_path: Path) -> Cli:
    made = make_cli(aws, tmp_path)
    shutil.copytree(ROOT / "models", tmp_path / "models")
    return made


def environment_of(cli: Cli, unique: str) -> str:
    """Write the file of an environment with a unique name; return the name."""
    name = f"d{unique[:8]}"
    text = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
    text = text.replace("deeplens-dev", f"deeplens-{name}")
    (cli.folder / f"environments/{name}.toml").write_text(text, encoding="utf-8")
    return name


def examined(cli: Cli, *words: str, code: int = 0) -> dict[str, dict[str, str]]:
    document = json.loads(cli("doctor", *words, "--json", code=code))
    return {finding["check"]: finding for finding in document["findings"]}


def test_an_account_that_was_never_bootstrapped_is_blocked_by_one_command(
    aws: Emulator, cli: Cli, unique: str
) -> None:
    name = environment_of(cli, unique)
    file = cli.folder / f"environments/{name}.toml"
    file.write_text(file.read_text().replace(ACCOUNT, "444444444444"))
    cli.environment |= {
        "AWS_ACCESS_KEY_ID": "444444444444",
        "AWS_SECRET_ACCESS_KEY": aws.secret("444444444444"),
    }
    findings = examined(cli, name, code=BLOCKED)
    assert findings["bootstrap"]["outcome"] == "blocked"
    assert findings["bootstrap"]["repair"] == f"cdk bootstrap aws://444444444444/{REGION}"
    assert findings["CloudFormation role"]["outcome"] == "blocked"
    assert findings["stacks"]["text"] == f"no stack of {name} exists yet"
    assert findings["names"]["outcome"] == "ok"
    assert findings["public components"]["outcome"] == "ok"


def test_an_old_bootstrap_is_blocked(aws: Emulator, cli: Cli, unique: str) -> None:
    parameter = "/cdk-bootstrap/deeplens/version"
    client = aws.client("ssm")
    for version, outcome in (("5", "blocked"), ("6", "ok")):
        client.put_parameter(Name=parameter, Value=version, Type="String", Overwrite=True)
        findings = examined(cli, environment_of(cli, unique), code=BLOCKED)
        assert findings["bootstrap"]["outcome"] == outcome
    client.delete_parameter(Name=parameter)


def test_names_that_something_else_uses_are_blocked(
    aws: Emulator, cli: Cli, iot: Any, unique: str
) -> None:
    name = environment_of(cli, unique)
    iot.create_thing_group(thingGroupName=f"deeplens-{name}")
    aws.client("s3").create_bucket(
        Bucket=f"deeplens-{name}-{SUFFIX}",
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    findings = examined(cli, name, code=BLOCKED)
    assert findings["name of the thing group"]["repair"] == (
        f"aws iot delete-thing-group --thing-group-name deeplens-{name}"
    )
    assert findings["name of the bucket"]["repair"] == (
        f"cdk deploy '{name}/ModelStore' --import-existing-resources"
    )


def test_a_stack_whose_creation_failed_is_reported_with_its_status(
    aws: Emulator, cli: Cli, unique: str
) -> None:
    name = environment_of(cli, unique)
    client = aws.client("cloudformation")
    # A group with this name exists, so the creation fails and is rolled back.
    template = {
        "Resources": {
            "Rule": {
                "Type": "AWS::IoT::ThingGroup",
                "Properties": {"ThingGroupName": "deeplens-taken"},
            }
        }
    }
    aws.client("iot").create_thing_group(thingGroupName="deeplens-taken")
    client.create_stack(StackName=f"{name}-Devices", TemplateBody=json.dumps(template))

    def status() -> str:
        [stack] = client.describe_stacks(StackName=f"{name}-Devices")["Stacks"]
        return str(stack["StackStatus"])

    eventually(lambda: status() == "ROLLBACK_COMPLETE")
    findings = examined(cli, name, code=BLOCKED)
    assert status() in findings[f"stack {name}-Devices"]["text"]
    assert findings[f"stack {name}-Devices"]["outcome"] == "warning"


def test_an_absent_artifact_blocks_and_names_the_command(cli: Cli, unique: str) -> None:
    name = environment_of(cli, unique)
    shutil.rmtree(cli.folder / "models/shapes")
    findings = examined(cli, name, code=BLOCKED)
    assert findings["release"]["outcome"] == "blocked"
    assert "deeplens model train shapes" in findings["release"]["text"]


def test_the_wrong_account_blocks(aws: Emulator, cli: Cli) -> None:
    cli.environment |= {
        "AWS_ACCESS_KEY_ID": "222222222222",
        "AWS_SECRET_ACCESS_KEY": aws.secret("222222222222"),
    }
    findings = examined(cli, "dev", code=BLOCKED)
    assert "the credentials are of account 222222222222" in findings["identity"]["text"]


@pytest.mark.usefixtures("devices_stack")
class TestDevice:
    def test_a_device_that_was_provisioned_can_connect(self, cli: Cli, unique: str) -> None:
        cli("provision", "dev", unique)
        findings = examined(cli, "dev", "--device", unique, code=BLOCKED)
        [certificate] = [
            finding for check, finding in findings.items() if check.startswith("certificate")
        ]
        assert certificate["outcome"] == "ok"
        assert findings["thing"]["outcome"] == findings["role alias"]["outcome"] == "ok"
        assert findings["attachment"]["outcome"] == "ok"
        assert "never connected" in findings["core device"]["text"]
        assert "has never sent one" in findings["heartbeat"]["text"]

    def test_a_device_that_does_not_exist_is_provisioned(self, cli: Cli, unique: str) -> None:
        findings = examined(cli, "dev", "--device", unique, code=BLOCKED)
        assert findings["thing"]["repair"] == f"deeplens fleet provision dev {unique}"
        assert findings["certificate"]["outcome"] == "blocked"

    def test_each_fault_of_an_identity_is_named(self, cli: Cli, iot: Any, unique: str) -> None:
        made = json.loads(cli("provision", "dev", unique, "--json"))
        certificate = made["certificate_id"]
        check = f"certificate {certificate[:12]}…"

        def doctor_findings() -> dict[str, dict[str, str]]:
            return examined(cli, "dev", "--device", unique, code=BLOCKED)

        iot.remove_thing_from_thing_group(thingGroupName="deeplens-dev", thingName=unique)
        assert "is not a member of deeplens-dev" in doctor_findings()["thing"]["text"]

        arn = iot.describe_certificate(certificateId=certificate)["certificateDescription"][
            "certificateArn"
        ]
        [policy] = iot.list_attached_policies(target=arn)["policies"]
        iot.detach_policy(policyName=policy["policyName"], target=arn)
        assert doctor_findings()[check]["outcome"] == "blocked"
        assert policy["policyName"] in doctor_findings()[check]["text"]

        iot.update_certificate(certificateId=certificate, newStatus="INACTIVE")
        assert doctor_findings()[check]["text"] == "is INACTIVE: expected ACTIVE"

        # The command in the findings creates another certificate.
        cli("provision", "dev", unique)
        findings = doctor_findings()
        assert findings["thing"]["outcome"] == "ok"
        assert {
            finding["outcome"] for name, finding in findings.items() if "certificate" in name
        } == {
            "ok",
            "warning",
        }

    def test_nothing_is_changed(self, aws: Emulator, cli: Cli, unique: str) -> None:
        cli("provision", "dev", unique)
        sent: list[Request] = []

        def keep(request: Request, pass_on: Callable[[], Answer]) -> Answer:
            sent.append(request)
            return pass_on()

        with proxy(aws, keep) as url:
            cli.environment["AWS_ENDPOINT_URL"] = url
            cli("doctor", "dev", "--device", unique, code=BLOCKED)
        assert len(sent) > 20
        for request in sent:
            if request.method == "POST":
                target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
                words = re.search(rb"Action=([A-Za-z]+)", request.body)
                operation = target or (words.group(1).decode() if words else request.path)
                # IoT's ListAttachedPolicies is the only read operation that is a POST to a path.
                reads = r"Get|List|Describe|Simulate|AssumeRole$|/attached-policies/"
                assert re.match(reads, operation), operation
            else:
                assert request.method in {"GET", "HEAD"}, request.path
