"""State: the bucket that cameras download from, its key, and the one way into it."""

from typing import Any

from troposphere import Export, ImportValue, Ref, Sub, kms, s3

from benchmarks.peers.troposphere_stacks.assets import Assets
from benchmarks.peers.troposphere_stacks.environment import Environment
from benchmarks.peers.troposphere_stacks.functions import add_handler
from benchmarks.peers.troposphere_stacks.policies import (
    Statement,
    allow,
    arn_of,
    document,
    use_key,
)
from benchmarks.peers.troposphere_stacks.stack import Stack

_PRIVATE = s3.PublicAccessBlockConfiguration(
    BlockPublicAcls=True,
    BlockPublicPolicy=True,
    IgnorePublicAcls=True,
    RestrictPublicBuckets=True,
)
_OWNED = s3.OwnershipControls(
    Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
)
_RETAINED = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}


def from_model_store(environment: Environment, name: str) -> ImportValue:
    """Refer to an export of the environment's model store."""
    return ImportValue(f"{environment.name}-ModelStore-{name}")


def model_store(environment: Environment, assets: Assets) -> Stack:
    """Return the whole stack."""
    name = environment.model_store["bucket_name"]
    stack = Stack(environment, assets, "model artifacts")
    key = stack.add(
        kms.Key(
            "ModelsKey",
            Description=f"Model artifacts in {name}",
            EnableKeyRotation=True,
            KeyPolicy=document(account_owns_key(environment)),
            **_RETAINED,
        )
    )
    access_logs = stack.add(_access_logs(environment))
    bucket = stack.add(_bucket(environment, key, access_logs))
    publisher = add_handler(
        stack,
        "ModelsPublisher",
        package="model_artifact",
        timeout_seconds=600,
        statements=_publisher_statements(environment, key),
    )
    stack.add(
        s3.BucketPolicy(
            "ModelsAccessLogsPolicy",
            Bucket=Ref(access_logs),
            PolicyDocument=document(
                *_tls_only(access_logs), _log_delivery(environment, access_logs, bucket)
            ),
            **_RETAINED,
        )
    )
    stack.add(
        s3.BucketPolicy(
            "ModelsBucketPolicy",
            Bucket=Ref(bucket),
            PolicyDocument=document(*_tls_only(bucket), *_write_once(name, publisher.role)),
            **_RETAINED,
        )
    )
    for title, value in (
        ("KeyArn", arn_of(key)),
        ("BucketName", Ref(bucket)),
        ("PublisherArn", arn_of(publisher.resource)),
    ):
        export = Export(f"{environment.name}-ModelStore-{title}")
        stack.output(f"Export{title}", value, Export=export)
    stack.output("BucketName", name)
    stack.output("Components", f"s3://{name}/components/")
    stack.output("Datasets", f"s3://{name}/datasets/")
    for folder in ("TFartifacts", "customTFcodes", "datasets", "testIMs"):
        stack.output(f"Headpose{folder}", f"s3://{name}/headpose/{folder}/")
    return stack


def account_owns_key(environment: Environment) -> Statement:
    """Let the account's own policies say who uses a key."""
    return {
        "Effect": "Allow",
        "Action": "kms:*",
        "Principal": {"AWS": f"arn:aws:iam::{environment.account}:root"},
        "Resource": "*",
    }


def _access_logs(environment: Environment) -> s3.Bucket:
    days = environment.model_store["access_log_retention_days"]
    return s3.Bucket(
        "ModelsAccessLogs",
        BucketEncryption=_encryption(SSEAlgorithm="AES256"),
        LifecycleConfiguration=s3.LifecycleConfiguration(
            Rules=[s3.LifecycleRule(ExpirationInDays=days, Status="Enabled")]
        ),
        OwnershipControls=_OWNED,
        PublicAccessBlockConfiguration=_PRIVATE,
        **_RETAINED,
    )


def _bucket(environment: Environment, key: kms.Key, access_logs: s3.Bucket) -> s3.Bucket:
    days = environment.model_store["noncurrent_version_days"]
    abandoned = s3.LifecycleRule(
        Id="abandoned-uploads",
        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=7),
        Status="Enabled",
    )
    replaced = [
        s3.LifecycleRule(
            Id=f"replaced-{prefix}",
            Prefix=f"{prefix}/",
            NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(NoncurrentDays=days),
            Status="Enabled",
        )
        for prefix in ("datasets", "headpose")
    ]
    return s3.Bucket(
        "ModelsBucket",
        BucketName=environment.model_store["bucket_name"],
        BucketEncryption=_encryption(
            bucket_key={"BucketKeyEnabled": True},
            SSEAlgorithm="aws:kms",
            KMSMasterKeyID=arn_of(key),
        ),
        LifecycleConfiguration=s3.LifecycleConfiguration(Rules=[abandoned, *replaced]),
        LoggingConfiguration=s3.LoggingConfiguration(
            DestinationBucketName=Ref(access_logs), LogFilePrefix="models/"
        ),
        OwnershipControls=_OWNED,
        PublicAccessBlockConfiguration=_PRIVATE,
        VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
        **_RETAINED,
    )


def _encryption(
    *, bucket_key: dict[str, bool] | None = None, **by_default: Any
) -> s3.BucketEncryption:
    rule = s3.ServerSideEncryptionRule(
        ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(**by_default),
        **(bucket_key or {}),
    )
    return s3.BucketEncryption(ServerSideEncryptionConfiguration=[rule])


def _publisher_statements(environment: Environment, key: kms.Key) -> list[Statement]:
    bucket = f"arn:aws:s3:::{environment.model_store['bucket_name']}"
    return [
        allow("ReadAsset", ["s3:GetObject"], [f"arn:aws:s3:::{environment.asset_bucket}/*.zip"]),
        allow("WriteComponents", ["s3:GetObject", "s3:PutObject"], [f"{bucket}/components/*"]),
        allow(
            "SeeAbsence",
            ["s3:ListBucket"],
            [bucket],
            {"StringLike": {"s3:prefix": "components/*"}},
        ),
        allow(
            "SeeAbsenceOfAsset",
            ["s3:ListBucket"],
            [f"arn:aws:s3:::{environment.asset_bucket}"],
            {"StringLike": {"s3:prefix": "*.zip"}},
        ),
        use_key("Encrypt", ["kms:Decrypt", "kms:GenerateDataKey"], environment, arn_of(key)),
    ]


def _tls_only(bucket: s3.Bucket) -> list[Statement]:
    return [
        {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "s3:*",
            "Resource": [arn_of(bucket), Sub(f"${{{bucket.title}.Arn}}/*")],
            "Condition": condition,
        }
        for condition in (
            {"Bool": {"aws:SecureTransport": "false"}},
            {"NumericLessThan": {"s3:TlsVersion": 1.2}},
        )
    ]


def _log_delivery(environment: Environment, access_logs: s3.Bucket, bucket: s3.Bucket) -> Statement:
    return {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": Sub(f"${{{access_logs.title}.Arn}}/models/*"),
        "Condition": {
            "ArnLike": {"aws:SourceArn": arn_of(bucket)},
            "StringEquals": {"aws:SourceAccount": environment.account},
        },
    }


def _write_once(bucket_name: str, publisher_role: Any) -> list[Statement]:
    components = f"arn:aws:s3:::{bucket_name}/components/*"
    deny = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Resource": components}
    return [
        {
            **deny,
            "Sid": "OnlyThePublisherWritesComponents",
            "Action": "s3:PutObject",
            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": arn_of(publisher_role)}},
        },
        {
            **deny,
            "Sid": "ComponentsAreKept",
            "Action": [
                "s3:BypassGovernanceRetention",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
            ],
        },
    ]
