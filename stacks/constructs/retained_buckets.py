"""Retention of buckets with their policies and keys, and buckets of access logs."""

from aws_cdk import Duration, RemovalPolicy, aws_s3
from constructs import Construct

from stacks.constructs.scanner_suppressions import suppress_checkov

# The removal policy of stateful resources. If the creation of a stack fails, CloudFormation deletes
# these resources. With "Retain", a bucket with a fixed name would remain and prevent each later
# attempt.
RETAINED = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


def retain_policy_of(bucket: aws_s3.Bucket) -> None:
    """Retain the policy with the bucket, because the policy requires TLS."""
    if bucket.policy:
        bucket.policy.apply_removal_policy(RETAINED)


def access_log_bucket(scope: Construct, *, retention_days: int) -> aws_s3.Bucket:
    """Add a private bucket for access logs, which expire after `retention_days` days."""
    bucket = aws_s3.Bucket(
        scope,
        "AccessLogs",
        block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=aws_s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        # S3 delivers access logs to buckets with SSE-S3 only.
        encryption=aws_s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        lifecycle_rules=[aws_s3.LifecycleRule(expiration=Duration.days(retention_days))],
        removal_policy=RETAINED,
    )
    retain_policy_of(bucket)
    suppress_checkov(
        bucket,
        {
            "CKV_AWS_18": "it holds the access log itself: logging that would never end",
            "CKV_AWS_21": "S3 writes each log once under a new name; there is nothing to replace",
        },
    )
    return bucket
