"""A challenger runs on a part of the cameras, and the better of two releases is promoted."""

import json
from typing import Any

import pytest

from deeplens.config import (
    ConfigError,
    find_challenger,
    find_environment,
    load_delivery,
    load_environments,
)
from deeplens.releases.audit_log import read_history
from deeplens.releases.compare import compare_fleets
from deeplens.releases.promotion import apply, plan_promotion
from deeplens.releases.status import environment_statuses
from model_tools.errors import RegistryError
from tests.promotion.conftest import World, models, output_of

pytestmark = pytest.mark.emulator

RIVAL = "production-b"


@pytest.fixture
def rivalry(world: World) -> World:
    """Production with version 1.0.0; production's challenger and staging with version 1.1.0."""
    text = (world.environments / "production.toml").read_text(encoding="utf-8")
    text = text.replace("deeplens-production", f"deeplens-{RIVAL}")
    text = text.replace('promoted_from = "staging"', _CHALLENGES)
    text = text.replace("deeplens/{thing}", f"deeplens/{RIVAL}/{{thing}}")
    (world.environments / f"{RIVAL}.toml").write_text(text, encoding="utf-8")
    world.deploy("production")
    world.pin("staging", world.build("1.1.0"))
    world.deploy("staging")
    promote(world, "staging", RIVAL)
    world.deploy(RIVAL)
    return world


_CHALLENGES = 'promoted_from = "staging"\nchallenges = "production"'


def promote(world: World, source: str, target: str) -> Any:
    plan = plan_promotion(world.registry, source, target)
    assert plan is not None
    return apply(world.registry, plan)


def compared(world: World) -> dict[str, tuple[str, str]]:
    known = load_environments(world.environments)
    found = compare_fleets(
        world.registry.accounts,
        find_environment(known, "production"),
        find_challenger(known, "production"),
    )
    return {one.name: (one.champion, one.challenger) for one in found}


def test_a_challenger_is_an_environment_that_synthesizes_beside_its_champion(
    rivalry: World,
) -> None:
    found = {one.name: one for one in load_environments(rivalry.environments)}
    assert found[RIVAL].challenges == "production"
    assert found[RIVAL].fleet.thing_group != found["production"].fleet.thing_group


def test_who_is_champion_and_who_challenges_is_said(rivalry: World) -> None:
    statuses = environment_statuses(rivalry.registry, offline=True)
    assert {status.environment: status.alias for status in statuses} == {
        "dev": "", "staging": "", "production": "champion", RIVAL: "challenger",
    }  # fmt: skip


def test_the_figures_of_both_fleets_stand_side_by_side(rivalry: World) -> None:
    rivalry.heartbeat(
        "production", "old-1", frames_per_second=2.0, latency_ms={"p50": 20, "p95": 40}
    )
    rivalry.heartbeat(
        "production", "old-2", frames_per_second=4.0, latency_ms={"p50": 30, "p95": 90}
    )
    rivalry.heartbeat("production", "gone", status="stopped", frames_per_second=99.0)
    rivalry.heartbeat(RIVAL, "new-1", frames_per_second=5.0, drift={"score": 0.25}, errors=3)
    found = compared(rivalry)
    assert found["cameras"] == ("2 of 3 reachable", "1 of 1 reachable")
    assert found["run the release"] == ("2", "1")
    assert found["frames/s, median"] == ("3.00", "5.00")
    assert found["latency p95, ms"] == ("90.0", "-")
    assert found["drift, largest"] == ("-", "0.250")
    assert found["errors"] == ("-", "3")
    assert "detections" not in found


def test_a_camera_in_both_fleets_is_named_with_the_way_out(rivalry: World) -> None:
    rivalry.heartbeat("production", "both")
    rivalry.heartbeat(RIVAL, "both")
    with pytest.raises(
        RegistryError, match=r"in both fleets: both; .*remove-thing-from-thing-group"
    ):
        compared(rivalry)


def test_a_challenger_that_its_cameras_proved_is_crowned_in_one_recorded_move(
    rivalry: World,
) -> None:
    promote(rivalry, RIVAL, "production")
    assert rivalry.environment("production").model.digest == rivalry.environment(RIVAL).model.digest
    last = read_history(rivalry.registry.audit_log)[-1]
    assert (last.source, last.environment) == (RIVAL, "production")
    assert plan_promotion(rivalry.registry, RIVAL, "production") is None


@pytest.mark.slow
def test_the_commands_compare_and_crown(rivalry: World) -> None:
    rivalry.heartbeat("production", "old", frames_per_second=2.0)
    rivalry.heartbeat(RIVAL, "new", frames_per_second=5.0)
    table = output_of(models(rivalry, "compare", "production", "--local"))
    assert "production (champion)" in table
    assert f"{RIVAL} (challenger)" in table
    (line,) = (one for one in table.splitlines() if one.startswith("frames/s, median"))
    assert line.split()[-2:] == ["2.00", "5.00"]
    nothing = output_of(
        models(rivalry, "promote", "staging", "production", "--challenger", "--local")
    )
    assert nothing == f"{RIVAL} already pins the release of staging; nothing to do\n"
    crowned = output_of(models(rivalry, "promote", RIVAL, "production", "--local"))
    assert "version: 1.0.0 → 1.1.0" in crowned
    assert "cdk deploy 'production/*'" in crowned
    assert "no environment challenges it" in output_of(
        models(rivalry, "compare", "staging", "--local"), 2
    )


def test_a_challenger_that_failed_is_not_crowned(rivalry: World) -> None:
    rivalry.heartbeat(RIVAL, "new-1", status="failing")
    with pytest.raises(
        RegistryError, match=f"{RIVAL} pins a release that is not verified there: .* failing"
    ):
        plan_promotion(rivalry.registry, RIVAL, "production")


def test_a_challenger_passes_releases_to_its_champion_only(rivalry: World) -> None:
    with pytest.raises(RegistryError, match=r"challenges production, .* `deeplens release promote"):
        plan_promotion(rivalry.registry, RIVAL, "staging")
    with pytest.raises(ConfigError, match=r'challenges it; .*challenges = "staging"'):
        find_challenger(load_environments(rivalry.environments), "staging")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('challenges = "production"', 'challenges = "x"', "expected an environment that challeng"),
        ('challenges = "production"', f'challenges = "{RIVAL}"', "expected an environment that"),
        ('challenges = "production"', 'challenges = "dev"', "account and Region are the same"),
        ('from = "staging"', 'from = "dev"', "both take them from the same environment"),
    ],
)
def test_a_challenge_that_cannot_be_is_one_clear_line(
    rivalry: World, old: str, new: str, said: str
) -> None:
    file = rivalry.environments / f"{RIVAL}.toml"
    file.write_text(file.read_text("utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as output:
        load_environments(rivalry.environments)
    assert said in str(output.value)
    assert f"{RIVAL}.toml: challenges: given" in str(output.value)


def test_a_pipeline_delivers_a_challenger_after_where_its_releases_come_from(
    rivalry: World,
) -> None:
    known = load_environments(rivalry.environments)
    file = rivalry.folder / "delivery.toml"

    def order(*names: str) -> list[str]:
        file.write_text(_DELIVERY + f"environments = {json.dumps(names)}\n", encoding="utf-8")
        delivered = load_delivery(file, known)
        assert delivered
        return [one.name for one in delivered[1]]

    assert order("dev", "staging", RIVAL, "production")[2] == RIVAL
    with pytest.raises(ConfigError, match=f"{RIVAL} comes before staging, from which"):
        order("dev", RIVAL, "staging", "production")


_DELIVERY = """
account = "999999999999"
region = "eu-central-1"
connection_arn = "arn:aws:codeconnections:eu-central-1:999999999999:connection/{uuid}"
repository = "team/cameras"
approve = ["production"]
""".format(uuid="00000000-0000-0000-0000-000000000000")
