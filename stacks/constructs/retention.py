"""State that remains when its stack is deleted, but not when its creation fails."""

from aws_cdk import RemovalPolicy, aws_s3

# A failed creation deletes its resources. With plain "Retain", a bucket with a fixed name stays and
# blocks each later attempt.
KEPT = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


def keep_policy_of(bucket: aws_s3.Bucket) -> None:
    """Keep the bucket's policy as long as the bucket: without it, requests need no TLS."""
    if bucket.policy:
        bucket.policy.apply_removal_policy(KEPT)
