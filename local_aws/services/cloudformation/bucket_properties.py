"""The S3 requests that CloudFormation makes for properties of `AWS::S3::Bucket`.

Source: the CloudFormation reference of AWS::S3::Bucket. A serializer of botocore writes the XML.
"""

from functools import cache
from typing import Any

from botocore.serialize import create_serializer
from botocore.session import Session

Properties = dict[str, Any]


def encryption(property_: Properties) -> bytes:
    """Return the body of PutBucketEncryption for `BucketEncryption`."""
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
            "BucketKeyEnabled": bool(rule.get("BucketKeyEnabled", False)),
        }
        for rule in property_["ServerSideEncryptionConfiguration"]
    ]
    return _body("PutBucketEncryption", ServerSideEncryptionConfiguration={"Rules": rules})


def lifecycle(property_: Properties) -> bytes:
    """Return the body of PutBucketLifecycleConfiguration for `LifecycleConfiguration`."""
    rules = [_lifecycle_rule(rule) for rule in property_["Rules"]]
    return _body("PutBucketLifecycleConfiguration", LifecycleConfiguration={"Rules": rules})


def logging(property_: Properties) -> bytes:
    """Return the body of PutBucketLogging; an empty `LoggingConfiguration` disables logging."""
    enabled = {
        "TargetBucket": property_.get("DestinationBucketName", ""),
        "TargetPrefix": property_.get("LogFilePrefix", ""),
    }
    status = {"LoggingEnabled": enabled} if property_ else {}
    return _body("PutBucketLogging", BucketLoggingStatus=status)


def ownership(property_: Properties) -> bytes:
    """Return the body of PutBucketOwnershipControls for `OwnershipControls`."""
    return _body("PutBucketOwnershipControls", OwnershipControls=property_)


def object_lock(property_: Properties) -> bytes:
    """Return the body of PutObjectLockConfiguration for `ObjectLockConfiguration`."""
    rule = property_.get("Rule", {}).get("DefaultRetention", {})
    retention = {
        name: int(value) if name in {"Days", "Years"} else value for name, value in rule.items()
    }
    configuration = {"ObjectLockEnabled": property_.get("ObjectLockEnabled", "Enabled")}
    more = {"Rule": {"DefaultRetention": retention}} if retention else {}
    return _body("PutObjectLockConfiguration", ObjectLockConfiguration={**configuration, **more})


def tags(property_: list[dict[str, str]]) -> bytes:
    """Return the body of PutBucketTagging for `Tags`."""
    return _body("PutBucketTagging", Tagging={"TagSet": property_})


def _lifecycle_rule(rule: Properties) -> Properties:
    """Return a lifecycle rule with the names of S3's API.

    Raises:
        ValueError: the emulator does not support a property of the rule.
    """
    made: Properties = {"Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "Id" in rule:
        made["ID"] = rule["Id"]
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if "NoncurrentVersionExpiration" in rule:
        days = int(rule["NoncurrentVersionExpiration"]["NoncurrentDays"])
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    if "AbortIncompleteMultipartUpload" in rule:
        days = int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    unknown = rule.keys() - {
        "Id", "Status", "Prefix", "ExpirationInDays", "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
    }  # fmt: skip
    if unknown:
        raise ValueError(f"lifecycle rule: {', '.join(sorted(unknown))} is not emulated")
    return made


def _body(operation: str, **parameters: Any) -> bytes:
    model = _s3().operation_model(operation)
    request = create_serializer("rest-xml").serialize_to_request(
        {"Bucket": "bucket", **parameters}, model
    )
    body: bytes = request["body"]
    return body


@cache
def _s3() -> Any:
    return Session().get_service_model("s3")
