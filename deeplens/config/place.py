"""Where an environment is in AWS, and the ARNs of what it has there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """An account in a Region; both are known before anything is synthesized, so ARNs are text."""

    account: str
    region: str

    @property
    def partition(self) -> str:
        """AWS' partition of the Region, the second part of every ARN."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource here; `resource` is all that follows the account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def s3_arn(self, bucket: str, key: str | None = None) -> str:
        """Return the ARN of a bucket, or of its objects `key`: S3's name no account or Region."""
        return f"arn:{self.partition}:s3:::{bucket}" + (f"/{key}" if key else "")
