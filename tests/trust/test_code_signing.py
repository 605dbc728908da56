"""Lambda code signing: settings in templates, and signatures of assets.

No emulator implements AWS Signer, so the tests prepare the responses, which botocore validates with
Signer's API model.
"""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner

from deeplens.cli.main import main
from deeplens.config import ConfigError, load_delivery, load_environment
from deeplens.releases.code_signing import (
    CodeObject,
    SigningFailed,
    sign,
)
from tests.trust.conftest import ROOT, Team

PROFILE = "arn:aws:signer:eu-central-1:111111111111:/signing-profiles/releases/abcdef1234"
CODE = CodeObject("cdk-assets", "one.zip")
JOB = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def aws() -> Any:
    account = boto3.Session("test", "test", region_name="eu-central-1")
    clients = account.client("s3"), account.client("signer")
    stubs = tuple(Stubber(client) for client in clients)
    for stub in stubs:
        stub.activate()
    return clients, stubs


def test_an_object_is_signed_in_its_own_version_and_replaced(aws: Any) -> None:
    (s3, signer), (s3_answers, signer_answers) = aws
    at = {"Bucket": CODE.bucket, "Key": CODE.key}
    s3_answers.add_response("head_object", {"VersionId": "7", "Metadata": {}}, at)
    signer_answers.add_response(
        "start_signing_job",
        {"jobId": JOB, "jobOwner": "111111111111"},
        {
            "source": {"s3": {"bucketName": CODE.bucket, "key": CODE.key, "version": "7"}},
            "destination": {"s3": {"bucketName": CODE.bucket, "prefix": "signed/"}},
            "profileName": "releases",
            "profileOwner": "111111111111",
        },
    )
    signed = {"s3": {"bucketName": CODE.bucket, "key": f"signed/{JOB}.zip"}}
    for _ in range(2):
        signer_answers.add_response(
            "describe_signing_job",
            {"jobId": JOB, "status": "Succeeded", "signedObject": signed},
            {"jobId": JOB},
        )
    s3_answers.add_response(
        "copy_object",
        {},
        {
            **at,
            "CopySource": {"Bucket": CODE.bucket, "Key": f"signed/{JOB}.zip"},
            "Metadata": {"deeplens-signed-by": PROFILE},
            "MetadataDirective": "REPLACE",
        },
    )
    assert sign(CODE, PROFILE, s3, signer)
    s3_answers.assert_no_pending_responses()
    s3_answers.add_response(
        "head_object", {"VersionId": "8", "Metadata": {"deeplens-signed-by": PROFILE}}, at
    )
    assert not sign(CODE, PROFILE, s3, signer)


def test_what_was_not_published_is_one_clear_error(aws: Any) -> None:
    (s3, signer), (s3_answers, _) = aws
    s3_answers.add_client_error("head_object", "404")
    with pytest.raises(SigningFailed, match="publish-assets"):
        sign(CODE, PROFILE, s3, signer)


def test_a_wrong_environment_or_assembly_is_one_clear_error(tmp_path: Path) -> None:
    words = ["release", "sign-code", "--assembly", str(tmp_path)]
    failed = CliRunner().invoke(main, [*words, "dev"])
    assert (failed.exit_code, "make synth" in failed.output) == (1, True)
    assert CliRunner().invoke(main, words).exit_code == 2


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("releases", "signing-profiles"),
        (PROFILE.replace("eu-central-1", "eu-west-1"), "eu-central-1"),
    ],
)
def test_a_profile_that_cannot_sign_there_is_refused(team: Team, profile: str, says: str) -> None:
    with pytest.raises(ConfigError, match="lambda_profile") as error:
        load_environment(environment(team.folder, profile))
    assert says in str(error.value)


def test_a_pipeline_does_not_deliver_what_it_cannot_sign(team: Team) -> None:
    one = load_environment(environment(team.folder, PROFILE))
    file = team.folder / "delivery.toml"
    text = (ROOT / "deeplens/local/delivery.toml").read_text(encoding="utf-8")
    file.write_text(
        text.replace('["dev", "staging", "production"]', '["dev"]').replace(
            '["production"]', '["dev"]'
        ),
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match="the pipeline does not sign code"):
        load_delivery(file, [one])


def environment(folder: Path, profile: str) -> Path:
    file = folder / "dev.toml"
    text = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
    file.write_text(f'{text}\n[signing]\nlambda_profile = "{profile}"\n', encoding="utf-8")
    return file
