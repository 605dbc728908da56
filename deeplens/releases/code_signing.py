"""The code of one environment's Lambda functions and layers, signed with AWS Signer in its bucket.

What is signed already stays. The bucket of `cdk bootstrap` keeps the unsigned version.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from deeplens.assembly import Stack

_MARK = "deeplens-signed-by"
_CODE = (("AWS::Lambda::Function", "Code"), ("AWS::Lambda::LayerVersion", "Content"))


class SigningFailed(Exception):  # noqa: N818 - says what happened
    """An object is not signed; the text says which and why."""


@dataclass(frozen=True, order=True)
class CodeObject:
    """Where CDK put the code of a function or layer."""

    bucket: str
    key: str


def code_objects(stacks: list[Stack]) -> list[CodeObject]:
    """Return every object that a function or layer of these stacks is made of, once."""
    return sorted(
        {
            CodeObject(code["S3Bucket"], code["S3Key"])
            for stack in stacks
            for resource in stack.template["Resources"].values()
            for kind, key in _CODE
            if resource["Type"] == kind and (code := resource["Properties"][key])
        }
    )


def profile_of(stacks: list[Stack]) -> str:
    """Return the signing profile's version that the templates allow.

    Raises:
        SigningFailed: they allow none: the environment file names none.
    """
    allowed = set(_allowed(stacks))
    if len(allowed) != 1:
        raise SigningFailed(
            "its templates name no signing profile; [signing] lambda_profile of the environment "
            "file does, then `cdk synth`"
        )
    return allowed.pop()


def sign(code: CodeObject, profile: str, s3: Any, signer: Any) -> bool:
    """Sign one object in place; return False when it was signed by this profile before.

    Raises:
        SigningFailed: it was not published yet, or AWS Signer does not sign it.
    """
    where = f"s3://{code.bucket}/{code.key}"
    try:
        there = s3.head_object(Bucket=code.bucket, Key=code.key)
        if there["Metadata"].get(_MARK) == profile:
            return False
        job = signer.start_signing_job(
            source={
                "s3": {
                    "bucketName": code.bucket,
                    "key": code.key,
                    "version": there["VersionId"],
                }
            },
            destination={"s3": {"bucketName": code.bucket, "prefix": "signed/"}},
            profileName=profile.split("/")[-2],
            profileOwner=profile.split(":")[4],
        )["jobId"]
        signer.get_waiter("successful_signing_job").wait(jobId=job)
        signed = signer.describe_signing_job(jobId=job)["signedObject"]["s3"]
        s3.copy_object(
            Bucket=code.bucket,
            Key=code.key,
            CopySource={"Bucket": signed["bucketName"], "Key": signed["key"]},
            Metadata={_MARK: profile},
            MetadataDirective="REPLACE",
        )
    except KeyError:
        raise SigningFailed(
            f"{where}: its bucket keeps no versions, and AWS Signer asks for one; `cdk bootstrap` "
            "makes one that does"
        ) from None
    except (ClientError, BotoCoreError, WaiterError) as error:
        raise SigningFailed(
            f"{where}: is not signed: {error}; was it published? "
            "`cdk publish-assets --unstable=publish-assets` does that"
        ) from None
    return True


def _allowed(stacks: list[Stack]) -> Iterator[str]:
    for stack in stacks:
        for resource in stack.template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::CodeSigningConfig":
                yield from resource["Properties"]["AllowedPublishers"]["SigningProfileVersionArns"]
