"""`local_aws up` rejects invalid options for real devices before the start."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from local_aws.cli import main


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device-ports=8883"], "--device-ports '8883' is not valid: expected three different"),
        (["--device-host=camera.lan"], "--device-host has no effect without --device-ports"),
        (["--device-address=192.0.2.7"], "--device-address has no effect without --device-ports"),
        (["--device-ports", "--device-host=192.0.2.7"], "is an IP address: expected a host name"),
        (["--device-ports", "--device-host=a_b"], "--device-host 'a_b' is not a valid host name"),
        (["--device-ports", "--device-address=lan"], "--device-address 'lan' is not valid"),
    ],
)
def test_a_wrong_option_of_devices_is_one_error(
    tmp_path: Path, words: list[str], message: str
) -> None:
    done = CliRunner().invoke(main, ["--state", str(tmp_path / "aws"), "up", *words])
    assert done.exit_code == 2
    assert done.output.count("Error: ") == 1
    assert message in done.output
    assert not (tmp_path / "aws").exists()


def test_the_variables_are_those_of_the_options(tmp_path: Path) -> None:
    environment = {"LOCAL_AWS_DEVICE_PORTS": "1,2,3", "LOCAL_AWS_DEVICE_HOST": "192.0.2.7"}
    done = CliRunner().invoke(main, ["--state", str(tmp_path / "aws"), "up"], env=environment)
    assert done.exit_code == 2
    assert "--device-host '192.0.2.7' is an IP address" in done.output
