"""The fixed ports, host name and address at which real devices reach the emulator.

Sources: aws-greengrass-lite, `modules/iotcored/src/tls.c` (MQTT connects to port 8883, whatever the
configuration is) and `modules/tesd/src/token_service.c` (at most 128 characters of
`iotCredEndpoint`); AWS IoT Greengrass V2 Developer Guide, "Allow device traffic through a proxy or
firewall".
"""

import errno
import ipaddress
import re
import socket
from dataclasses import dataclass

from botocore.session import get_session

from local_aws.process.ports import LOOPBACK

STANDARD = "8883,8443,9443"
DEFAULT_HOST = "localhost"
_PORTS = range(1, 65_536)
_PORTS_FORM = "three different ports MQTT,HTTPS,S3 from 1 to 65535, such as 8883,8443,9443"
# The maximum length of a host name in characters. Nucleus lite reads at most 128 characters of
# `iotCredEndpoint`, which includes the port.
_LONGEST_HOST = 128 - len(":65535")
_NUMBERS = re.compile("[0-9]{1,5}(,[0-9]{1,5})*")
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_AWS = "amazonaws.com"
_EVERY_IPV4_ADDRESS = "0.0.0.0"  # noqa: S104 - used only if the user requests this address


class DeviceAccessError(Exception):
    """Raised if the emulator cannot offer a requested port, host name or address to devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAccess:
    """The ports, host name and address at which real devices reach the emulator.

    The address belongs to a network interface. The emulator also listens on loopback.
    """

    mqtt_port: int
    https_port: int
    s3_port: int
    host: str = DEFAULT_HOST
    address: str = LOOPBACK

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the addresses to listen on, including loopback for virtual cores."""
        if self.address in {LOOPBACK, _EVERY_IPV4_ADDRESS}:
            return (self.address,)
        return (LOOPBACK, self.address)

    @property
    def is_exposed(self) -> bool:
        """Return whether other machines can connect."""
        return not ipaddress.ip_address(self.address).is_loopback

    def notes(self) -> list[str]:
        """Return the lines that `up` prints about the ports of real devices."""
        listens = (
            f"emulator: real devices connect to {self.host}: ports {self.mqtt_port} (MQTT), "
            f"{self.https_port} (HTTPS) and {self.s3_port} (S3) of {' and '.join(self.addresses)}; "
            "docs/real-device.md"
        )
        exposed = (
            f"emulator: warning: other machines can connect to {self.address}; a device's "
            "certificate, or the signature of a request to S3, authorizes them"
        )
        return [listens, exposed] if self.is_exposed else [listens]

    def require_free_ports(self) -> None:
        """Check that this process can listen on each port.

        Raises:
            DeviceAccessError: a port is in use or requires root, or the address does not belong to
                this machine.
        """
        for port in (self.mqtt_port, self.https_port, self.s3_port):
            for address in self.addresses:
                _require(address, port)


def device_access(ports: str, host: str = DEFAULT_HOST, address: str = LOOPBACK) -> DeviceAccess:
    """Parse the values of --device-ports, --device-host and --device-address.

    Args:
        ports: the ports of MQTT, HTTPS and S3, separated by commas; "1" is 8883,8443,9443.
        host: the name under which devices reach this machine.
        address: the IP address to listen on.

    Raises:
        DeviceAccessError: a value is not valid.
    """
    mqtt_port, https_port, s3_port = _ports(STANDARD if ports == "1" else ports)
    return DeviceAccess(
        mqtt_port=mqtt_port,
        https_port=https_port,
        s3_port=s3_port,
        host=_host_name(host),
        address=_address(address),
    )


def _ports(text: str) -> tuple[int, int, int]:
    numbers = [int(part) for part in text.split(",")] if _NUMBERS.fullmatch(text) else []
    match numbers:
        case [mqtt, https, s3] if len({*numbers}) == len(numbers) and {*numbers} <= {*_PORTS}:
            return mqtt, https, s3
    raise DeviceAccessError(
        f"--device-ports {text!r} is not valid: expected {_PORTS_FORM}, or 1 for these"
    )


def _host_name(text: str) -> str:
    name = text.lower()
    if _is_address(text):
        raise DeviceAccessError(
            f"--device-host {text!r} is an IP address: expected a host name, because nucleus lite "
            "verifies the certificate of the broker by name; give the device a name for the "
            "address in its /etc/hosts"
        )
    if len(name) > _LONGEST_HOST or not _HOST.fullmatch(name):
        raise DeviceAccessError(
            f"--device-host {text!r} is not a valid host name: expected at most {_LONGEST_HOST} "
            "letters, digits, '-' and '.', such as localhost or emulator.lan"
        )
    return name


def _address(text: str) -> str:
    if not _is_address(text):
        raise DeviceAccessError(
            f"--device-address {text!r} is not valid: expected an IP address of this machine, "
            "such as 192.0.2.7, or 0.0.0.0 for all; `ip -brief address` lists them"
        )
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens on a port of an IPv4 or IPv6 address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family)


def aws_host_names() -> list[str]:
    """Return the AWS host names of all Regions that devices use regardless of their configuration.

    The global host name of S3 belongs to us-east-1. As on AWS, no certificate is valid for a bucket
    with a dot in its name.
    """
    regions = get_session().get_available_regions("s3")
    by_region = [
        (f"*.s3.{region}.{_AWS}", f"greengrass-ats.iot.{region}.{_AWS}") for region in regions
    ]
    return [f"*.s3.{_AWS}", *(name for names in by_region for name in names)]


def _require(address: str, port: int) -> None:
    try:
        listening(address, port).close()
    except OSError as error:
        raise DeviceAccessError(_reason(error, address, port)) from None


def _reason(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {address} is in use: `ss -ltnp 'sport = :{port}'` names the program; "
            f"stop it, or choose other ports with --device-ports MQTT,HTTPS,S3"
        )
    if error.errno == errno.EACCES:
        return (
            f"port {port} needs root: choose a port from 1024 on, and forward {port} to it "
            "(docs/real-device.md, ports below 1024)"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"--device-address {address} is not an address of this machine: "
            "`ip -brief address` lists them"
        )
    return f"port {port} of {address} cannot be opened: {error.strerror or error}"
