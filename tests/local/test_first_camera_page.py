"""docs/first-camera.md: its commands lead from an empty account to a detection, and back.

Each command runs with the policy of its section's person, so the emulator denies every other call.
A virtual core device replaces the camera.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from deeplens.config import load_environment
from testkit.account_keys import secret
from testkit.checkout import ROOT, Checkout, fresh_checkout
from testkit.waiting import eventually

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.walk,
    pytest.mark.timeout(1800),
]

PAGE = (ROOT / "docs/first-camera.md").read_text(encoding="utf-8")
ACCOUNT, REGION = "555555555555", "eu-central-1"
# The policies of each profile on the page, as names of files in policies/people.
PEOPLE = {
    "lab-bootstrap": ["bootstrap"],
    "lab-deploy": ["deploy"],
    "lab-fleet": ["fleet"],
    "lab-teardown": ["fleet", "teardown"],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def arn_of(profile: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{profile}"


# A shell function that runs make without set-up, because this test's Python environment replaces
# the environment that the targets would create.
MAKE = 'make() { command make --assume-old=setup --assume-old=.venv/.development "$@"; }\n'


class Lab:
    """A checkout, with a shell for each person."""

    def __init__(self, checkout: Checkout) -> None:
        self.root = checkout.root
        shutil.copytree(ROOT / "requirements", self.root / "requirements")
        for name in ("Makefile", "pyproject.toml", "package.json", "package-lock.json"):
            shutil.copy2(ROOT / name, self.root / name)
        file = self.root / ".local/aws/endpoint.json"
        endpoint = json.loads(file.read_text(encoding="utf-8"))
        self.url = str(endpoint["endpoint_url"])
        self.profiles = {"admin": {"id": ACCOUNT, "key": secret(file, ACCOUNT), "token": ""}}
        self.write_profiles()

    def client(self, service: str) -> Any:
        connect: Any = boto3.client
        admin = self.profiles["admin"]
        return connect(
            service, endpoint_url=self.url, region_name=REGION,
            aws_access_key_id=admin["id"], aws_secret_access_key=admin["key"],
        )  # fmt: skip

    def write_profiles(self) -> None:
        lines = []
        for name, values in self.profiles.items():
            lines += [f"[{name}]", f"aws_access_key_id = {values['id']}"]
            lines += [f"aws_secret_access_key = {values['key']}"]
            lines += [f"aws_session_token = {values['token']}"] if values["token"] else []
        (self.root / "credentials").write_text("\n".join(lines) + "\n", encoding="utf-8")
        config = "".join(f"[profile {name}]\nregion = {REGION}\n" for name in self.profiles)
        (self.root / "config").write_text(config, encoding="utf-8")

    def add_people(self) -> None:
        """Create a role and a profile for each person, with the person's policies."""
        iam, sts = self.client("iam"), self.client("sts")
        for profile, files in PEOPLE.items():
            arn = iam.create_role(
                RoleName=profile, AssumeRolePolicyDocument=json.dumps(TRUST)
            )["Role"]["Arn"]  # fmt: skip
            for file in files:
                policy = f"arn:aws:iam::{ACCOUNT}:policy/Cameras-{file}"
                iam.attach_role_policy(RoleName=profile, PolicyArn=policy)
            session = sts.assume_role(RoleArn=arn, RoleSessionName=profile)["Credentials"]
            self.profiles[profile] = {
                "id": session["AccessKeyId"],
                "key": session["SecretAccessKey"],
                "token": session["SessionToken"],
            }
        self.write_profiles()

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CONFIG_FILE": str(self.root / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.root / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PROFILE": "admin",
            "AWS_PAGER": "",
            "CDK_HOME": str(self.root / ".local/cdk"),
        }

    def run(self, block: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", MAKE + block],
            cwd=self.root, env=self.environment, input="lab\n", capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def camera(self) -> Iterator[None]:
        """Run a virtual core device with the page's device name during the `with` block."""
        process = subprocess.Popen(
            [
                ROOT / ".venv/bin/python",
                "-m",
                "deeplens",
                "local",
                "camera",
                "lab",
                "--name",
                "cam-1",
            ],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root)},
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 130

    def has_detected(self) -> bool:
        answer = self.client("iot-data")
        with contextlib.suppress(answer.exceptions.ResourceNotFoundException):
            shadow = answer.get_thing_shadow(thingName="cam-1", shadowName="deeplens")
            reported = json.loads(shadow["payload"].read())["state"]["reported"]
            return int(reported.get("detections") or 0) > 0
        return False


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that contains the emulator's authorization decisions."""
    file = tmp_path / "decisions.jsonl"
    monkeypatch.setenv("LOCAL_AWS_TRACE_AUTHORIZATION", str(file))
    return file


@pytest.fixture
def lab(tmp_path: Path, trace: Path) -> Iterator[Lab]:
    del trace  # The emulator reads this variable at its start.
    if shutil.which("aws") is None:
        pytest.skip("the AWS CLI is not installed; `pip install awscli` installs it")
    with fresh_checkout(tmp_path) as checkout:
        yield Lab(checkout)


def test_the_page_leads_to_a_detection_and_back_to_nothing(lab: Lab, trace: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    printed = {}
    for block in blocks:
        printed[block] = lab.run(block)
        if "deeplens env new" in block:
            use_the_pages_settings(lab)
        if "iam create-policy" in block:
            lab.add_people()
        if "prepare-device" in block:
            camera = lab.camera()
            stack = contextlib.ExitStack()
            stack.enter_context(camera)
            eventually(lab.has_detected, "no detection", seconds=600)
        if "deeplens env plan --synthesize" in block:
            stack.close()
    text = "\n".join(printed.values())
    assert "the fleet has no device yet" in text
    assert "cam-1 is a member of deeplens-lab" in text
    assert "IAM allows" in text
    assert "deleted the stack lab-ModelStore" in text
    assert "100" in printed["deeplens env plan lab --synthesize\n"]
    stacks = lab.client("cloudformation").describe_stacks()["Stacks"]
    assert {one["StackName"] for one in stacks} == {"DeepLensToolkit", "DeepLensPolicies"}
    decisions = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    people = {arn_of(profile): profile for profile in PEOPLE}
    denied = {
        (people[one["principal"]], one["action"])
        for one in decisions
        if one["principal"] in people and one["decision"] != "Allow"
    }
    # `deeplens fleet doctor` reports that this person cannot deploy. The emulator's Lambda has no
    # IAM action for GetAccountSettings, so the emulator allows this call only to the account's
    # root.
    assert denied - {("lab-fleet", "lambda:OperationWithoutAction")} == {
        ("lab-fleet", "sts:AssumeRole")
    }


def use_the_pages_settings(lab: Lab) -> None:
    """Add the page's device to the fleet in the environment file."""
    file = lab.root / "environments/lab.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[fleet]\n", '[fleet]\nthings = ["cam-1"]\n'), encoding="utf-8")
    assert load_environment(file).fleet.things == ("cam-1",)
