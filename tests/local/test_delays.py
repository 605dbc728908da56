"""A checkout is deployed and destroyed on an emulator that delays asynchronous operations."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from testkit.checkout import ROOT, Checkout, fresh_checkout, virtual_camera, watch

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.walk,
    pytest.mark.timeout(1200),
]

DELAY_SECONDS = 5


@pytest.fixture
def delayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose emulator delays the effect of asynchronous operations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_AWS_DELAYS", str(DELAY_SECONDS))
        with fresh_checkout(tmp_path_factory.mktemp("delayed")) as made:
            yield made


def fleet(checkout: Checkout, *arguments: str) -> str:
    """Run `deeplens fleet … --local` and return the output; fail the test if the command fails."""
    result = subprocess.run(
        [ROOT / ".venv/bin/deeplens", "fleet", *arguments, "--local"],
        cwd=checkout.root,
        env={**os.environ, "PYTHONPATH": str(checkout.root)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_deploy_provision_retire_and_teardown_pass_with_delays(delayed: Checkout) -> None:
    assert "the fleet has no device yet" in delayed.demo("deploy", "dev")
    fleet(delayed, "provision", "dev", "spare")
    with virtual_camera(delayed):
        assert all(message["model"] for message in watch(delayed, 3))
        fleet(delayed, "retire", "dev", "spare", "--yes")
    fleet(delayed, "teardown", "dev", "--yes")
    assert "nothing of dev exists" in fleet(delayed, "teardown", "dev", "--dry-run")
