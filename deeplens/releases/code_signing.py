"""Signing of Lambda functions and layers with AWS Signer, in the bucket of `cdk bootstrap`.

Signed objects are skipped. The bucket keeps the unsigned version of each object.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from deeplens.assembly import Stack

_MARK = "deeplens-signed-by"
_CODE = (("AWS::Lambda::Function", "Code"), ("AWS::Lambda::LayerVersion", "Content"))


class SigningFailed(Exception):  # noqa: N818 - names an event
    """Raised if code cannot be signed; the message contains the reason."""


@dataclass(frozen=True, order=True)
class CodeObject:
    """The S3 object with the code of a function or layer."""

    bucket: str
    key: str


def code_objects(stacks: list[Stack]) -> list[CodeObject]:
    """Return the distinct objects with the code of all functions and layers of these stacks."""
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
    """Return the version ARN of the signing profile that the templates allow.

    Raises:
        SigningFailed: the templates allow no profile, or more than one.
    """
    allowed = set(_allowed(stacks))
    if len(allowed) != 1:
        raise SigningFailed(
            "the templates contain no signing profile; set [signing] lambda_profile in the "
            "environment file, then run `cdk synth`"
        )
    return allowed.pop()


def sign(code: CodeObject, profile: str, s3: Any, signer: Any) -> bool:
    """Sign one object in place; return False if this profile has already signed it.

    Raises:
        SigningFailed: the object is not published, its bucket has no versions, or AWS Signer
            rejects the object.
    """
    where = f"s3://{code.bucket}/{code.key}"
    try:
        current = s3.head_object(Bucket=code.bucket, Key=code.key)
        if current["Metadata"].get(_MARK) == profile:
            return False
        job = signer.start_signing_job(
            source={
                "s3": {
                    "bucketName": code.bucket,
                    "key": code.key,
                    "version": current["VersionId"],
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
            f"{where}: its bucket has no versions, which AWS Signer requires; `cdk bootstrap` "
            "creates a bucket with versions"
        ) from None
    except (ClientError, BotoCoreError, WaiterError) as error:
        raise SigningFailed(
            f"{where}: is not signed: {error}; if it is not published, run "
            "`cdk publish-assets --unstable=publish-assets`"
        ) from None
    return True


def _allowed(stacks: list[Stack]) -> Iterator[str]:
    for stack in stacks:
        for resource in stack.template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::CodeSigningConfig":
                yield from resource["Properties"]["AllowedPublishers"]["SigningProfileVersionArns"]
