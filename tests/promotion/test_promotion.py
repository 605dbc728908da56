"""A release can be promoted after the cameras have verified it; any obstacle causes one error."""

import difflib
import fcntl
import os
from typing import Any

import pytest

from deeplens.config import ConfigError
from deeplens.releases.audit_log import read_history
from deeplens.releases.promotion import apply, plan_promotion, plan_rollback
from model_tools.errors import RegistryError, SourceError
from tests.promotion.conftest import WHO, World

pytestmark = pytest.mark.emulator


def promote(world: World, source: str, target: str) -> Any:
    plan = plan_promotion(world.registry, source, target)
    assert plan is not None
    return apply(world.registry, plan)


@pytest.fixture
def proven(world: World) -> World:
    """Dev with a deployed and verified version 1.1.0."""
    world.pin("dev", world.build("1.1.0"))
    world.deploy("dev")
    return world


def refused(world: World, source: str = "dev", target: str = "staging") -> str:
    before = [file.read_bytes() for file in sorted(world.environments.iterdir())]
    with pytest.raises((ConfigError, RegistryError, SourceError)) as output:
        plan_promotion(world.registry, source, target)
    assert [file.read_bytes() for file in sorted(world.environments.iterdir())] == before
    return str(output.value)


def test_a_promotion_changes_one_line_keeps_comments_and_is_recorded_with_its_proof(
    proven: World,
) -> None:
    file = proven.environments / "staging.toml"
    file.write_text(file.read_text() + "# a comment at the end\n", encoding="utf-8")
    before = file.read_text(encoding="utf-8")
    move = promote(proven, "dev", "staging")
    changed = [
        line
        for line in difflib.ndiff(before.splitlines(), file.read_text().splitlines())
        if line[0] in "+-"
    ]
    assert len(changed) == 2
    assert all("digest" in line for line in changed)
    assert proven.environment("staging").model.digest == proven.environment("dev").model.digest
    assert read_history(proven.registry.audit_log) == [move]
    assert move.who == WHO
    assert "2 of 2 reachable devices run the release" in move.evidence


def test_a_plan_alone_changes_nothing_and_says_the_line(proven: World) -> None:
    plan = plan_promotion(proven.registry, "dev", "staging")
    assert plan is not None
    assert any(line.startswith('+digest = "') for line in plan.diff)
    assert not proven.registry.audit_log.exists()


def test_what_is_there_already_is_no_move(proven: World) -> None:
    promote(proven, "dev", "staging")
    assert plan_promotion(proven.registry, "dev", "staging") is None


def test_what_was_never_deployed_stays(world: World) -> None:
    world.pin("dev", world.build("1.1.0"))
    assert "never deployed there" in refused(world)


def test_what_no_camera_proved_stays(world: World) -> None:
    world.pin("dev", world.build("1.1.0"))
    world.deploy("dev", proven=False)
    assert "has not been verified by a camera" in refused(world)


def test_the_word_of_a_camera_that_joined_later_is_proof_enough(world: World) -> None:
    world.pin("dev", world.build("1.1.0"))
    world.deploy("dev", proven=False)
    world.heartbeat("dev", "late-camera")
    assert "1 of 1 reachable cameras report" in promote(world, "dev", "staging").evidence


def test_a_camera_that_runs_something_else_now_outweighs_the_verdict(proven: World) -> None:
    proven.heartbeat("dev", "good-camera")
    proven.heartbeat("dev", "old-camera", digest="b" * 64)
    assert (
        "does not run on every camera: old-camera: its heartbeat names model bbbbbbbbbbbb"
        in refused(proven)
    )
    proven.heartbeat("dev", "old-camera", status="failing")
    assert "old-camera: is failing" in refused(proven)
    # The check ignores cameras that are not reachable.
    proven.heartbeat("dev", "old-camera", status="stopped")
    assert plan_promotion(proven.registry, "dev", "staging")


def test_what_was_stopped_stays_and_says_why(world: World) -> None:
    world.pin("dev", world.build("1.1.0"))
    world.deploy("dev", stopped="false detections")
    assert "was stopped there: false detections" in refused(world)


def test_a_promotion_requires_the_rule_of_the_sources_rollout(proven: World) -> None:
    file = proven.environments / "dev.toml"
    text = file.read_text(encoding="utf-8")
    assert "[rollout]\n" in text
    file.write_text(text.replace("[rollout]\n", "[rollout]\nminimum_detections = 5\n"))
    proven.heartbeat("dev", "camera", detections=4)
    assert "camera: has 4 detections on 9 frames, the rule requires 5" in refused(proven)
    proven.heartbeat("dev", "camera", detections=5)
    assert plan_promotion(proven.registry, "dev", "staging")


def test_a_pin_that_the_fleet_does_not_have_stays(proven: World) -> None:
    proven.pin("dev", proven.build("1.2.0"))
    assert "is not the release of the fleet" in refused(proven)


def test_the_way_is_the_one_that_the_files_say(proven: World) -> None:
    assert "gets releases from staging, given dev" in refused(proven, "dev", "production")
    assert "has no 'promoted_from'" in refused(proven, "staging", "dev")
    assert "no environment is called 'x'; there are: dev, production, staging" in refused(
        proven, "x", "dev"
    )


def test_an_environment_that_is_ahead_is_not_taken_back(proven: World) -> None:
    proven.pin("staging", proven.build("2.0.0"))
    assert "staging is ahead: it pins version 2.0.0, this is 1.1.0" in refused(proven)


def test_other_bytes_of_the_same_version_are_refused(proven: World) -> None:
    proven.pin("staging", proven.build("1.1.0", labels="others.pbtxt"))
    assert "other bytes of the same version 1.1.0" in refused(proven)


def test_name_and_digest_of_two_models_are_refused(proven: World) -> None:
    proven.pin("dev", proven.build("9.0.0", name="other"))
    assert "name and digest of two models" in refused(proven)


def test_a_digest_that_nobody_built_is_refused(proven: World) -> None:
    proven.pin("dev", "a" * 64)
    assert "it is not built here" in refused(proven)


def test_an_artifact_that_was_changed_after_it_was_packaged_is_refused(proven: World) -> None:
    (artifact,) = proven.models.glob(f"*/{proven.environment('dev').model.digest}/model.zip")
    artifact.write_bytes(artifact.read_bytes() + b"x")
    assert "it was changed after it was packaged" in refused(proven)


def test_an_object_that_the_model_store_lost_or_changed_is_refused(proven: World) -> None:
    dev = proven.environment("dev")
    at = {
        "Bucket": dev.model_store.bucket_name,
        "Key": f"components/shapes/{dev.model.digest}/model.zip",
    }
    proven.client("dev", "s3").put_object(**at, Body=b"other bytes")
    assert "the model store was changed" in refused(proven)
    proven.client("dev", "s3").delete_object(**at)
    assert "has no such object" in refused(proven)


def test_a_pin_that_was_edited_by_hand_stops_every_move(proven: World) -> None:
    promote(proven, "dev", "staging")
    proven.pin("staging", proven.build("7.0.0"))
    assert "git does not contain that entry" in refused(proven)


def test_two_promotions_at_once_are_one(proven: World) -> None:
    plans = [plan_promotion(proven.registry, "dev", "staging") for _ in range(2)]
    assert plans[0] is not None
    assert plans[1] is not None
    held = os.open(proven.environments, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(RegistryError, match="another promotion or rollback runs"):
        apply(proven.registry, plans[0])
    os.close(held)
    apply(proven.registry, plans[0])
    with pytest.raises(RegistryError, match="its pin has changed since the plan"):
        apply(proven.registry, plans[1])
    assert len(read_history(proven.registry.audit_log)) == 1


def test_a_trail_that_cannot_be_written_leaves_the_pin(proven: World) -> None:
    plan = plan_promotion(proven.registry, "dev", "staging")
    assert plan is not None
    before = (proven.environments / "staging.toml").read_bytes()
    proven.registry.audit_log.write_text("not a move\n", encoding="utf-8")
    with pytest.raises(RegistryError, match="line 1: not a move"):
        apply(proven.registry, plan)
    assert (proven.environments / "staging.toml").read_bytes() == before


def test_a_rollback_pins_what_the_fleet_proved_before(proven: World) -> None:
    first = proven.environment("staging").model.digest
    proven.deploy("staging")
    promote(proven, "dev", "staging")
    proven.deploy("staging")
    apply(proven.registry, plan_rollback(proven.registry, "staging", None, "false detections"))
    assert proven.environment("staging").model.digest == first
    last = read_history(proven.registry.audit_log)[-1]
    assert (last.kind, last.reason) == ("rollback", "false detections")


def test_what_was_taken_back_comes_again_only_with_a_reason_for_the_trail(proven: World) -> None:
    proven.deploy("staging")
    promote(proven, "dev", "staging")
    proven.deploy("staging")
    apply(proven.registry, plan_rollback(proven.registry, "staging", None, "false detections"))
    output = refused(proven)
    assert (
        f"staging was rolled back from {proven.environment('dev').model.digest[:12]}… by {WHO}"
        in output
    )
    assert "false detections; `--again REASON` promotes it nevertheless" in output
    plan = plan_promotion(proven.registry, "dev", "staging", again="the lens was dirty")
    assert plan is not None
    apply(proven.registry, plan)
    assert read_history(proven.registry.audit_log)[-1].reason == "the lens was dirty"


def test_a_rollback_to_what_was_never_healthy_there_names_what_was(proven: World) -> None:
    proven.deploy("staging", proven=False)
    with pytest.raises(
        RegistryError, match=r"no release to roll back to; other verified releases there: none"
    ):
        plan_rollback(proven.registry, "staging", None, "x")
    with pytest.raises(RegistryError, match="'abc' was never verified there"):
        plan_rollback(proven.registry, "staging", "abc", "x")


def test_nothing_moves_while_a_rollout_runs(proven: World, monkeypatch: pytest.MonkeyPatch) -> None:
    proven.stack("staging")
    status = type(proven.registry.accounts).stack_status
    assert status(proven.registry.accounts, proven.environment("staging")) == "CREATE_COMPLETE"
    # A real update would have to last until the end of the test, so the test replaces the status.
    monkeypatch.setattr(
        type(proven.registry.accounts), "stack_status", lambda *_: "UPDATE_IN_PROGRESS"
    )
    assert "a rollout is in progress (dev-Inference is UPDATE_IN_PROGRESS)" in refused(proven)
    with pytest.raises(RegistryError, match="cancel-update-stack --stack-name staging-Inference"):
        plan_rollback(proven.registry, "staging", None, "x")
