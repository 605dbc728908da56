"""`deeplens release` prints its results, and ends with the documented exit codes."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.promotion.conftest import ROOT, World, models, output_of

pytestmark = [pytest.mark.emulator, pytest.mark.slow]


def test_a_release_goes_all_the_way_and_back(world: World) -> None:
    new = world.build("1.1.0")
    world.deploy("production")
    world.pin("dev", new)
    for source, target in (("dev", "staging"), ("staging", "production")):
        world.deploy(source)
        dry = output_of(models(world, "promote", source, target, "--local", "--dry-run"))
        assert "dry run: nothing was changed" in dry
        assert world.environment(target).model.digest != new
        done = output_of(models(world, "promote", source, target, "--local"))
        assert f'+digest = "{new}"' in done
        assert f"cdk deploy '{target}/*'" in done
    world.deploy("production")
    listed = output_of(models(world, "list", "--local"))
    assert listed.count("healthy: 2026-01-01T00:00:00Z 2 of 2") == 3
    output_of(models(world, "rollback", "production", "--local", "--reason", "false detections"))
    assert world.environment("production").model.digest != new

    history = output_of(models(world, "history"))
    assert "3 moves; the audit log is valid" in history
    assert "because: false detections" in history
    assert history.count("by A Person <person@example.com>") == 3
    standing = json.loads(output_of(models(world, "list", "--local", "--json")))
    assert [one["environment"] for one in standing] == ["dev", "staging", "production"]
    assert standing[2]["pinned"] != standing[2]["deployed"] == new


def test_a_refusal_is_one_line_and_exit_code_1(world: World) -> None:
    world.pin("dev", world.build("1.1.0"))
    text = output_of(models(world, "promote", "dev", "staging", "--local"), 1)
    assert text.startswith("Error: dev pins")
    assert len(text.splitlines()) == 1


def test_wrong_input_is_exit_code_2(world: World) -> None:
    assert "no environment is called 'qa'" in output_of(
        models(world, "promote", "dev", "qa", "--local"), 2
    )
    assert "no artifact is built here" in output_of(models(world, "show", "abcdef"), 2)
    assert "Missing option '--reason'" in output_of(models(world, "rollback", "dev", "--local"), 2)


def test_accounts_that_cannot_be_queried_are_exit_code_1_and_the_pins_are_shown(
    world: World,
) -> None:
    listed = output_of(models(world, "list"), 1)
    assert listed.count("not known: ") == 3
    assert "no AWS credentials" in output_of(models(world, "rollback", "dev", "--reason", "x"), 1)


def test_an_emulator_that_does_not_run_is_named(world: World, tmp_path: Path) -> None:
    models(world, "list", "--offline")
    (tmp_path / ".local/aws/endpoint.json").unlink()
    result = subprocess.run(
        [ROOT / ".venv/bin/deeplens", "release", "rollback", "dev", "--local", "--reason", "x"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the emulator is not running; start it with `deeplens local up`" in output_of(result, 3)


def test_two_releases_are_compared_by_what_differs(world: World) -> None:
    new = world.build("1.1.0")
    world.pin("dev", new)
    text = output_of(models(world, "diff", "staging", "dev"))
    assert "version: 1.0.0 → 1.1.0" in text
    assert "pinned by: production, staging → dev" in text
    assert "parity" not in text
    assert json.loads(output_of(models(world, "show", new[:10], "--json")))["pinned by"] == "dev"
