"""The MQTT broker: on loopback only, overheard, and the certificates it shares."""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

import asyncio
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.services import iot

from local_aws.scope import Scope

LOOPBACK = "127.0.0.1"

Listener = Callable[[Scope, str, bytes], None]


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
    """Make the MQTT listener bind 127.0.0.1, with TLS from its first connection on.

    ministack has 0.0.0.0 written into its start. It also accepts in plain and upgrades later, for
    which it pauses reading; Python 3.11.2 reads all the same, and the client's hello is lost.
    """

    async def start_on_loopback() -> None:
        if iot._mtls_server is not None:
            return
        iot._mtls_server = await asyncio.start_server(
            iot._mtls_handle_conn,
            host=LOOPBACK,
            port=iot._mtls_port(),
            ssl=await asyncio.to_thread(iot._mtls_build_ssl_context),
        )
        iot._mtls_loop = asyncio.get_running_loop()

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
