"""The ports, host name and address for real devices are valid values or errors."""

import errno
import ipaddress
import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.devices.access import (
    DeviceAccess,
    DeviceAccessError,
    aws_host_names,
    device_access,
    listening,
)

PORTS = st.integers(1, 65_535)


def test_1_means_the_fixed_ports() -> None:
    assert device_access("1") == DeviceAccess(mqtt_port=8883, https_port=8443, s3_port=9443)


@given(st.lists(PORTS, min_size=3, max_size=3, unique=True))
def test_three_different_ports_are_taken_as_they_are(ports: list[int]) -> None:
    access = device_access(",".join(str(port) for port in ports))
    assert [access.mqtt_port, access.https_port, access.s3_port] == ports


@given(
    st.text(max_size=30)
    | st.lists(st.integers(-9, 70_000), max_size=5).map(lambda some: ",".join(map(str, some)))
)
def test_other_texts_are_one_error_that_names_what_works(text: str) -> None:
    numbers = text.split(",") if all(part.isdecimal() for part in text.split(",")) else []
    ports = {int(number) for number in numbers if number.isascii()}
    is_valid = len(ports) == len(numbers) == 3 and ports <= set(range(1, 65_536))
    if not is_valid and text != "1":
        with pytest.raises(DeviceAccessError, match="three different ports MQTT") as caught:
            device_access(text)
        assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["8883", "8883,8443", "1,2,3,4", "1,1,2", "0,1,2", "1,2,65536",
                                  "1, 2, 3", "", "a,b,c", "1,2,", "\u0661,2,3"])  # fmt: skip
def test_wrong_ports_are_rejected(text: str) -> None:
    with pytest.raises(DeviceAccessError, match="is not valid: expected three different ports"):
        device_access(text)


@pytest.mark.parametrize("name", ["localhost", "emulator.lan", "a-1.example", "Emulator.LAN"])
def test_a_host_name_is_lower_case(name: str) -> None:
    assert device_access("1", name).host == name.lower()


@pytest.mark.parametrize("name", ["", "a b", "-a", "a..b", "a:8443", "https://a", "a_b", "a" * 64,
                                  ".".join(["a" * 60] * 3)])  # fmt: skip
def test_a_text_that_is_not_a_host_name_is_rejected(name: str) -> None:
    with pytest.raises(DeviceAccessError, match="is not a valid host name: expected at most 122"):
        device_access("1", name)


@given(st.ip_addresses())
def test_an_address_is_not_a_host_name(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    with pytest.raises(DeviceAccessError, match="is an IP address: expected a host name"):
        device_access("1", str(address))


@given(st.from_regex(r"[a-z0-9.-]{1,130}", fullmatch=True))
def test_each_accepted_name_fits_the_endpoint_that_nucleus_lite_reads(name: str) -> None:
    try:
        access = device_access("1", name)
    except DeviceAccessError:
        return
    assert len(f"{access.host}:65535") <= 128


@pytest.mark.parametrize("address", ["", "localhost", "192.0.2", "192.0.2.0/24"])
def test_a_text_that_is_not_an_address_is_rejected(address: str) -> None:
    with pytest.raises(DeviceAccessError, match="expected an IP address of this machine"):
        device_access("1", address=address)


@pytest.mark.parametrize(
    ("address", "addresses", "is_exposed"),
    [
        ("127.0.0.1", ("127.0.0.1",), False),
        ("127.0.0.2", ("127.0.0.1", "127.0.0.2"), False),
        ("192.0.2.7", ("127.0.0.1", "192.0.2.7"), True),
        ("0.0.0.0", ("0.0.0.0",), True),  # noqa: S104 - the test opens no socket
        ("::1", ("127.0.0.1", "::1"), False),
        ("::", ("127.0.0.1", "::"), True),
    ],
)
def test_loopback_is_served_besides_the_address_and_others_are_a_warning(
    address: str, addresses: tuple[str, ...], *, is_exposed: bool
) -> None:
    access = device_access("1", address=address)
    assert access.addresses == addresses
    warnings = [note for note in access.notes() if "warning" in note]
    assert len(warnings) == is_exposed
    assert all(address in note for note in warnings)


def test_free_ports_are_no_error_and_stay_free() -> None:
    probes = [listening("127.0.0.1", 0) for _ in range(3)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    access = device_access(",".join(str(port) for port in ports))
    access.require_free_ports()
    access.require_free_ports()


def test_a_port_in_use_is_named_with_the_command_that_finds_the_program() -> None:
    with listening("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        access = DeviceAccess(mqtt_port=port, https_port=8443, s3_port=9443)
        with pytest.raises(DeviceAccessError) as caught:
            access.require_free_ports()
    assert f"port {port} of 127.0.0.1 is in use: `ss -ltnp 'sport = :{port}'`" in str(caught.value)


def test_an_address_of_another_machine_is_an_error() -> None:
    access = device_access("1,2,3", address="192.0.2.7")
    error = OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_server", _raises(error))
        with pytest.raises(DeviceAccessError, match="is not an address of this machine"):
            access.require_free_ports()


def test_a_port_below_1024_is_an_error_that_names_the_way() -> None:
    error = PermissionError(errno.EACCES, "Permission denied")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_server", _raises(error))
        with pytest.raises(DeviceAccessError) as caught:
            device_access("8883,8443,443").require_free_ports()
    assert "port 8883 needs root: choose a port from 1024 on" in str(caught.value)
    assert "docs/real-device.md" in str(caught.value)


def _raises(error: OSError) -> object:
    def create_server(*_: object, **__: object) -> socket.socket:
        raise error

    return create_server


def test_the_names_of_aws_are_those_of_s3_and_of_the_data_plane() -> None:
    names = aws_host_names()
    assert "*.s3.eu-central-1.amazonaws.com" in names
    assert "greengrass-ats.iot.eu-central-1.amazonaws.com" in names
    pattern = r"(\*\.s3(\.[a-z0-9-]+)?|greengrass-ats\.iot\.[a-z0-9-]+)\.amazonaws\.com"
    assert [name for name in names if not re.fullmatch(pattern, name)] == []
