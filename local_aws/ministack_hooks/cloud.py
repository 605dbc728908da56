"""The operations of S3, Lambda, IoT and EventBridge that Greengrass uses, called in process."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import copy
import json
from typing import Any

import boto3
from botocore.config import Config
from ministack.services import eventbridge, iot, lambda_svc, s3

from local_aws.account_region import Scope
from local_aws.errors import ServiceError
from local_aws.ministack_hooks.identity import issue_service_credentials
from local_aws.ministack_hooks.registration import within
from local_aws.services.greengrass.ports import FunctionVersion, JobState, ShadowState

GREENGRASS_ACCOUNT = "099999999999"
ARTIFACT_URL_SECONDS = 3600


class MinistackCloud:
    """The services that Greengrass uses, called in process (implements ``ports.CloudServices``)."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url

    def read_object(self, scope: Scope, bucket: str, key: str) -> bytes | None:
        """Return an S3 object's content; None if it does not exist in the account and Region."""
        with within(scope):
            if s3.bucket_region(bucket) != scope.region:
                return None
            content: bytes | None = s3._get_object_data(bucket, key)
            return content

    def function_version(self, scope: Scope, arn: str) -> FunctionVersion | None:
        """Return a published function version; None if the scope has no such version with a zip."""
        _, _, _, region, account, _, name, version = arn.split(":")
        if Scope(account, region) != scope:
            return None
        with within(scope):
            record, config = lambda_svc._get_func_record_for_qualifier(name, version)
        if record is None or config is None or not record.get("code_zip"):
            return None
        return FunctionVersion(
            arn, name, int(version), config["Runtime"], config["Handler"], record["code_zip"]
        )

    def store_artifact(self, scope: Scope, key: str, content: bytes) -> None:
        """Store Greengrass' copy of an artifact in a bucket of an account that represents AWS."""
        bucket = _artifact_bucket(scope)
        with within(Scope(GREENGRASS_ACCOUNT, scope.region)):
            if s3.bucket_region(bucket) is None:
                s3._create_bucket(bucket, b"", {})
            response = s3._put_object(bucket, key, content, {})
        if response[0] >= 400:  # noqa: PLR2004 - HTTP error
            raise ServiceError("InternalServerException", f"Cannot store {key}: {response[2]!r}")

    def artifact_url(self, scope: Scope, key: str) -> str:
        """Return a presigned URL of a stored artifact, valid for one hour."""
        bucket = _artifact_bucket(scope)
        only_this_object = {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/{key}",
        }
        credentials = issue_service_credentials(
            GREENGRASS_ACCOUNT, "greengrass", only_this_object, ARTIFACT_URL_SECONDS
        )
        client = boto3.client(
            "s3",
            endpoint_url=self._endpoint_url,
            region_name=scope.region,
            aws_access_key_id=credentials["accessKeyId"],
            aws_secret_access_key=credentials["secretAccessKey"],
            aws_session_token=credentials["sessionToken"],
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        return str(
            client.generate_presigned_url(
                "get_object",
                Params={"Bucket": bucket, "Key": key},
                ExpiresIn=ARTIFACT_URL_SECONDS,
            )
        )

    def target_exists(self, scope: Scope, arn: str) -> bool:
        """Return whether a thing or thing group exists."""
        with within(scope):
            return iot._job_target_resolve(arn) is not None

    def thing_groups(self, scope: Scope, thing: str) -> dict[str, str]:
        """Return the ARNs of a thing's groups, by group name."""
        with within(scope):
            names = (iot._things.get(thing) or {}).get("thingGroupNames", [])
            return {name: iot._thing_group_arn(name) for name in names if name in iot._thing_groups}

    async def create_job(self, scope: Scope, job_id: str, request: dict[str, Any]) -> None:
        """Create an IoT job.

        Raises:
            ServiceError: IoT rejects the job.
        """
        with within(scope):
            response = await iot._create_job(job_id, request)
        if response[0] >= 400:  # noqa: PLR2004 - HTTP error
            message = json.loads(response[2]).get("message", response[2].decode())
            raise ServiceError(
                "ValidationException", f"IoT rejected the deployment's job: {message}"
            )

    async def cancel_job(self, scope: Scope, job_id: str) -> None:
        """Cancel a job and its executions, if the job is in progress."""
        with within(scope):
            job = iot._jobs.get(job_id)
            if job is not None and job["status"] == "IN_PROGRESS":
                await iot._cancel_job(job_id, {}, {"force": "true"})

    def job(self, scope: Scope, job_id: str) -> JobState | None:
        """Return a job, or None if it does not exist."""
        with within(scope):
            record = iot._jobs.get(job_id)
            return None if record is None else JobState(record["status"], record["jobArn"])

    def job_execution(self, scope: Scope, job_id: str, thing: str) -> dict[str, Any] | None:
        """Return the execution of a job on a thing; None if it does not exist."""
        with within(scope):
            execution: dict[str, Any] | None = iot.jobs_describe_execution(thing, job_id)
            return execution

    async def update_shadow(
        self, scope: Scope, thing: str, shadow: str, desired: dict[str, Any]
    ) -> None:
        """Update a shadow in the same way as UpdateThingShadow.

        Raises:
            ServiceError: IoT rejects the update.
        """
        with within(scope):
            before = copy.deepcopy(iot.get_thing_shadow(thing, shadow))
            status, response = iot.update_thing_shadow(
                thing, shadow, {"state": {"desired": desired}}
            )
            after = copy.deepcopy(iot.get_thing_shadow(thing, shadow))
        if status >= 400:  # noqa: PLR2004 - HTTP error
            raise ServiceError(
                "ValidationException",
                f"IoT rejected the deployment's shadow: {response.get('message', response)}",
            )
        base = f"$aws/things/{thing}/shadow/name/{shadow}"
        await iot.shadow_emit_update_responses(
            scope.account, scope.region, base, response, *before, *after, None
        )

    def shadow(self, scope: Scope, thing: str, shadow: str) -> ShadowState:
        """Return a named shadow; an empty state if it does not exist."""
        with within(scope):
            status, document = iot.get_thing_shadow(thing, shadow)
            if status >= 400:  # noqa: PLR2004 - HTTP error
                return ShadowState({}, 0)
            reported = document["metadata"].get("reported", {}).get("status", {})
            return ShadowState(
                copy.deepcopy(document["state"]), reported.get("timestamp", 0) * 1000
            )

    def put_event(
        self, scope: Scope, detail_type: str, resource: str, detail: dict[str, Any]
    ) -> None:
        """Put a Greengrass event on the default event bus of the account."""
        entry = {
            "Source": "aws.greengrass",
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": [resource],
        }
        with within(scope):
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _artifact_bucket(scope: Scope) -> str:
    return f"greengrass-lambda-artifacts-{scope.region}"
