"""`deeplens release sign` uses a KMS key that never leaves KMS; the emulator replaces AWS."""

import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from deeplens.cli.main import main
from testkit.account_keys import secret
from testkit.pinned import pinned_artifact

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def kms(endpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "AWS_ENDPOINT_URL": json.loads(endpoint.read_text(encoding="utf-8"))["endpoint_url"],
        "AWS_ACCESS_KEY_ID": "555555555555",
        "AWS_SECRET_ACCESS_KEY": secret(endpoint, "555555555555"),
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    return boto3.client("kms")


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["release", *(str(word) for word in words)])


def test_kms_signs_a_release_and_anybody_verifies_it(kms: Any, tmp_path: Path) -> None:
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    kms.create_alias(AliasName="alias/releases", TargetKeyId=key["KeyId"])
    source = pinned_artifact()
    artifact = tmp_path / "shapes" / source.parent.name / "model.zip"
    artifact.parent.mkdir(parents=True)
    shutil.copyfile(source, artifact)
    public = json.loads(run("keys", "public", "alias/releases", "--json").output)
    for count, name in enumerate(("alias/releases", key["Arn"], key["KeyId"]), start=1):
        signed = run("sign", artifact, "--key", name, "--again", "--json")
        assert signed.exit_code == 0, signed.output
        assert json.loads(signed.output)["release"] == count
        verified = run("verify", artifact, "--public-key", public["public_key"], "--json")
        assert json.loads(verified.output)["key"] == public["id"]


def test_a_key_of_kms_that_cannot_sign_is_one_clear_error(kms: Any, tmp_path: Path) -> None:
    rsa = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    for key, says in ((rsa, "ECC_NIST_P256"), ("alias/none", "returned no public key")):
        failed = run("sign", tmp_path / "model.zip", "--key", key)
        assert (failed.exit_code, says in failed.output) == (1, True), failed.output
