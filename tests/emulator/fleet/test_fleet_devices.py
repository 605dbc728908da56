"""`deeplens fleet provision` and `retire` work with the deployed Devices stack of dev."""

import asyncio
import json
import queue
import shutil
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from local_aws.core_device.device import CoreDevice
from local_aws.core_device.layout import Identity, Layout
from local_aws.process.endpoint import Endpoint
from testkit.waiting import HANG_SECONDS, eventually
from tests.emulator.fleet.forked_deeplens import Cli, make_cli
from tests.emulator.fleet.proxy import Answer, Request, proxy
from tests.emulator.running_emulator import ACCOUNT, REGION, Emulator

pytestmark = pytest.mark.emulator

GROUP = "deeplens-dev"


@pytest.fixture
def cli(aws: Emulator, devices_stack: None, tmp_path: Path) -> Cli:
    del devices_stack
    return make_cli(aws, tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def active_certificates(iot: Any, thing: str) -> list[str]:
    arns = iot.list_thing_principals(thingName=thing)["principals"]
    ids = [arn.rpartition("/")[2] for arn in arns]
    return [
        id_
        for id_ in ids
        if iot.describe_certificate(certificateId=id_)["certificateDescription"]["status"]
        == "ACTIVE"
    ]


def test_a_device_gets_a_key_of_its_own_that_nobody_else_may_read(
    cli: Cli, iot: Any, unique: str
) -> None:
    made = json.loads(cli("provision", "dev", unique, "--json"))
    folder = cli.files(unique)
    assert made["issued"]
    assert mode(folder) == 0o700
    assert mode(folder / "private.pem.key") == 0o600
    key = serialization.load_pem_private_key((folder / "private.pem.key").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((folder / "device.pem.crt").read_bytes())
    assert certificate.public_key() == key.public_key()
    assert active_certificates(iot, unique) == [made["certificate_id"]]
    assert unique in iot.list_things_in_thing_group(thingGroupName=GROUP)["things"]
    config = (folder / "config.yaml").read_text()
    assert f'thingName: "{unique}"' in config
    assert 'iotRoleAlias: "deeplens-dev-token-exchange"' in config
    assert b"BEGIN CERTIFICATE" in (folder / "AmazonRootCA1.pem").read_bytes()


def test_the_private_key_never_leaves_the_machine(aws: Emulator, cli: Cli, unique: str) -> None:
    """No request contains the private key; a proxy records all requests for the check."""
    sent: list[bytes] = []

    def keep(request: Request, pass_on: Callable[[], Answer]) -> Answer:
        sent.append(request.text)
        return pass_on()

    with proxy(aws, keep) as url:
        cli.environment["AWS_ENDPOINT_URL"] = url
        cli("provision", "dev", unique)
    pem = (cli.files(unique) / "private.pem.key").read_bytes()
    key: Any = serialization.load_pem_private_key(pem, None)
    number = key.private_numbers().private_value
    secrets = [pem.splitlines()[1], str(number).encode(), f"{number:x}".encode(),
               number.to_bytes(32, "big")]  # fmt: skip
    assert any(b"BEGIN CERTIFICATE REQUEST" in request for request in sent)
    assert not any(secret in request for request in sent for secret in secrets)


def test_to_provision_again_changes_nothing(cli: Cli, iot: Any, unique: str) -> None:
    first = json.loads(cli("provision", "dev", unique, "--json"))
    key = (cli.files(unique) / "private.pem.key").read_bytes()
    again = json.loads(cli("provision", "dev", unique, "--json"))
    assert not again["issued"]
    assert again["certificate_id"] == first["certificate_id"]
    assert (cli.files(unique) / "private.pem.key").read_bytes() == key
    assert len(active_certificates(iot, unique)) == 1


def test_lost_files_mean_a_new_certificate_and_a_word_about_the_old_one(
    cli: Cli, iot: Any, unique: str
) -> None:
    cli("provision", "dev", unique)
    shutil.rmtree(cli.files(unique))
    output = cli("provision", "dev", unique)
    assert "issued" in output
    assert "has 1 more active certificate(s)" in output
    assert len(active_certificates(iot, unique)) == 2


def test_a_core_device_connects_with_the_certificate(
    aws: Emulator, cli: Cli, unique: str, tmp_path: Path
) -> None:
    made = json.loads(cli("provision", "dev", unique, "--json"))
    layout = Layout.of(unique, tmp_path / "cores")
    layout.write_identity(
        Identity(
            unique, GROUP, ACCOUNT, REGION, "deeplens-dev-token-exchange", made["certificate_id"]
        )
    )
    shutil.copy(cli.files(unique) / "private.pem.key", layout.private_key)
    shutil.copy(cli.files(unique) / "device.pem.crt", layout.certificate)
    switch: queue.Queue[Callable[[], object]] = queue.Queue()

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        switch.put(lambda: loop.call_soon_threadsafe(stop.set))
        await CoreDevice(Endpoint(**aws.endpoint), layout, Path(sys.executable), None).run(stop)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        greengrass = aws.client("greengrassv2")

        def has_joined() -> bool:
            assert thread.is_alive()
            listed = greengrass.list_core_devices()["coreDevices"]
            return unique in {device["coreDeviceThingName"] for device in listed}

        eventually(has_joined, "the device does not join", pause=0.1)
    finally:
        switch.get(timeout=HANG_SECONDS)()
        thread.join(HANG_SECONDS)

    cli("retire", "dev", unique, "--yes")
    listed = aws.client("greengrassv2").list_core_devices()["coreDevices"]
    assert unique not in {device["coreDeviceThingName"] for device in listed}


def test_a_retired_device_has_no_certificate_no_thing_and_no_files(
    cli: Cli, iot: Any, unique: str
) -> None:
    certificate = json.loads(cli("provision", "dev", unique, "--json"))["certificate_id"]
    assert "would retire" in cli("retire", "dev", unique, "--dry-run")
    assert active_certificates(iot, unique) == [certificate]

    cli("retire", "dev", unique, "--yes")
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_certificate(certificateId=certificate)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=unique)
    assert not cli.files(unique).exists()
    assert "there is no thing" in cli("retire", "dev", unique, "--yes", code=1)


def test_a_thing_that_the_environment_lists_stays(cli: Cli, iot: Any, unique: str) -> None:
    file = cli.folder / "environments/dev.toml"
    file.write_text(
        file.read_text().replace(
            'thing_group = "deeplens-dev"', f'thing_group = "deeplens-dev"\nthings = ["{unique}"]'
        )
    )
    assert json.loads(cli("provision", "dev", unique, "--json"))["expected"]
    assert "the thing stays" in cli("retire", "dev", unique, "--yes")
    assert iot.describe_thing(thingName=unique)
    assert unique not in iot.list_things_in_thing_group(thingGroupName=GROUP)["things"]


def test_a_device_of_another_fleet_is_left_alone(cli: Cli, iot: Any, unique: str) -> None:
    iot.create_thing_group(thingGroupName=f"other-{unique}")
    iot.create_thing(thingName=unique)
    iot.add_thing_to_thing_group(thingGroupName=f"other-{unique}", thingName=unique)
    output = cli("retire", "dev", unique, "--yes", code=1)
    assert f"{unique} is not in {GROUP}, but in other-{unique}" in output


def test_a_folder_of_another_device_is_refused(cli: Cli, unique: str) -> None:
    first, second = f"{unique}-1", f"{unique}-2"
    cli("provision", "dev", first)
    there = str(cli.files(first))
    assert f"has the certificate of {first}" in cli(
        "provision", "dev", second, "--out", there, code=1
    )
    cli("provision", "dev", second)
    assert "the certificate of another device" in cli(
        "retire", "dev", second, "--yes", "--out", there, code=1
    )
    assert (cli.files(first) / "private.pem.key").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("dev", "a thing"), "is not a valid name of a thing"),
        (("dev", "../../etc"), "is not a valid name of a thing"),
        (("nowhere", "cam"), "no such environment file; there are: dev"),
        (("dev", "cam", "--core-root", "greengrass"), "expected an absolute path"),
        (("dev", "cam", "--root-ca", "environments/dev.toml"), "not a certificate in PEM"),
        (("dev", "cam", "--out", "environments/dev.toml"), "is a file"),
    ],
)
def test_what_is_wrong_is_one_clear_error(
    cli: Cli, words: tuple[str, ...], expected: str, iot: Any
) -> None:
    output = cli("provision", *words, code=2)
    assert expected in output
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName="cam")


def test_a_fleet_that_is_not_deployed_says_what_to_deploy(cli: Cli, unique: str) -> None:
    text = (cli.folder / "environments/dev.toml").read_text()
    (cli.folder / f"environments/x-{unique[:6]}.toml").write_text(
        text.replace("deeplens-dev", "deeplens-x")
    )
    output = cli("provision", f"x-{unique[:6]}", "cam", code=1)
    assert f"`cdk deploy 'x-{unique[:6]}/Devices'` first" in output


def test_without_credentials_or_network_it_says_so(cli: Cli) -> None:
    cli.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    cli.environment["AWS_MAX_ATTEMPTS"] = "1"
    assert "AWS did not answer" in cli("provision", "dev", "cam", code=1)
    del cli.environment["AWS_ACCESS_KEY_ID"], cli.environment["AWS_SECRET_ACCESS_KEY"]
    cli.environment |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(cli.folder)}
    assert "Unable to locate credentials" in cli("provision", "dev", "cam", code=1)


def test_a_certificate_that_cannot_be_attached_is_taken_back(
    cli: Cli, iot: Any, unique: str
) -> None:
    """If a certificate cannot be attached, no certificate remains.

    In this test, the environment's thing group does not exist.
    """
    before = {
        certificate["certificateId"] for certificate in iot.list_certificates()["certificates"]
    }
    text = (cli.folder / "environments/dev.toml").read_text()
    (cli.folder / "environments/dev.toml").write_text(
        text.replace('thing_group = "deeplens-dev"', 'thing_group = "deeplens-gone"')
    )
    output = cli("provision", "dev", unique, code=1)
    assert "cannot join" in output
    assert {
        certificate["certificateId"] for certificate in iot.list_certificates()["certificates"]
    } == before
    assert not (cli.files(unique) / "private.pem.key").exists()
