"""Certificates that are attached to one thing exclusively.

ministack ignores the type of the relation between a thing and its principal. It resolves thing
policy variables only if the client id is the thing name. For an exclusive thing, AWS IoT resolves
the variables for any client id.

Source: AWS IoT Developer Guide, "Thing policy variables" and "Associate an AWS IoT thing to an MQTT
client connection"; botocore's model of `AttachThingPrincipal`.
"""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

from typing import Any

from ministack.core.responses import error_response_json, request_scope
from ministack.services import iot

_EXCLUSIVE = "EXCLUSIVE_THING"
# The member of ministack's certificate record that contains the exclusive thing.
_MEMBER = "exclusiveThing"


def support_exclusive_things() -> None:
    """Store exclusive attachments, reject conflicting ones, and resolve thing policy variables."""
    handle, context = iot._handle_thing_principals, iot._mqtt_policy_context

    def handle_principals(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, str]
    ) -> Any:
        thing = path.split("/")[2]
        certificate = _certificate(headers)
        if method == "PUT" and certificate is not None:
            kind = query.get("thingPrincipalType", "NON_EXCLUSIVE_THING")
            others = set(_things(certificate)) - {thing}
            # AWS documents the exclusion, but no error message.
            if others and (kind == _EXCLUSIVE or certificate.get(_MEMBER)):
                return error_response_json(
                    "InvalidRequestException",
                    f"The principal is attached to {', '.join(sorted(others))}; it cannot be "
                    f"attached to {thing} exclusively.",
                    400,
                )
        response = handle(method, path, headers, body, query)
        if certificate is not None:
            if method == "PUT" and query.get("thingPrincipalType") == _EXCLUSIVE:
                certificate[_MEMBER] = thing
            elif method == "DELETE" and certificate.get(_MEMBER) == thing:
                del certificate[_MEMBER]
        return response

    def policy_context(
        account: str, region: str, certificate_id: str, client_id: str
    ) -> dict[str, str]:
        variables: dict[str, str] = context(account, region, certificate_id, client_id)
        with request_scope(account, region):
            certificate = iot._certificates.get(certificate_id) or {}
            thing = certificate.get(_MEMBER)
            if thing in _things(certificate):
                variables["iot:connection.thing.thingname"] = thing
                variables["iot:connection.thing.isattached"] = "true"
        return variables

    iot._handle_thing_principals = handle_principals
    iot._mqtt_policy_context = policy_context


def _certificate(headers: dict[str, str]) -> dict[str, Any] | None:
    principal = headers.get("x-amzn-principal", "")
    record: dict[str, Any] | None = iot._certificates.get(principal.rpartition("/")[2])
    return record


def _things(certificate: dict[str, Any]) -> list[str]:
    return [arn.rpartition("/")[2] for arn in certificate.get("attachedThings", [])]
