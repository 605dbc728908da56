"""The operations of other services that Greengrass uses."""

from dataclasses import dataclass
from typing import Any, Protocol

from local_aws.account_region import Scope


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """One published version of a Lambda function."""

    arn: str
    name: str
    version: int
    runtime: str
    handler: str
    code: bytes


@dataclass(frozen=True, slots=True)
class JobState:
    """The status and ARN of a deployment's IoT job."""

    status: str
    arn: str


@dataclass(frozen=True, slots=True)
class ShadowState:
    """The state of a shadow, and the time of its last report in ms; 0 without a report."""

    state: dict[str, Any]
    reported_ms: float


class CloudServices(Protocol):
    """The other services, called in process; each call is for one account and Region."""

    def read_object(self, scope: Scope, bucket: str, key: str) -> bytes | None:
        """Return an S3 object's content; None if the object cannot be read."""

    def function_version(self, scope: Scope, arn: str) -> FunctionVersion | None:
        """Return a published function version by its ARN; None if it does not exist."""

    def store_artifact(self, scope: Scope, key: str, content: bytes) -> None:
        """Store Greengrass' copy of an artifact."""

    def artifact_url(self, scope: Scope, key: str) -> str:
        """Return a presigned URL of a stored artifact."""

    def target_exists(self, scope: Scope, arn: str) -> bool:
        """Return whether a thing or thing group exists."""

    def thing_groups(self, scope: Scope, thing: str) -> dict[str, str]:
        """Return the ARNs of a thing's groups, by group name."""

    async def create_job(self, scope: Scope, job_id: str, request: dict[str, Any]) -> None:
        """Create an IoT job with the members of a CreateJob request."""

    async def cancel_job(self, scope: Scope, job_id: str) -> None:
        """Cancel a job that has not ended, and its open executions."""

    def job(self, scope: Scope, job_id: str) -> JobState | None:
        """Return a job; None if it does not exist."""

    def job_execution(self, scope: Scope, job_id: str, thing: str) -> dict[str, Any] | None:
        """Return `status`, `statusDetails` and times (ms) of a thing's job execution, or None."""

    async def update_shadow(
        self, scope: Scope, thing: str, shadow: str, desired: dict[str, Any]
    ) -> None:
        """Change the desired state of a named shadow, and notify its subscribers."""

    def shadow(self, scope: Scope, thing: str, shadow: str) -> ShadowState:
        """Return a named shadow; an empty state if the shadow does not exist."""

    def put_event(
        self, scope: Scope, detail_type: str, resource: str, detail: dict[str, Any]
    ) -> None:
        """Put a Greengrass event on the default event bus of the account."""
