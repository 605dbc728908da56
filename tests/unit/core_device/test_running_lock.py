"""A core device runs in one process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from local_aws.core_device.errors import CoreDeviceError, NotProvisioned
from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.running_lock import exclusive, running_process

pytestmark = pytest.mark.process

_HOLDER = """
import sys
from local_aws.core_device.running_lock import exclusive
from local_aws.core_device.layout import Layout
from pathlib import Path
with exclusive(Layout(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.write_identity(Identity("dev-camera-1", "deeplens-dev", "1", "eu-central-1", "a", "c"))
    return layout


def test_a_second_process_is_refused_until_the_first_one_is_killed(layout: Layout) -> None:
    assert running_process(layout) is None
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(layout.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert running_process(layout) == str(holder.pid)
        expected = rf"dev-camera-1 is already running \(process {holder.pid}\): stop it, or"
        with pytest.raises(CoreDeviceError, match=expected), exclusive(layout):
            pass
        holder.kill()
        holder.wait()
    assert running_process(layout) is None
    with exclusive(layout):
        pass


def test_a_device_without_an_identity_is_not_held(tmp_path: Path) -> None:
    with pytest.raises(NotProvisioned), exclusive(Layout(tmp_path)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_core_software_is_one_error(layout: Layout) -> None:
    text = layout.config.read_text().replace('"classic"', '"heavy"')
    layout.config.write_text(text)
    with pytest.raises(NotProvisioned, match="'heavy' is not a core software: expected classic or"):
        layout.read_identity()
