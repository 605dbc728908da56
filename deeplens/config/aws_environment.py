"""The account and the Region of an environment, and the ARNs of its resources."""

from dataclasses import dataclass

# The Regions that have AWS IoT Greengrass V2. A test compares this list with botocore's.
GREENGRASS_REGIONS = (
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-5",
    "ca-central-1",
    "cn-north-1",
    "eu-central-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-2",
)


@dataclass(frozen=True)
class AwsEnvironment:
    """An AWS account and Region, known before a synthesis, so that ARNs contain no CDK tokens."""

    account: str
    region: str

    @property
    def partition(self) -> str:
        """The AWS partition of the Region, which is the second part of every ARN."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource; `resource` is the part of the ARN after the account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def s3_arn(self, bucket: str, key: str | None = None) -> str:
        """Return the ARN of a bucket, or of its objects `key`, which may contain wildcards.

        ARNs of S3 contain neither an account nor a Region.
        """
        return f"arn:{self.partition}:s3:::{bucket}" + (f"/{key}" if key else "")
