"""The only module that touches ministack's private names.

ministack reads its settings from the environment when it is imported, so import this module after
they are set. ``tests/emulator`` has a contract test for every name used here.
"""

import asyncio
import contextlib
import hashlib
import json
import ssl
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import boto3
from ministack import app
from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import iam, iot, lambda_svc, s3, sts
from ministack.services.cloudformation import provisioners

from local_aws.errors import ServiceError
from local_aws.greengrass.cloud import FunctionVersion, Job
from local_aws.role_aliases import PATH as ROLE_ALIASES_PATH
from local_aws.role_aliases import RoleAliases
from local_aws.scope import Scope
from local_aws.wire import Request, Response

MINISTACK_VERSION = "1.5.33"
GREENGRASS_ACCOUNT = "099999999999"
LOOPBACK = "127.0.0.1"
ARTIFACT_URL_SECONDS = 3600
CREDENTIALS_PROVIDER = "credentials.iot.amazonaws.com"

asgi_app = app.app

Handled = tuple[int, dict[str, str], bytes]
Listener = Callable[[Scope, str, bytes], None]


class Stateful(Protocol):
    """A service whose state is saved and restored."""

    def to_json(self) -> dict[str, Any]:
        """Write everything as JSON."""

    def load_json(self, data: dict[str, Any]) -> None:
        """Replace everything."""

    def clear(self) -> None:
        """Forget everything."""


class _Module:
    """A service as ministack expects one: a module with these functions."""

    def __init__(
        self, state: Stateful, answer: Callable[[Scope, Request], Awaitable[Response]]
    ) -> None:
        self._state = state
        self._answer = answer

    async def handle_request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, list[str]],
    ) -> Handled:
        request = Request(method, path, headers, body, query_params)
        response = await self._answer(current_scope(), request)
        return response.status, response.headers, response.body

    def get_state(self) -> dict[str, Any]:
        return self._state.to_json()

    def load_persisted_state(self, data: dict[str, Any]) -> None:
        self._state.load_json(data)

    def reset(self) -> None:
        self._state.clear()


def current_scope() -> Scope:
    """Tell which account and region the current request is for."""
    return Scope(get_account_id(), get_region())


def within(scope: Scope) -> contextlib.AbstractContextManager[None]:
    """Act for an account and region outside a request."""
    manager: contextlib.AbstractContextManager[None] = request_scope(scope.account, scope.region)
    return manager


def register_service(
    name: str, state: Stateful, answer: Callable[[Scope, Request], Awaitable[Response]]
) -> None:
    """Serve a service under its SigV4 name and save its state with the others'."""
    module = _Module(state, answer)
    app._loaded_modules[name] = module
    app.SERVICE_REGISTRY[name] = {"module": name}
    app.SERVICE_HANDLERS[name] = module.handle_request
    app._state_map[name] = name


def register_role_aliases(aliases: RoleAliases) -> None:
    """Add role aliases to IoT's API and ``AWS::IoT::RoleAlias`` to CloudFormation."""

    async def answer(scope: Scope, request: Request) -> Response:
        return aliases.answer(scope, request)

    register_service("iot_role_aliases", aliases, answer)
    iot_handler = app.SERVICE_HANDLERS["iot"]
    module = app._loaded_modules["iot_role_aliases"]

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Handled:
        chosen = module.handle_request if path.startswith(ROLE_ALIASES_PATH) else iot_handler
        handled: Handled = await chosen(method, path, headers, body, query)
        return handled

    app.SERVICE_HANDLERS["iot"] = handle
    provisioners._RESOURCE_HANDLERS["AWS::IoT::RoleAlias"] = _role_alias_provisioner(aliases)


def _role_alias_provisioner(aliases: RoleAliases) -> dict[str, Any]:
    def given(logical_id: str, props: dict[str, Any], stack: str) -> dict[str, Any]:
        params = {
            "roleAlias": props.get("RoleAlias") or provisioners._physical_name(stack, logical_id),
            "roleArn": props["RoleArn"],
        }
        if "CredentialDurationSeconds" in props:
            params["credentialDurationSeconds"] = int(props["CredentialDurationSeconds"])
        return params

    def create(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        try:
            made = aliases.create(current_scope(), given(logical_id, props, stack))
        except ServiceError as error:
            raise ValueError(error.message) from error
        return made["roleAlias"], {"RoleAliasArn": made["roleAliasArn"]}

    def update(
        physical_id: str, _old: dict[str, Any], props: dict[str, Any], stack: str, logical_id: str
    ) -> tuple[str, dict[str, Any]]:
        params = given(logical_id, props, stack)
        if params["roleAlias"] != physical_id:
            return create(logical_id, props, stack)
        made = aliases.update(current_scope(), params)
        return physical_id, {"RoleAliasArn": made["roleAliasArn"]}

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        with contextlib.suppress(ServiceError):
            aliases.delete(current_scope(), {"roleAlias": physical_id})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def listen_to_broker(listener: Listener) -> None:
    """Call ``listener`` with every message anyone publishes on the MQTT broker."""
    publish = iot.broker_publish

    async def publish_and_tell(
        account_id: str, region: str, topic: str, payload: bytes, *args: Any, **kwargs: Any
    ) -> None:
        listener(Scope(account_id, region), topic, payload)
        await publish(account_id, region, topic, payload, *args, **kwargs)

    iot.broker_publish = publish_and_tell


def bind_broker_to_loopback() -> None:
    """Make the MQTT listener bind 127.0.0.1; ministack has 0.0.0.0 written into its start."""

    async def start_on_loopback() -> None:
        if iot._mtls_server is not None:
            return
        loop = asyncio.get_running_loop()
        iot._mtls_server = await loop.create_server(
            iot._MtlsAcceptor, host=LOOPBACK, port=iot._mtls_port()
        )
        iot._mtls_loop = loop

    iot._mtls_start_locked = start_on_loopback


def broker_is_listening() -> bool:
    """Tell whether the MQTT listener is up."""
    return bool(iot.mtls_is_listening())


def ca_certificate() -> str:
    """Give the PEM of the authority that signs device and broker certificates."""
    return str(iot.get_ca_cert_pem())


def server_tls_context(folder: Path) -> ssl.SSLContext:
    """Make a TLS context with the broker's certificate that requires a device certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ca_certificate())
    certificate, key = iot._mtls_ensure_server_cert()
    with tempfile.NamedTemporaryFile("w", suffix=".pem", dir=folder) as chain:
        chain.write(certificate + key)
        chain.flush()
        context.load_cert_chain(chain.name)
    return context


class Device:
    """Who a client certificate stands for."""

    def __init__(self, certificate: bytes) -> None:
        """Look a certificate (DER) up in the registry.

        Raises:
            ServiceError: it is not registered, or not ACTIVE, in exactly one account.
        """
        self.certificate_id = hashlib.sha256(certificate).hexdigest()
        active = iot._mtls_active_registrations(self.certificate_id)
        if len(active) != 1:
            raise ServiceError(
                "AccessDeniedException",
                f"The certificate {self.certificate_id} is refused:"
                f" {iot._mtls_refusal_reason(self.certificate_id)}.",
            )
        account, region, record = active[0]
        self.scope = Scope(account, region)
        self.things = [arn.rsplit("/", 1)[-1] for arn in record.get("attachedThings", [])]

    def allows(self, action: str, resource: str, thing: str) -> bool:
        """Tell whether the policies on the certificate allow an action on an IoT resource."""
        context = iot._mqtt_policy_context(
            self.scope.account, self.scope.region, self.certificate_id, thing
        )
        return bool(
            iot._mqtt_policy_allows(
                self.scope.account, self.scope.region, self.certificate_id, context, action,
                resource,
            )
        )  # fmt: skip


def assume_role(role_arn: str, session_name: str, seconds: int) -> dict[str, Any]:
    """Issue the credentials of a role to IoT's credentials provider.

    Raises:
        ServiceError: the role does not exist, or its trust policy does not name the provider.
    """
    account = role_arn.split(":")[4]
    role_name = role_arn.rsplit("/", 1)[-1]
    with within(Scope(account, get_region())):
        role = iam._roles.get(role_name)
    trust = json.dumps((role or {}).get("AssumeRolePolicyDocument", ""))
    if role is None or CREDENTIALS_PROVIDER not in trust:
        fault = "does not exist" if role is None else f"does not trust {CREDENTIALS_PROVIDER}"
        raise ServiceError("AccessDeniedException", f"Role {role_arn} {fault}.")
    access_key, secret, token = (
        sts._gen_session_access_key(),
        sts._gen_secret(),
        sts._gen_session_token(),
    )
    expires = time.time() + seconds
    sts.register_session(
        access_key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}",
            "UserId": f"{role_name}:{session_name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": expires,
            "AccountId": account,
            "PrincipalType": "AssumedRole",
        },
    )
    return {
        "accessKeyId": access_key,
        "secretAccessKey": secret,
        "sessionToken": token,
        "expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
    }


class MinistackCloud:
    """The rest of the cloud, asked in process (``greengrass.cloud.Cloud``)."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url

    def read_object(self, scope: Scope, bucket: str, key: str) -> bytes | None:
        """Read an S3 object of the account in the region."""
        with within(scope):
            if s3.bucket_region(bucket) != scope.region:
                return None
            content: bytes | None = s3._get_object_data(bucket, key)
            return content

    def function_version(self, scope: Scope, arn: str) -> FunctionVersion | None:
        """Find a published function version."""
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

    def keep_artifact(self, scope: Scope, key: str, content: bytes) -> None:
        """Keep Greengrass's own copy in a bucket of an account that stands for AWS's own."""
        bucket = _artifact_bucket(scope)
        with within(Scope(GREENGRASS_ACCOUNT, scope.region)):
            if s3.bucket_region(bucket) is None:
                s3._create_bucket(bucket, b"", {})
            answer = s3._put_object(bucket, key, content, {})
        if answer[0] >= 400:  # noqa: PLR2004 - the first of HTTP's error statuses
            raise ServiceError("InternalServerException", f"Cannot keep {key}: {answer[2]!r}")

    def artifact_url(self, scope: Scope, key: str) -> str:
        """Sign a URL that reads a kept artifact for an hour."""
        access_key, secret, token = _greengrass_session()
        client = boto3.client(
            "s3",
            endpoint_url=self._endpoint_url,
            region_name=scope.region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=boto3.session.Config(signature_version="s3v4"),
        )
        return str(
            client.generate_presigned_url(
                "get_object",
                Params={"Bucket": _artifact_bucket(scope), "Key": key},
                ExpiresIn=ARTIFACT_URL_SECONDS,
            )
        )

    def target_exists(self, scope: Scope, arn: str) -> bool:
        """Tell whether a thing or thing group exists."""
        with within(scope):
            return iot._job_target_resolve(arn) is not None

    def thing_groups(self, scope: Scope, thing: str) -> dict[str, str]:
        """Map the names of the groups a thing is in to their ARNs."""
        with within(scope):
            names = (iot._things.get(thing) or {}).get("thingGroupNames", [])
            return {name: iot._thing_group_arn(name) for name in names if name in iot._thing_groups}

    async def create_job(self, scope: Scope, job_id: str, request: dict[str, Any]) -> None:
        """Create an IoT job."""
        with within(scope):
            answer = await iot._create_job(job_id, request)
        if answer[0] >= 400:  # noqa: PLR2004 - the first of HTTP's error statuses
            message = json.loads(answer[2]).get("message", answer[2].decode())
            raise ServiceError(
                "ValidationException", f"IoT refused the deployment's job: {message}"
            )

    async def cancel_job(self, scope: Scope, job_id: str) -> None:
        """Cancel a job, with the executions under way."""
        with within(scope):
            job = iot._jobs.get(job_id)
            if job is not None and job["status"] == "IN_PROGRESS":
                await iot._cancel_job(job_id, {}, {"force": "true"})

    def job(self, scope: Scope, job_id: str) -> Job | None:
        """Look a job up."""
        with within(scope):
            record = iot._jobs.get(job_id)
            return None if record is None else Job(record["status"], record["jobArn"])

    def job_execution(self, scope: Scope, job_id: str, thing: str) -> dict[str, Any] | None:
        """Look up how a job went on a thing."""
        with within(scope):
            execution: dict[str, Any] | None = iot.jobs_describe_execution(thing, job_id)
            return execution


def _artifact_bucket(scope: Scope) -> str:
    return f"greengrass-lambda-artifacts-{scope.region}"


def _greengrass_session() -> tuple[str, str, str]:
    access_key, secret, token = (
        sts._gen_session_access_key(),
        sts._gen_secret(),
        sts._gen_session_token(),
    )
    sts.register_session(
        access_key,
        {
            "Arn": f"arn:aws:sts::{GREENGRASS_ACCOUNT}:assumed-role/greengrass/{uuid.uuid4()}",
            "UserId": "greengrass",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + ARTIFACT_URL_SECONDS,
            "AccountId": GREENGRASS_ACCOUNT,
            "PrincipalType": "AssumedRole",
        },
    )
    return access_key, secret, token


def stop_lambda_workers() -> None:
    """End the processes that run Lambda functions."""
    lambda_runtime.reset()
