"""The operations of other services that SageMaker uses."""

from collections.abc import Mapping
from typing import Protocol

from local_aws.account_region import Scope


class Cloud(Protocol):
    """The other services, called in process; each call is for one account and Region."""

    def read_object(self, scope: Scope, bucket: str, key: str) -> bytes | None:
        """Return an S3 object's content; None if the object cannot be read."""

    def role_may_read(self, scope: Scope, role_arn: str, bucket: str, key: str) -> bool:
        """Return whether a role allows SageMaker to read an S3 object."""

    def put_metric(
        self, scope: Scope, name: str, dimensions: Mapping[str, str], value: float, unit: str
    ) -> None:
        """Store one value of a metric in the namespace `AWS/SageMaker`."""
