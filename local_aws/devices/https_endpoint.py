"""The HTTPS endpoint for devices: IoT's credentials provider and Greengrass' data plane."""

import re
import ssl
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web

from local_aws import json_text
from local_aws.account_region import Scope
from local_aws.authorization.checks import Check
from local_aws.devices.connection_log import CONNECTIONS
from local_aws.errors import ServiceError
from local_aws.ministack_hooks.cloud import MinistackCloud
from local_aws.ministack_hooks.identity import Device, assume_role
from local_aws.service_protocol import Request
from local_aws.services.greengrass.service import Greengrass
from local_aws.services.role_aliases import RoleAliases
from local_aws.transcripts.traffic import Traffic

_THING_HEADER = "x-amzn-iot-thingname"
_CREDENTIALS = re.compile(r"/role-aliases/(?P<alias>[^/]+)/credentials")
_GROUPS = re.compile(r"/greengrass/v2/coreDevices/(?P<thing>[^/]+)/thingGroups")
_DATA_PLANE = frozenset({"ResolveComponentCandidates", "GetComponentVersionArtifact"})
_LARGEST_REQUEST_BYTES = 10 * 1024 * 1024


class DeviceEndpoint:
    """An HTTPS server that requires a device certificate from each client."""

    def __init__(
        self, greengrass: Greengrass, aliases: RoleAliases, cloud: MinistackCloud, traffic: Traffic
    ) -> None:
        self._greengrass = greengrass
        self._aliases = aliases
        self._cloud = cloud
        self._traffic = traffic
        self._runner: web.AppRunner | None = None

    async def start(self, context: ssl.SSLContext, addresses: Sequence[str], port: int) -> None:
        """Listen on the port on each address."""
        application = web.Application(client_max_size=_LARGEST_REQUEST_BYTES)
        application.router.add_route("*", "/{path:.*}", self._respond_and_report)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=1, logger=CONNECTIONS
        )
        await self._runner.setup()
        for address in addresses:
            await web.TCPSite(self._runner, address, port, ssl_context=context).start()

    async def stop(self) -> None:
        """Stop listening and close the server."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _respond_and_report(self, request: web.Request) -> web.Response:
        response = await self._respond(request)
        things, scope = _sender(request)
        for thing in things:
            self._store_session(request, response, scope, thing)
            if thing in self._traffic.followed(scope):
                sent: dict[str, Any] = {"from": "device", "https": request.method}
                sent["path"] = request.path_qs
                if _THING_HEADER in request.headers:
                    sent["headers"] = {_THING_HEADER: request.headers[_THING_HEADER]}
                if body := await request.read():
                    sent["body"] = _value(body)
                received = {"from": "cloud", "https": response.status, "body": _body(response)}
                self._traffic.add(scope, thing, sent, received)
        return response

    def _store_session(
        self, request: web.Request, response: web.Response, scope: Scope, thing: str
    ) -> None:
        """Store the thing of a new session, to attribute the session's S3 requests to the thing."""
        if _CREDENTIALS.fullmatch(request.path) and response.status == HTTPStatus.OK:
            key = _body(response)["credentials"]["accessKeyId"]
            self._traffic.remember_session(key, scope, thing)

    async def _respond(self, request: web.Request) -> web.Response:
        try:
            device = Device(_certificate(request))
            if match := _CREDENTIALS.fullmatch(request.path):
                return self._credentials(device, match["alias"], request)
            if match := _GROUPS.fullmatch(request.path):
                return self._thing_groups(device, match["thing"])
            return await self._data_plane(device, request)
        except ServiceError as error:
            status = 403 if error.code == "AccessDeniedException" else 400
            return web.json_response(
                {"message": error.message},
                status=status,
                headers={"x-amzn-ErrorType": error.code},
            )

    def _credentials(self, device: Device, alias: str, request: web.Request) -> web.Response:
        thing = request.headers.get(_THING_HEADER)
        if thing is None or thing not in device.things:
            raise _denied(
                f"Header {_THING_HEADER} names {thing!r}, but the certificate is attached to"
                f" {device.things or 'no thing'}."
            )
        record = self._aliases.find(device.scope, alias)
        if record is None:
            raise _denied(f"Role alias {alias} does not exist in {device.scope}.")
        if not device.allows("iot:AssumeRoleWithCertificate", f"rolealias/{alias}", thing):
            raise _denied(
                f"No policy on the certificate allows iot:AssumeRoleWithCertificate on"
                f" {record['roleAliasArn']}."
            )
        seconds = int(record["credentialDurationSeconds"])
        credentials = assume_role(
            record["roleArn"], device.certificate_id[:32], seconds, record["roleAliasArn"]
        )
        return web.json_response({"credentials": credentials})

    def _thing_groups(self, device: Device, thing: str) -> web.Response:
        if thing not in device.things:
            raise _denied(f"The certificate is attached to {device.things}, not to {thing}.")
        _check(device, "greengrass:ListThingGroupsForCoreDevice")
        groups = self._cloud.thing_groups(device.scope, thing)
        listed = [{"thingGroupName": name, "thingGroupArn": arn} for name, arn in groups.items()]
        return web.json_response({"thingGroups": listed})

    async def _data_plane(self, device: Device, request: web.Request) -> web.Response:
        route = self._greengrass.protocol.route(request.method, request.path)
        if route is None or route[0].name not in _DATA_PLANE:
            raise ServiceError(
                "UnknownOperationException",
                f"{request.method} {request.path} is not an operation of devices.",
            )
        response = await self._greengrass.respond(
            device.scope,
            Request(
                request.method,
                request.path,
                {name.lower(): value for name, value in request.headers.items()},
                await request.read(),
                {name: request.query.getall(name) for name in request.query},
            ),
            partial(_authorize, device),
        )
        return web.Response(status=response.status, headers=response.headers, body=response.body)


def _sender(request: web.Request) -> tuple[list[str], Scope]:
    """Return the things of a valid certificate, and its account and Region; otherwise no things."""
    try:
        device = Device(_certificate(request))
        return list(device.things), device.scope
    except ServiceError:
        return [], Scope("", "")


def _body(response: web.Response) -> Any:
    body = response.body
    return _value(body) if isinstance(body, bytes) else None


def _value(body: bytes) -> Any:
    """Return the JSON value of a body, or its text if it is not JSON."""
    try:
        return json_text.parse(body)
    except ValueError:
        return body.decode(errors="replace")


def _certificate(request: web.Request) -> bytes:
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    certificate: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
    if certificate is None:
        raise _denied("The connection has no client certificate.")
    return certificate


def _check(device: Device, action: str) -> None:
    thing = device.things[0] if device.things else ""
    if not device.allows(action, "*", thing):
        raise _denied(f"No policy on the certificate allows {action}.")


def _authorize(device: Device, check: Check) -> None:
    """Check the action on ``*``, the only resource of data plane operations in IoT policies."""
    _check(device, check.action)


def _denied(message: str) -> ServiceError:
    return ServiceError("AccessDeniedException", message)
