"""`model-tools models` from a user's side: what it prints, and its exit codes."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.promotion.conftest import ROOT, World

pytestmark = [pytest.mark.emulator, pytest.mark.slow]


def models(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where `.local/aws/endpoint.json` leads to the emulator."""
    local = world.folder / ".local" / "aws"
    local.mkdir(parents=True, exist_ok=True)
    (local / "endpoint.json").write_bytes(world.endpoint.read_bytes())
    return subprocess.run(
        [ROOT / ".venv/bin/deeplens", "release", *arguments],
        cwd=world.folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(world.folder),
            "GIT_AUTHOR_NAME": "A Person",
            "GIT_AUTHOR_EMAIL": "person@example.com",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def said(result: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def test_a_release_goes_all_the_way_and_back(world: World) -> None:
    new = world.build("1.1.0")
    world.deploy("production")
    world.pin("dev", new)
    for source, target in (("dev", "staging"), ("staging", "production")):
        world.deploy(source)
        dry = said(models(world, "promote", source, target, "--local", "--dry-run"))
        assert "dry run: nothing was changed" in dry
        assert world.environment(target).digest != new
        done = said(models(world, "promote", source, target, "--local"))
        assert f'+digest = "{new}"' in done
        assert f"cdk deploy '{target}/*'" in done
    world.deploy("production")
    listed = said(models(world, "list", "--local"))
    assert listed.count("healthy: 2026-01-01T00:00:00Z 2 of 2") == 3
    said(models(world, "rollback", "production", "--local", "--reason", "it sees ghosts"))
    assert world.environment("production").digest != new

    history = said(models(world, "history"))
    assert "3 moves; the trail is whole, and every pin is its last move's" in history
    assert "because: it sees ghosts" in history
    assert history.count("by A Person <person@example.com>") == 3
    standing = json.loads(said(models(world, "list", "--local", "--json")))
    assert [one["environment"] for one in standing] == ["dev", "staging", "production"]
    assert standing[2]["pinned"] != standing[2]["deployed"] == new


def test_a_refusal_is_one_line_and_exit_code_1(world: World) -> None:
    world.pin("dev", world.build("1.1.0"))
    text = said(models(world, "promote", "dev", "staging", "--local"), 1)
    assert text.startswith("Error: dev pins")
    assert len(text.splitlines()) == 1


def test_wrong_input_is_exit_code_2(world: World) -> None:
    assert "no such environment" in said(models(world, "promote", "dev", "qa", "--local"), 2)
    assert "no artifact is built here" in said(models(world, "show", "abcdef"), 2)
    assert "Missing option '--reason'" in said(models(world, "rollback", "dev", "--local"), 2)


def test_accounts_that_cannot_be_queried_are_exit_code_1_and_the_pins_are_shown(
    world: World,
) -> None:
    listed = said(models(world, "list"), 1)
    assert listed.count("not known: ") == 3
    assert "no AWS credentials" in said(models(world, "rollback", "dev", "--reason", "x"), 1)


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
    assert "the emulator does not run; start it with `make local-up`" in said(result, 1)


def test_two_releases_are_compared_by_what_differs(world: World) -> None:
    new = world.build("1.1.0")
    world.pin("dev", new)
    text = said(models(world, "diff", "staging", "dev"))
    assert "version: 1.0.0 → 1.1.0" in text
    assert "pinned by: production, staging → dev" in text
    assert "parity" not in text
    assert json.loads(said(models(world, "show", new[:10], "--json")))["pinned by"] == "dev"
