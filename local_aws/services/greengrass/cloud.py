"""What Greengrass needs from the rest of the cloud."""

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
class Job:
    """The cloud half of a deployment: an IoT job and where it stands."""

    status: str
    arn: str


@dataclass(frozen=True, slots=True)
class Shadow:
    """A thing's shadow, and when the thing reported its status: empty and 0 if it did not."""

    state: dict[str, Any]
    reported_ms: float


class Cloud(Protocol):
    """The other services, asked in process, each call for one account and region."""

    def read_object(self, scope: Scope, bucket: str, key: str) -> bytes | None:
        """Read an S3 object the account owns in the region; None when it cannot be read."""

    def function_version(self, scope: Scope, arn: str) -> FunctionVersion | None:
        """Find a published function version by its ARN; None when there is none."""

    def keep_artifact(self, scope: Scope, key: str, content: bytes) -> None:
        """Keep Greengrass's own copy of an artifact."""

    def artifact_url(self, scope: Scope, key: str) -> str:
        """Sign a URL that reads a kept artifact for a while without credentials."""

    def target_exists(self, scope: Scope, arn: str) -> bool:
        """Tell whether a thing or thing group exists."""

    def thing_groups(self, scope: Scope, thing: str) -> dict[str, str]:
        """Map the names of the groups a thing is in to their ARNs."""

    async def create_job(self, scope: Scope, job_id: str, request: dict[str, Any]) -> None:
        """Create an IoT job from the members of IoT's CreateJob."""

    async def cancel_job(self, scope: Scope, job_id: str) -> None:
        """Cancel a job and its unfinished executions, if it still runs."""

    def job(self, scope: Scope, job_id: str) -> Job | None:
        """Look a job up."""

    def job_execution(self, scope: Scope, job_id: str, thing: str) -> dict[str, Any] | None:
        """Look up how a job went on a thing: ``status``, ``statusDetails``, times in ms."""

    async def update_shadow(
        self, scope: Scope, thing: str, shadow: str, desired: dict[str, Any]
    ) -> None:
        """Change the desired state of a named shadow, and notify those who subscribe to it."""

    def shadow(self, scope: Scope, thing: str, shadow: str) -> Shadow:
        """Look a named shadow up."""

    def tell(self, scope: Scope, detail_type: str, resource: str, detail: dict[str, Any]) -> None:
        """Put an event of Greengrass' on the account's default event bus."""
