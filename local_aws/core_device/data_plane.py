"""Calls to the Greengrass data plane with the device's certificate, and to S3 with credentials."""

import base64
import json
import ssl
import urllib.request
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.core_device.errors import (
    DOWNLOAD,
    NETWORK,
    NO_VERSION,
    S3,
    S3_ABSENT,
    S3_DENIED,
    DeploymentFailed,
)
from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.nucleus import Nucleus
from local_aws.core_device.recipe import architecture
from local_aws.process.endpoint import Endpoint

_TIMEOUT_SECONDS = 30
_S3_CODES = {403: (S3, S3_DENIED), 404: (S3, S3_ABSENT)}


class DataPlane:
    """A client of the Greengrass data plane over mutual TLS.

    The methods raise DeploymentFailed if a call fails.
    """

    def __init__(
        self, endpoint: Endpoint, layout: Layout, identity: Identity, nucleus: Nucleus
    ) -> None:
        self._url = f"https://127.0.0.1:{endpoint.device_port}"
        self._endpoint_url = endpoint.endpoint_url
        self._identity = identity
        self._nucleus = nucleus
        self._context = ssl.create_default_context(cafile=endpoint.ca_file)
        self._context.load_cert_chain(layout.certificate, layout.private_key)

    def credentials(self) -> dict[str, str]:
        """Return temporary credentials of the token exchange role."""
        alias = quote(self._identity.role_alias)
        response = self._call("GET", f"/role-aliases/{alias}/credentials", None, DOWNLOAD, NETWORK)
        credentials: dict[str, str] = response["credentials"]
        return credentials

    def resolve(self, requirements: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
        """Return the recipes, as objects, of the versions that satisfy all requirements.

        Args:
            requirements: version ranges by component name and by the source of the requirement.
        """
        candidates = [
            {"componentName": name, "versionRequirements": ranges}
            for name, ranges in sorted(requirements.items())
        ]
        if not self._nucleus.resolves_one_by_one:
            return self._resolve(candidates)
        return [
            recipe
            for candidate in candidates
            for recipe in self._resolve([_with_one_requirement(candidate)])
        ]

    def _resolve(self, candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
        body = {
            "platform": {
                "name": self._nucleus.platform_name(),
                "attributes": {
                    "os": "linux",
                    "architecture": architecture(),
                    "runtime": self._nucleus.runtime,
                },
            },
            "componentCandidates": candidates,
        }
        response = self._call("POST", "/greengrass/v2/resolveComponentCandidates", body, NO_VERSION)
        return [
            {"arn": resolved["arn"], **json.loads(base64.b64decode(resolved["recipe"]))}
            for resolved in response["resolvedComponentVersions"]
        ]

    def thing_groups(self) -> set[str]:
        """Return the names of the device's thing groups."""
        path = f"/greengrass/v2/coreDevices/{quote(self._identity.thing)}/thingGroups"
        return {group["thingGroupName"] for group in self._call("GET", path)["thingGroups"]}

    def open_artifact(self, arn: str, uri: str) -> Any:
        """Return a readable stream of an artifact's content."""
        if uri.startswith("s3://"):
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            credentials = self.credentials()
            s3 = boto3.client(
                "s3",
                endpoint_url=self._endpoint_url,
                region_name=self._identity.region,
                aws_access_key_id=credentials["accessKeyId"],
                aws_secret_access_key=credentials["secretAccessKey"],
                aws_session_token=credentials["sessionToken"],
                # The recipe contains a digest, so nuclei request no checksum from S3.
                config=Config(response_checksum_validation="when_required"),
            )
            try:
                return s3.get_object(Bucket=bucket, Key=key)["Body"]
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                codes = _S3_CODES.get(status, (S3,))
                raise DeploymentFailed(f"{uri}: {error}", DOWNLOAD, *codes) from None
            except BotoCoreError as error:
                raise DeploymentFailed(f"{uri}: {error}", DOWNLOAD, NETWORK) from None
        name = uri.removeprefix("greengrass:")
        response = self._call(
            "GET", f"/greengrass/v2/components/{quote(arn, safe='')}/artifacts/{quote(name)}"
        )
        return urllib.request.urlopen(response["preSignedUrl"], timeout=_TIMEOUT_SECONDS)  # noqa: S310

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *error_codes: str
    ) -> dict[str, Any]:
        """Call the data plane; raise DeploymentFailed if the call fails.

        `error_codes` are the codes for an error response; the default is `DOWNLOAD`.
        """
        request = urllib.request.Request(  # noqa: S310 - the URL is always HTTPS, to the emulator's endpoint
            self._url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Content-Type": "application/json",
                "x-amzn-iot-thingname": self._identity.thing,
            },
        )
        try:
            with urllib.request.urlopen(  # noqa: S310 - the request above has an HTTPS URL
                request, timeout=_TIMEOUT_SECONDS, context=self._context
            ) as response:
                content: dict[str, Any] = json.loads(response.read())
                return content
        except HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            raise DeploymentFailed(
                f"{method} {path}: {error.code}: {text[:500]}", *(error_codes or (DOWNLOAD,))
            ) from None
        except URLError as error:
            raise DeploymentFailed(f"{method} {path}: {error.reason}", NETWORK) from None


def _with_one_requirement(candidate: dict[str, Any]) -> dict[str, Any]:
    """Return a candidate with one requirement, in the form that nucleus lite sends.

    The first version has no equals sign. For example, `1.2.3 >=1.0.0` requires version 1.2.3 of a
    root component that is also a dependency.
    """
    texts = list(dict.fromkeys(candidate["versionRequirements"].values()))
    first = texts[0].removeprefix("=")
    return {**candidate, "versionRequirements": {"requirements": " ".join([first, *texts[1:]])}}
