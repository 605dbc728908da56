"""Check that docs/fleet.md contains only existing commands and options, and a valid plan."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from deeplens.config.rollout import RolloutConfig, timeline

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^deeplens (fleet .+?)(?:\s+#.*)?$", PAGE, re.MULTILINE)))
SUBCOMMANDS = [
    "doctor", "prepare-device", "provision", "releases", "resume", "retire", "status",
    "stop", "teardown", "timeline",
]  # fmt: skip


def fleet(*words: str) -> str:
    done = subprocess.run(
        [ROOT / ".venv/bin/deeplens", "fleet", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.process
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_page_exists_with_its_options(command: str) -> None:
    _, name, *words = re.sub(r'"[^"]*"', "text", command).split()
    shown = fleet(name, "--help")
    assert all(word in shown for word in words if word.startswith("--"))


@pytest.mark.process
@pytest.mark.parametrize(
    "command", [line for line in COMMANDS if line.startswith("deeplens fleet timeline")]
)
def test_a_timeline_of_the_page_works_with_the_committed_files(command: str) -> None:
    assert "all devices of the fleet" in fleet(*command.split()[1:])


def test_the_page_shows_every_subcommand() -> None:
    assert {command.split()[1] for command in COMMANDS} == set(SUBCOMMANDS)


def test_the_plan_of_the_page_is_valid_and_grows() -> None:
    [plan] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    rollout = RolloutConfig(**tomllib.loads(plan)["rollout"])
    moments = timeline(rollout, 1000, {"canaries": 5})
    assert moments[0].exposed_devices == 5
    exposed = [one.exposed_devices for one in moments]
    assert exposed == sorted(exposed)


@pytest.mark.process
def test_a_timeline_needs_no_aws() -> None:
    assert "all devices of the fleet" in fleet("timeline", "dev", "--devices", "10")
