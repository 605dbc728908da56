"""An invalid argument is an error before slow work starts."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError
from click.testing import CliRunner, Result

import shared.artifact
from deeplens.cli.main import main
from deeplens.cli.release.move import differences
from deeplens.releases.audit_log import read_history
from deeplens.releases.aws import aws_errors
from model_tools.cli.manifest_types import NAME, VERSION
from model_tools.errors import RegistryError

DIGEST = "ab" * 32


def invoke(words: list[str]) -> Result:
    """Run a command of `deeplens release` or `deeplens model`; return the result."""
    group = [] if words[0] == "release" else ["model"]
    return CliRunner().invoke(main, [*group, *words])


@pytest.mark.parametrize(
    "command",
    [
        ["inspect", "nothere"],
        ["freeze", "nothere", "frozen"],
        ["predict", "nothere", "."],
        ["verify", "nothere"],
        ["bench", "nothere"],
        ["train", "headpose", "--data", "nothere"],
    ],
)
@pytest.mark.process
def test_a_model_that_is_not_there_is_the_only_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "a.png").touch()
    words = [str(tmp_path) if word == "." else word for word in command]
    result = invoke(words)
    assert result.exit_code == 2
    assert result.output == "Error: nothere: there is no such file or folder\n"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    artifact = tmp_path / "models" / "shapes" / DIGEST / "model.zip"
    artifact.parent.mkdir(parents=True)
    with zipfile.ZipFile(artifact, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"version": "1.1.0"}))
    return tmp_path / "models"


def test_pin_does_not_claim_that_anything_runs(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    file.write_text('[model]\nname = "shapes"\ndigest = "00"\n', encoding="utf-8")
    command = ["release", "pin", str(file), DIGEST[:8], "--models", str(models)]
    first, second = (invoke(command).output for _ in range(2))
    assert first == (
        f"{file}: pins shapes 1.1.0 ({DIGEST[:12]}…)\nnext: deeplens local deploy dev\n"
    )
    assert second == f"{file}: already pins shapes 1.1.0 ({DIGEST[:12]}…); nothing changed\n"
    assert f'digest = "{DIGEST}"' in file.read_text(encoding="utf-8")


def test_a_beginning_of_several_digests_names_them(models: Path, tmp_path: Path) -> None:
    other = models / "shapes" / f"{DIGEST[:-1]}c" / "model.zip"
    other.parent.mkdir()
    other.touch()
    command = ["release", "pin", str(tmp_path / "dev.toml"), DIGEST[:8], "--models", str(models)]
    result = invoke(command)
    assert result.exit_code == 2
    assert other.parent.name in result.output


def test_missing_credentials_name_the_emulators_option() -> None:
    with (
        pytest.raises(RegistryError, match=r"no AWS credentials .* add --local"),
        aws_errors("dev"),
    ):
        raise NoCredentialsError


def test_a_promotion_shows_what_matters_first_and_the_rest_on_request() -> None:
    found = {
        "baseline.scores": ["[1]", "[2]"],
        "bytes": ["10", "12"],
        "provenance.training.precision": ["0.9", "0.95"],
        "version": ["1.0.0", "1.1.0"],
    }
    assert differences(found, verbose=False) == [
        "version: 1.0.0 → 1.1.0",
        "provenance.training.precision: 0.9 → 0.95",
        "bytes: 10 → 12",
        "values that also differ: 1; --verbose shows them",
    ]
    assert differences(found, verbose=True)[-1] == "baseline.scores: [1] → [2]"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["train", "shapes", "--version", "1.x"], "'1.x' is not valid: expected three numbers"),
        (["train", "shapes", "--version", "1.0.0\n"], "is not valid: expected three numbers"),
        (["package", "frozen", "--labels", "l.txt", "--name", "No Good"], "lower-case letter"),
        (["package", "frozen", "--labels", "l", "--name", "m", "--version", "1"], "three numbers"),
    ],
)
def test_what_no_manifest_accepts_is_an_error_before_the_training(
    command: list[str], expected: str
) -> None:
    result = invoke(command)
    assert result.exit_code == 2
    assert expected in result.output


def test_the_patterns_are_those_of_the_manifests_schema() -> None:
    schema = Path(shared.artifact.__file__).with_name("manifest.schema.json")
    properties = json.loads(schema.read_text(encoding="utf-8"))["properties"]
    for key, pattern in (("version", VERSION), ("name", NAME)):
        assert properties[key]["pattern"].removesuffix("(?!\n)") == f"^{pattern}$"


@pytest.mark.parametrize(
    "command", [["release", "keys", "public"], ["release", "sign", "model.zip", "--key"]]
)
def test_what_is_no_key_is_wrong_input(tmp_path: Path, command: list[str]) -> None:
    result = invoke([*command, str(tmp_path / "nothere.pem")])
    assert result.exit_code == 2
    assert "the key cannot be read: No such file or directory" in result.output


def test_what_is_no_public_key_is_wrong_input(models: Path, tmp_path: Path) -> None:
    artifact = models / "shapes" / DIGEST / "model.zip"
    key = tmp_path / "key.pub"
    key.write_text("no key", encoding="utf-8")
    command = ["release", "verify", str(artifact), "--public-key", str(key)]
    result = invoke(command)
    assert result.exit_code == 2
    assert "not a public key" in result.output


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["freeze", ".", "frozen"], "--tolerance"),
        (["verify", "."], "--max-drop"),
        (["predict", ".", "."], "--threshold"),
        (["package", ".", "--labels", "l.txt", "--name", "x"], "--threshold"),
        (["package", ".", "--labels", "l.txt", "--name", "x"], "--mean"),
        (["package", ".", "--labels", "l.txt", "--name", "x"], "--scale"),
        (["invoke", "--data", "{}"], "--tolerance"),
        (["invoke", "--data", "{}"], "--wait"),
        (["serve", "--model-name", "x"], "--poll-seconds"),
    ],
)
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_number_that_passes_every_comparison_is_not_a_bound(
    command: list[str], option: str, value: str
) -> None:
    result = invoke([*command, option, value])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output


def _nested(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", "[" * 100_000)


def _encrypted(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", "{}")
    content = bytearray(file.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags] |= 1
    file.write_bytes(content)


@pytest.mark.parametrize("spoil", [_nested, _encrypted])
def test_pin_reads_the_version_of_a_broken_artifact_without_a_traceback(
    models: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(models / "shapes" / DIGEST / "model.zip")
    file = tmp_path / "dev.toml"
    file.write_text('[model]\nname = "shapes"\ndigest = "00"\n', encoding="utf-8")
    result = CliRunner().invoke(
        main, ["release", "pin", str(file), DIGEST[:8], "--models", str(models)]
    )
    assert (result.exit_code, result.exception) == (0, None)
    assert f"pins shapes ({DIGEST[:12]}…)" in result.output


def test_an_audit_log_that_is_not_utf_8_names_what_restores_it(tmp_path: Path) -> None:
    (tmp_path / "promotions.jsonl").write_bytes(b"\xff\n")
    with pytest.raises(RegistryError, match=r"is not UTF-8: invalid start byte; .*git restore"):
        read_history(tmp_path / "promotions.jsonl")
