"""CloudFormation: the properties of buckets as S3 requests, and long polls of a stack."""
