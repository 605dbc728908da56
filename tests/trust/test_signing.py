"""`deeplens release keys`, `sign` and `verify` use the format of model-signing."""

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from deeplens.cli.main import main
from deeplens.releases.signing.releases import sign_release
from deeplens.releases.signing.signers import FileSigner
from model_tools.errors import SigningError
from shared.signatures import (
    SignatureRefused,
    TrustedKeys,
    key_id,
    open_bundle,
    parse_public_keys,
)
from shared.signatures.keys import KeyUnusable
from tests.trust.conftest import Team

DATA = Path(__file__).parent / "data"
P384 = (
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEmu2nybXLZ2lnMeqFDPQpn2VlfuOFOWcMzvrwQ4rsX0rzbcoUKOtc7ZYJ4JYT"
    "ESuxi6Oe0mmV2F4JgRzNTh5AEJQsI7kI0gxNdCMJPvhW1pwRtyrK6hEdTGhxyW3yFBiO"
)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["release", *(str(word) for word in words)])


def test_a_release_is_signed_and_verified(team: Team) -> None:
    key = team.folder / "key.pem"
    artifact = team.artifact("one")
    assert run("keys", "new", key).exit_code == 0
    assert key.stat().st_mode & 0o777 == 0o600
    signed = run("sign", artifact, "--key", key, "--json")
    assert json.loads(signed.output)["release"] == 1
    public = json.loads(run("keys", "public", key, "--json").output)
    pem = team.folder / "public.pem"
    pem.write_text(run("keys", "public", key, "--pem").output, encoding="ascii")
    for trusted in (pem, public["public_key"]):
        verified = run("verify", artifact, "--public-key", trusted)
        assert verified.exit_code == 0, verified.output
        assert artifact.parent.name in verified.output
    refused = run("verify", artifact, "--public-key", pem, "--revoked", public["id"])
    assert refused.exit_code == 2
    assert "vulnerability to key compromises" in refused.output


def test_a_key_is_never_overwritten_nor_read_when_others_can(team: Team) -> None:
    key = team.folder / "key.pem"
    run("keys", "new", key)
    before = key.read_bytes()
    assert "never overwritten" in run("keys", "new", key).output
    assert key.read_bytes() == before
    key.chmod(0o644)
    failed = run("sign", team.artifact("one"), "--key", key)
    assert (failed.exit_code, "chmod 600" in failed.output) == (2, True)


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_one_clear_error(team: Team, content: str) -> None:
    key = team.folder / "key.pem"
    key.write_text(content, encoding="utf-8")
    key.chmod(0o600)
    with pytest.raises(SigningError, match=r"key\.pem"):
        FileSigner.read(key)


def test_releases_are_counted_per_model_and_only_grow(team: Team) -> None:
    one, two = team.release("one"), team.release("two")
    signer = team.person().signer
    with pytest.raises(SigningError, match="signed already, as release 1"):
        sign_release(one, signer)
    with pytest.raises(SigningError, match="3 works"):
        sign_release(one, signer, again=True, release=2)
    assert sign_release(one, signer, again=True).release == 3
    two.with_name("model.zip.sig").write_text("{}", encoding="utf-8")
    with pytest.raises(SigningError, match="git restore"):
        sign_release(one, signer, again=True)


def test_a_day_that_is_over_is_no_expiry(team: Team) -> None:
    team.person()
    failed = run(
        "sign", team.artifact("one"), "--key", team.folder / "ann.pem", "--expires", "2020-01-01"
    )
    assert (failed.exit_code, "is over" in failed.output) == (2, True)


def test_the_formats_own_implementation_writes_what_is_verified_here() -> None:
    """Verifies a signature that the format's own implementation created.

    Source of the data: model-signing 1.1.1, `sign key` for a folder with a model.zip.
    """
    (key,) = parse_public_keys((DATA / "model-signing-1.1.1.pem").read_text(encoding="ascii"))
    content = (DATA / "model-signing-1.1.1.sig").read_bytes()
    assert json.loads(content)["verificationMaterial"]["publicKey"]["hint"] == key_id(key)
    # The signature is valid, but the statement has no release number.
    with pytest.raises(SignatureRefused, match=r"the signature is valid, but .*'deeplens'"):
        open_bundle(content, TrustedKeys.of([key]))


def test_ours_has_every_field_of_theirs(team: Team) -> None:
    def shape(content: bytes) -> object:
        bundle = json.loads(content)
        payload = json.loads(base64.b64decode(bundle["dsseEnvelope"].pop("payload")))
        payload["predicate"].pop("deeplens", None)
        return keys_of(bundle), keys_of(payload), payload["predicateType"], payload["_type"]

    ours = team.release("one").with_name("model.zip.sig").read_bytes()
    assert shape(ours) == shape((DATA / "model-signing-1.1.1.sig").read_bytes())


@pytest.mark.parametrize("key", ["", "AAAA", P384])
def test_other_keys_than_p256_are_refused(key: str) -> None:
    with pytest.raises(KeyUnusable, match="P-256"):
        TrustedKeys.of([base64.b64decode(key)])


@given(data=st.data())
def test_no_changed_byte_of_a_statement_changes_what_it_says(data: st.DataObject) -> None:
    content, key = SIGNED
    at = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.integers(0, 255))
    changed = content[:at] + bytes([other]) + content[at + 1 :]
    try:
        statement = open_bundle(changed, key)
    except SignatureRefused:
        return
    assert statement == open_bundle(content, key)


@given(st.binary(max_size=300))
def test_no_bytes_are_more_than_refused(content: bytes) -> None:
    with pytest.raises(SignatureRefused):
        open_bundle(content, SIGNED[1])


def keys_of(document: object) -> object:
    if isinstance(document, dict):
        return {name: keys_of(value) for name, value in document.items() if name != "ignore_paths"}
    if isinstance(document, list):
        return [keys_of(value) for value in document[:1]]
    return type(document).__name__


def signed_once(folder: Path) -> tuple[bytes, TrustedKeys]:
    team = Team(folder)
    content = team.release("one").with_name("model.zip.sig").read_bytes()
    return content, team.trusted()


@pytest.fixture(autouse=True, scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Set `SIGNED` once, because a hypothesis test cannot use a function-scoped fixture."""
    global SIGNED  # noqa: PLW0603 - hypothesis tests cannot use function-scoped fixtures
    SIGNED = signed_once(tmp_path_factory.mktemp("signed"))


SIGNED: tuple[bytes, TrustedKeys]
