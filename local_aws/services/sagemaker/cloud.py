"""What SageMaker needs from the rest of the cloud."""

from collections.abc import Mapping
from typing import Protocol

from local_aws.account_region import Scope


class Cloud(Protocol):
    """The other services, asked in process, each call for one account and region."""

    def read_object(self, scope: Scope, bucket: str, key: str) -> bytes | None:
        """Read an S3 object the account owns in the region; None when it cannot be read."""

    def role_may_read(self, scope: Scope, role_arn: str, bucket: str, key: str) -> bool:
        """Return whether SageMaker, with a role, may read an S3 object."""

    def put_metric(
        self, scope: Scope, name: str, dimensions: Mapping[str, str], value: float, unit: str
    ) -> None:
        """Put a value of a metric of `AWS/SageMaker`."""
