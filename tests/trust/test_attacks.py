"""Each attack of TUF's list causes an error that starts with the attack's name.

Source: The Update Framework, "Security": https://theupdateframework.io/docs/security/
"""

import base64
import contextlib
import http.server
import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloudformation import ResourceFailed
from deeplens.releases.signing.releases import read_statement
from shared.artifact.archive import sha256_of
from shared.signatures import (
    Attack,
    SignatureRefused,
    downloads,
    key_id,
    statement,
)
from shared.signatures.releases import LARGEST_STEP
from tests.trust.conftest import ASSETS, BUCKET, Camera, Store, Team, deploy, properties

DRIP_SECONDS = 0.05


@contextlib.contextmanager
def stopped(attack: Attack, error: type[Exception] = SignatureRefused) -> Iterator[None]:
    with pytest.raises(error, match=f"^{attack}: "):
        yield


def copied(store: Store) -> bool:
    return bool(store.written)


# Arbitrary software installation: no trusted person signed the bytes.


def not_signed(artifact: Path, _: Team) -> None:
    artifact.with_name("model.zip.sig").unlink()


def signed_by_a_stranger(artifact: Path, team: Team) -> None:
    team.sign_again(artifact, by="mallory")


def other_statement_under_the_signature(artifact: Path, _: Team) -> None:
    file = artifact.with_name("model.zip.sig")
    bundle = json.loads(file.read_bytes())
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    changed = payload.replace(b'"release":1', b'"release":9')
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()
    file.write_text(json.dumps(bundle), encoding="utf-8")


def no_bundle(artifact: Path, _: Team) -> None:
    artifact.with_name("model.zip.sig").write_text("{}", encoding="utf-8")


FORGERIES = [not_signed, signed_by_a_stranger, other_statement_under_the_signature, no_bundle]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda one: str(one.__name__))
def test_arbitrary_software_installation_is_stopped_everywhere(
    team: Team, camera: Camera, store: Store, forge: Callable[[Path, Team], None]
) -> None:
    artifact = team.release("one")
    forge(artifact, team)
    with stopped(Attack.ARBITRARY_SOFTWARE):
        read_statement(artifact, team.trusted())
    with stopped(Attack.ARBITRARY_SOFTWARE):
        camera.run(artifact)
    with stopped(Attack.ARBITRARY_SOFTWARE, ResourceFailed):
        deploy(properties(artifact, [team.person().text]))
    assert not camera.loaded
    assert not copied(store)


def test_arbitrary_software_in_the_store_is_not_copied(team: Team, store: Store) -> None:
    artifact = team.release("one")
    other = bytearray(artifact.read_bytes())
    other[len(other) // 2] ^= 1
    store.holds(f"{ASSETS}/{artifact.parent.name}.zip", bytes(other))
    with stopped(Attack.ARBITRARY_SOFTWARE, ResourceFailed):
        deploy(properties(artifact, [team.person().text]))
    assert not copied(store)


@pytest.mark.parametrize(
    "hint", ["\x1b[2J\u202e" + "0" * 60, "", "A" * 64, "0" * 65, "0" * 64 + "\n"]
)
def test_a_key_id_that_is_none_is_refused_and_cannot_write_to_the_log(
    team: Team, camera: Camera, hint: str
) -> None:
    artifact = team.release("one")
    file = artifact.with_name("model.zip.sig")
    bundle = json.loads(file.read_bytes())
    bundle["verificationMaterial"]["publicKey"]["hint"] = hint
    file.write_text(json.dumps(bundle), encoding="utf-8")
    with pytest.raises(SignatureRefused, match="expected 64 lower-case hex digits") as refused:
        camera.run(artifact)
    assert str(refused.value).isprintable()


# Endless data: the server sends more bytes than were signed.


def test_endless_data_is_not_read_to_its_end(team: Team, store: Store) -> None:
    artifact = team.release("one")

    def endless(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("ETag", '"tag"')
        request.end_headers()
        with contextlib.suppress(OSError):
            while True:
                request.wfile.write(bytes(1 << 16))

    store.answers[f"{ASSETS}/{artifact.parent.name}.zip"] = endless
    with stopped(Attack.ENDLESS_DATA, ResourceFailed):
        deploy(properties(artifact, [team.person().text]))
    assert not copied(store)


def test_endless_data_of_a_redirect_is_not_read(team: Team, store: Store) -> None:
    artifact = team.release("one")
    blocks = 4096
    sent: list[int] = []

    def redirect(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(307)
        request.send_header("Location", "/elsewhere")
        request.end_headers()
        with contextlib.suppress(OSError):
            for number in range(blocks):
                request.wfile.write(bytes(1 << 16))
                sent.append(number)

    store.answers[f"{ASSETS}/{artifact.parent.name}.zip"] = redirect
    with stopped(Attack.MALICIOUS_MIRROR, ResourceFailed):
        deploy(properties(artifact, [team.person().text]))
    assert len(sent) < blocks
    assert not copied(store)


def test_endless_data_on_a_camera_is_seen_before_it_is_hashed(team: Team, camera: Camera) -> None:
    arrived = camera.receive(team.release("one"))
    with (arrived / "model.zip").open("ab") as opened:
        opened.truncate(8 << 30)
    with stopped(Attack.ENDLESS_DATA):
        camera.start(arrived)


def test_a_statement_without_end_is_not_read(team: Team, camera: Camera) -> None:
    arrived = camera.receive(team.release("one"))
    (arrived / "model.zip.sig").write_bytes(b" " * (1 << 20))
    with stopped(Attack.ENDLESS_DATA):
        camera.start(arrived)


# Extraneous dependencies: a release contains software that was not signed.


def test_extraneous_dependencies_next_to_the_model_are_not_loaded(
    team: Team, camera: Camera
) -> None:
    arrived = camera.receive(team.release("one"))
    (arrived / "model" / "sitecustomize.py").write_text("import os", encoding="utf-8")
    with stopped(Attack.EXTRANEOUS_DEPENDENCIES):
        camera.start(arrived)


def test_extraneous_dependencies_in_the_archive_are_not_loaded(team: Team, camera: Camera) -> None:
    artifact = team.artifact("one")
    with zipfile.ZipFile(artifact, "a") as packed:
        packed.writestr("more.so", b"\x7fELF")
    moved = artifact.parent.with_name(sha256_of(artifact))
    artifact = artifact.parent.rename(moved) / "model.zip"
    team.sign_again(artifact)
    with stopped(Attack.EXTRANEOUS_DEPENDENCIES):
        camera.run(artifact)


def test_extraneous_dependencies_in_a_statement_are_refused(
    team: Team, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = team.artifact("one")
    (artifact.parent / "more.so").write_bytes(b"\x7fELF")
    everything = statement.RELEASE_FILES | {"more.so"}
    with monkeypatch.context() as patched:
        patched.setattr(statement, "RELEASE_FILES", everything)
        patched.setattr("deeplens.releases.signing.releases.RELEASE_FILES", everything)
        team.sign_again(artifact)
    with stopped(Attack.EXTRANEOUS_DEPENDENCIES):
        camera.run(artifact)


def test_extraneous_dependencies_that_nobody_signed_are_refused(team: Team) -> None:
    artifact = team.release("one")
    (artifact.parent / "sbom.cdx.json").write_text("{}", encoding="utf-8")
    with stopped(Attack.EXTRANEOUS_DEPENDENCIES):
        read_statement(artifact, team.trusted())


# Fast-forward: the release number is so high that no later release can exceed it.


def test_fast_forward_is_refused_by_a_camera_and_at_deploy(
    team: Team, camera: Camera, store: Store
) -> None:
    first, far = team.release("one"), team.release("two", count=LARGEST_STEP + 2)
    camera.run(first)
    assert isinstance(camera.run(far).fallback_cause, Exception)
    assert f"{Attack.FAST_FORWARD}: " in str(camera.run(far).fallback_cause)
    keys = [team.person().text]
    with stopped(Attack.FAST_FORWARD, ResourceFailed):
        deploy(properties(far, keys), before=properties(first, keys))
    assert not copied(store)


def test_a_counter_that_a_thief_used_up_comes_back_with_the_next_key(
    team: Team, camera: Camera
) -> None:
    camera.run(team.release("stolen", by="ann", count=statement.MOST_RELEASES))
    shutil.rmtree(team.folder / "models")
    healed = team.release("healed", by="bob")
    camera.trusted = team.trusted("bob", revoked=(key_id(team.person("ann").public),))
    assert camera.run(healed).fallback_cause is None


# Indefinite freeze: the server sends an old release for an unlimited time.


def test_indefinite_freeze_ends_when_the_statement_expires(
    team: Team, camera: Camera, store: Store
) -> None:
    yesterday = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    artifact = team.release("one", expires=yesterday)
    camera.clock = datetime.now(UTC).timestamp()
    with stopped(Attack.INDEFINITE_FREEZE):
        camera.run(artifact)
    with stopped(Attack.INDEFINITE_FREEZE, ResourceFailed):
        deploy(properties(artifact, [team.person().text]))
    assert not copied(store)


def test_a_release_that_was_taken_in_time_goes_on(team: Team, camera: Camera) -> None:
    until = datetime.fromtimestamp(camera.clock, UTC) + timedelta(days=1)
    artifact = team.release("one", expires=until)
    camera.run(artifact)
    camera.clock += timedelta(days=400).total_seconds()
    assert camera.run(artifact).fallback_cause is None


# Malicious mirror preventing updates: the server does not send the signed release.


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_malicious_mirror_is_named_at_deploy(team: Team, store: Store, status: int) -> None:
    artifact = team.release("one")
    store.answers[f"{ASSETS}/{artifact.parent.name}.zip"] = lambda one: one.send_error(status)
    with stopped(Attack.MALICIOUS_MIRROR, ResourceFailed):
        deploy(properties(artifact, [team.person().text]))


def test_a_malicious_mirror_leaves_a_camera_with_its_last_good_release(
    team: Team, camera: Camera
) -> None:
    good, kept_back = team.release("one"), team.release("two")
    camera.run(good)
    arrived = camera.receive(kept_back)
    (arrived / "model.zip").unlink()
    loaded = camera.start(arrived)
    assert loaded.identity.digest == good.parent.name
    assert f"{Attack.MALICIOUS_MIRROR}: " in str(loaded.fallback_cause)


# Mix-and-match: the parts are from two releases.


def test_mix_and_match_of_statement_and_artifact_is_refused(
    team: Team, camera: Camera, store: Store
) -> None:
    one, two = team.release("one"), team.release("two")
    shutil.copyfile(two.with_name("model.zip.sig"), one.with_name("model.zip.sig"))
    with stopped(Attack.MIX_AND_MATCH):
        camera.run(one)
    with stopped(Attack.MIX_AND_MATCH, ResourceFailed):
        deploy(properties(one, [team.person().text]))
    assert not copied(store)


def test_mix_and_match_of_a_release_and_another_ones_provenance_is_refused(team: Team) -> None:
    artifact = team.artifact("one")
    provenance = artifact.with_name("provenance.intoto.json")
    provenance.write_text("{}", encoding="utf-8")
    team.sign_again(artifact)
    provenance.write_text('{"of": "another"}', encoding="utf-8")
    with stopped(Attack.MIX_AND_MATCH):
        read_statement(artifact, team.trusted())


# Rollback: the server sends an older release with its valid signature.


def test_rollback_to_an_older_signed_release_is_refused(
    team: Team, camera: Camera, store: Store
) -> None:
    one, two, three = (team.release(name) for name in ("one", "two", "three"))
    for release in (one, two, three):
        camera.run(release)
    loaded = camera.run(one)
    assert loaded.identity.digest == three.parent.name
    assert f"{Attack.ROLLBACK}: " in str(loaded.fallback_cause)
    keys = [team.person().text]
    with stopped(Attack.ROLLBACK, ResourceFailed):
        deploy(properties(one, keys), before=properties(three, keys))
    assert not copied(store)


# Slow retrieval: the server sends so slowly that no update completes.


def test_slow_retrieval_is_given_up(
    team: Team, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = team.release("one")
    monkeypatch.setattr(downloads, "_BEGIN_SECONDS", 0.5)
    monkeypatch.setattr(downloads, "_LEAST_BYTES_PER_SECOND", 1 << 30)

    def slow(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("ETag", '"tag"')
        request.end_headers()
        with contextlib.suppress(OSError):
            for byte in artifact.read_bytes():
                request.wfile.write(bytes([byte]))
                time.sleep(DRIP_SECONDS)

    store.answers[f"{ASSETS}/{artifact.parent.name}.zip"] = slow
    with stopped(Attack.SLOW_RETRIEVAL, ResourceFailed):
        deploy(properties(artifact, [team.person().text]))
    assert not copied(store)


# Vulnerability to key compromises: a stolen key signs releases.


def test_key_compromise_ends_with_the_revoked_key(team: Team, camera: Camera, store: Store) -> None:
    stolen = key_id(team.person("ann").public)
    artifact = team.release("one", by="ann")
    both = [team.person("ann").text, team.person("bob").text]
    with stopped(Attack.KEY_COMPROMISE, ResourceFailed):
        deploy(properties(artifact, both, RevokedKeys=stolen))
    camera.trusted = team.trusted("ann", "bob", revoked=(stolen,))
    with stopped(Attack.KEY_COMPROMISE):
        camera.run(artifact)
    with stopped(Attack.KEY_COMPROMISE):
        read_statement(artifact, camera.trusted)
    assert not copied(store)


def test_what_a_stolen_key_signed_before_does_not_run_as_the_last_good_one(
    team: Team, camera: Camera
) -> None:
    camera.run(team.release("one", by="ann"))
    camera.trusted = team.trusted("bob", revoked=(key_id(team.person("ann").public),))
    with stopped(Attack.KEY_COMPROMISE):
        camera.run(team.release("two", by="ann"))


# Wrong software installation: the release is signed and valid, but for another model.


def test_wrong_software_that_is_signed_is_refused(team: Team, camera: Camera, store: Store) -> None:
    other = team.release("one", model="headpose")
    with stopped(Attack.WRONG_SOFTWARE):
        camera.run(other)
    with stopped(Attack.WRONG_SOFTWARE, ResourceFailed):
        deploy(properties(other, [team.person().text]))
    assert not copied(store)


def test_each_attack_that_tuf_names_has_a_test_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert [one.name for one in Attack if f"stopped(Attack.{one.name}" not in here] == []


def test_a_signed_release_is_copied_with_its_statement(team: Team, store: Store) -> None:
    artifact = team.release("one")
    now = properties(artifact, [team.person().text])
    store.holds(f"{ASSETS}/{now['SourceKey']}", artifact.read_bytes())
    assert deploy(now).attributes == {"Uri": f"s3://{BUCKET}/{now['Key']}"}
    assert set(store.written) == {f"{BUCKET}/{now['Key']}", f"{BUCKET}/{now['StatementKey']}"}
