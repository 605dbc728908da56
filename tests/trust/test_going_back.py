"""Devices accept the previous release after a failed rollout, and reject all other old releases."""

import json

import pytest

from camera.signature_check import ROLLBACK_SECONDS
from cloudformation import ResourceFailed
from shared.signatures import Attack, SignatureRefused, key_id
from tests.trust.conftest import ASSETS, Camera, Store, Team, deploy, properties


def test_a_rollout_that_fails_goes_back_to_what_ran_before(team: Team, camera: Camera) -> None:
    one, two = team.release("one"), team.release("two")
    for release in (one, two, one):
        loaded = camera.run(release)
        assert loaded.fallback_cause is None
        assert loaded.identity.digest == release.parent.name


def test_what_it_went_back_to_starts_again_a_year_later(team: Team, camera: Camera) -> None:
    one, two = team.release("one"), team.release("two")
    for release in (one, two, one):
        camera.run(release)
    camera.clock += 365 * ROLLBACK_SECONDS
    assert camera.run(one).fallback_cause is None
    assert camera.run(two).fallback_cause is None


def test_it_goes_back_one_release_and_no_further(team: Team, camera: Camera) -> None:
    one, two, three = (team.release(name) for name in ("one", "two", "three"))
    for release in (one, two, three, two):
        assert camera.run(release).fallback_cause is None
    assert f"{Attack.ROLLBACK}: " in str(camera.run(one).fallback_cause)


def test_the_loaded_model_names_the_key_that_signed_it(team: Team, camera: Camera) -> None:
    key = key_id(team.person().public)
    one = team.release("one")
    loaded = camera.run(one)
    assert (loaded.signed_by, loaded.labels[:2]) == (key, ("circle", "square"))
    # The camera rejects this release and runs the last good release, so the key is that of the last
    # good release.
    assert camera.run(team.release("two", by="eve")).signed_by == key
    camera.required = False
    assert camera.run(team.artifact("three")).signed_by is None


def test_after_a_day_only_a_new_signature_goes_back(team: Team, camera: Camera) -> None:
    one, two = team.release("one"), team.release("two")
    camera.run(one)
    camera.run(two)
    camera.clock += ROLLBACK_SECONDS
    assert f"{Attack.ROLLBACK}: " in str(camera.run(one).fallback_cause)
    assert team.sign_again(one).release == 3
    assert camera.run(one).fallback_cause is None
    camera.clock += ROLLBACK_SECONDS
    assert f"{Attack.ROLLBACK}: " in str(camera.run(two).fallback_cause)


def test_a_clock_that_is_wrong_opens_no_way_back(team: Team, camera: Camera) -> None:
    one, two = team.release("one"), team.release("two")
    camera.run(one)
    camera.run(two)
    camera.clock -= 1
    assert f"{Attack.ROLLBACK}: " in str(camera.run(one).fallback_cause)


def test_cloudformations_own_roll_back_is_let_through(team: Team, store: Store) -> None:
    one, two = team.release("one"), team.release("two")
    keys = [team.person().text]
    before, now = properties(two, keys), properties(one, keys)
    store.holds(f"{ASSETS}/{now['SourceKey']}", one.read_bytes())
    with pytest.raises(ResourceFailed, match=f"^{Attack.ROLLBACK}: "):
        deploy(now, before=before)
    store.stack_status = "UPDATE_ROLLBACK_IN_PROGRESS"
    assert deploy(now, before=before).physical_id.endswith("/model.zip")


def test_a_new_key_is_trusted_before_the_old_one_is_dropped(team: Team, camera: Camera) -> None:
    one = team.release("one", by="ann")
    assert camera.run(one).fallback_cause is None
    camera.trusted = team.trusted("ann", "bob")
    assert camera.run(one).fallback_cause is None
    two = team.release("two", by="bob")
    assert camera.run(two).fallback_cause is None
    camera.trusted = team.trusted("bob")
    assert camera.run(two).fallback_cause is None
    assert f"{Attack.ARBITRARY_SOFTWARE}: " in str(camera.run(one).fallback_cause)


def test_the_last_good_release_that_was_signed_again_runs_under_the_new_key(
    team: Team, camera: Camera
) -> None:
    good, bad = team.release("good", by="ann"), team.release("bad", by="mallory")
    camera.trusted = team.trusted("ann", "bob")
    camera.run(good)
    team.sign_again(good, by="bob")
    camera.run(good)
    camera.trusted = team.trusted("bob")
    loaded = camera.run(bad)
    assert loaded.fallback_cause is not None
    assert loaded.identity.digest == good.parent.name


def test_keys_on_the_device_outweigh_those_of_a_deployment(team: Team, camera: Camera) -> None:
    owners = team.folder / "camera" / "own.pem"
    owners.parent.mkdir()
    owners.write_text(pem(team, "owner"), encoding="ascii")
    camera.required = False
    with pytest.raises(SignatureRefused, match="is not trusted"):
        camera.run(team.release("one", by="ann"))
    assert camera.run(team.release("two", by="owner")).fallback_cause is None


def test_without_requirement_only_a_wrong_signature_is_refused(team: Team, camera: Camera) -> None:
    camera.required = False
    assert camera.run(team.artifact("one")).fallback_cause is None
    with pytest.raises(SignatureRefused):
        Camera(camera.folder / "other", camera.trusted, required=False).run(
            team.release("two", by="mallory")
        )


def test_a_memory_that_cannot_be_read_does_not_stop_the_camera(team: Team, camera: Camera) -> None:
    one = team.release("one")
    camera.run(one)
    for text in ("", "[]", json.dumps({"shapes": {"accepted": 1}}), '{"shapes": 7}'):
        (camera.folder / "state" / "releases.json").write_text(text, encoding="utf-8")
        assert camera.run(one).fallback_cause is None


def pem(team: Team, name: str) -> str:
    return f"-----BEGIN PUBLIC KEY-----\n{team.person(name).text}\n-----END PUBLIC KEY-----\n"
