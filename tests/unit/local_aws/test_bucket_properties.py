"""The properties of a bucket in a template become requests of S3's API."""

import pytest

from local_aws.services.cloudformation import bucket_properties


def test_encryption_names_the_key_and_the_bucket_key() -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:key"}
    rule = {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": default}
    body = bucket_properties.encryption({"ServerSideEncryptionConfiguration": [rule]})
    assert b"<KMSMasterKeyID>arn:key</KMSMasterKeyID>" in body
    assert b"<BucketKeyEnabled>true</BucketKeyEnabled>" in body


def test_a_lifecycle_rule_keeps_its_prefix_and_days() -> None:
    rule = {
        "Id": "old",
        "Status": "Enabled",
        "Prefix": "datasets/",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    }
    body = bucket_properties.lifecycle({"Rules": [rule]})
    assert b"<Prefix>datasets/</Prefix>" in body
    assert b"<NoncurrentDays>30</NoncurrentDays>" in body


def test_a_lifecycle_rule_that_is_not_emulated_is_refused_by_name() -> None:
    rule = {"Status": "Enabled", "Transitions": []}
    with pytest.raises(ValueError, match="Transitions is not emulated"):
        bucket_properties.lifecycle({"Rules": [rule]})


def test_logging_can_be_turned_off() -> None:
    assert b"LoggingEnabled" not in bucket_properties.logging({})
