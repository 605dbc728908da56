"""The MQTT broker: its addresses and messages, and the TLS certificates of the listeners."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import asyncio
import json
import ssl
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ministack.services import iot

from local_aws.account_region import Scope

Listener = Callable[[Scope, str, bytes], None]


def listen_to_broker(listener: Listener) -> None:
    """Call ``listener`` with each message published on the MQTT broker."""
    publish = iot.broker_publish

    async def publish_and_notify(
        account_id: str, region: str, topic: str, payload: bytes, *args: Any, **kwargs: Any
    ) -> None:
        listener(Scope(account_id, region), topic, payload)
        await publish(account_id, region, topic, payload, *args, **kwargs)

    iot.broker_publish = publish_and_notify


def bind_broker(addresses: Sequence[str]) -> None:
    """Bind the MQTT listener to these addresses, with TLS from the first byte.

    ministack always binds 0.0.0.0. It also accepts connections without TLS, and upgrades them while
    reading is paused. Python 3.11.2 reads nevertheless and loses the ClientHello. ministack accepts
    clients without a certificate for its default account; this listener rejects them.
    """

    async def start_on_addresses() -> None:
        if iot._mtls_server is not None:
            return
        context = await asyncio.to_thread(iot._mtls_build_ssl_context)
        context.verify_mode = ssl.CERT_REQUIRED
        iot._mtls_server = await asyncio.start_server(
            iot._mtls_handle_conn, host=addresses, port=iot._mtls_port(), ssl=context
        )
        iot._mtls_loop = asyncio.get_running_loop()

    iot._mtls_start_locked = start_on_addresses


def certify_names(names: Iterable[str]) -> None:
    """Add DNS names to the TLS certificate of the listeners."""
    server_names = iot._mtls_server_cert_sans

    def with_names() -> tuple[list[str], list[str]]:
        dns_names, addresses = server_names()
        return list(dict.fromkeys([*dns_names, *names])), addresses

    iot._mtls_server_cert_sans = with_names


def describe_endpoints(host: str, https_port: int) -> None:
    """Replace the results of DescribeEndpoint with the address at which devices reach the emulator.

    ministack returns names that do not resolve. Only the endpoint of the credentials provider
    contains a port, because nucleus lite and classic have separate settings for the ports of MQTT
    and the data plane.
    """
    describe = iot._describe_endpoint
    endpoints = {"iot:Data-ATS": host, "iot:CredentialProvider": f"{host}:{https_port}"}

    def describe_for_devices(query: dict[str, str]) -> Any:
        endpoint = endpoints.get(query.get("endpointType", "iot:Data-ATS"))
        status, headers, body = describe(query)
        if endpoint is not None:
            body = json.dumps({"endpointAddress": endpoint}).encode()
        return status, headers, body

    iot._describe_endpoint = describe_for_devices


def broker_is_listening() -> bool:
    """Return whether the MQTT listener accepts connections."""
    return bool(iot.mtls_is_listening())


def ca_certificate() -> str:
    """Return the CA certificate (PEM) that signs the certificates of devices and the broker."""
    return str(iot.get_ca_cert_pem())


def device_tls_context(folder: Path) -> ssl.SSLContext:
    """Create a TLS context that has the broker's certificate and requires a device certificate."""
    context = server_tls_context(folder)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ca_certificate())
    return context


def server_tls_context(folder: Path) -> ssl.SSLContext:
    """Create a TLS context with the broker's certificate and key, read from a temporary file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = iot._mtls_ensure_server_cert()
    with tempfile.NamedTemporaryFile("w", suffix=".pem", dir=folder) as chain:
        chain.write(certificate + key)
        chain.flush()
        context.load_cert_chain(chain.name)
    return context
