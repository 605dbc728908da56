"""The identity of a core device: certificate, core software and numbering."""

from typing import Any

import pytest

from local_aws.core_device.layout import Identity
from local_aws.core_device.provisioning import provision
from testkit.waiting import eventually
from tests.emulator.core_device.conftest import Core
from tests.emulator.running_emulator import ACCOUNT, REGION

pytestmark = pytest.mark.emulator


def test_another_core_software_keeps_the_certificate_and_the_numbering(
    core: Core, iot: Any, greengrass: Any
) -> None:
    eventually(core.layout.health_sequence.is_file)
    core.stop()
    before = core.layout.read_identity()
    number = core.layout.health_sequence.read_text()
    lite_identity = Identity(core.thing, core.thing, ACCOUNT, REGION, core.thing, "", "lite")
    assert provision(iot, core.layout, lite_identity, core.thing) is False
    after = core.layout.read_identity()
    assert (before.core_runtime, after.core_runtime) == ("classic", "lite")
    assert after.certificate_id == before.certificate_id
    assert core.layout.health_sequence.read_text() == number
    core.start()
    name = {"coreDeviceThingName": core.thing}
    eventually(lambda: greengrass.get_core_device(**name)["runtime"] == "aws_nucleus_lite")


def test_a_device_that_is_set_up_again_numbers_its_messages_from_the_beginning(
    core: Core, iot: Any
) -> None:
    eventually(core.layout.health_sequence.is_file)
    core.stop()
    identity = core.layout.read_identity()
    core.layout.config.unlink()
    assert provision(iot, core.layout, identity, core.thing) is True
    assert not core.layout.health_sequence.exists()
    assert core.layout.read_identity().certificate_id != identity.certificate_id


def test_a_program_that_is_not_an_interpreter_is_one_error(core: Core) -> None:
    cores = str(core.layout.root.parent)
    options = ["--thing", core.thing, "--cores", cores, "--device-python", "/bin/false"]
    ended = core.aws.command("core", "run", *options)
    assert ended.returncode == 1
    assert "Error: --device-python /bin/false is not a Python interpreter" in ended.stderr
