"""Any command reports an error as one message with a documented exit code, without a traceback."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deeplens.cli import errors
from deeplens.cli.env.check import check
from deeplens.cli.main import main
from deeplens.fleet.errors import EmulatorNotRunningError, FleetError, WrongInputError
from deeplens.local import emulator
from deeplens.local.processes import CommandFailed
from deeplens.releases.pin import PinError
from deeplens.review import ReviewError, WrongBaseError, WrongPlanError
from deeplens.runtime.errors import RuntimeBuildError
from model_tools.errors import NoEmulatorError

ABSENT = "absent/file"
# Commands that reject their input before they use an account, a network or the emulator.
WRONG_INPUT = [
    "release pin absent/file 0000",
    "release verify absent/file --public-key absent/key",
    "release promote dev nowhere --dry-run",
    "release rollback nowhere --reason test",
    "release check nowhere",
    "fleet status nowhere",
    "fleet releases nowhere",
    "fleet stop nowhere --reason test",
    "fleet resume nowhere",
    "fleet provision nowhere cam-1",
    "fleet prepare-device nowhere cam-1",
    "fleet retire nowhere cam-1 --dry-run",
    "fleet teardown nowhere --dry-run",
    "fleet timeline nowhere --devices 1",
    "env plan nowhere --check absent/file",
    "local deploy nowhere",
    "local diff nowhere",
    "local rollback nowhere --reason test",
    "local demo --env nowhere",
]
# Commands that are listed separately, because they load TensorFlow.
MODEL = [
    "model inspect absent/file",
    "model freeze absent/file build/frozen",
    "model verify absent/file",
    "model predict absent/file",
]
NOT_RUNNING = [
    "local deploy dev",
    "local diff dev",
    "local rollback dev --reason test",
    "local camera dev",
    "local watch dev",
    "local deliver",
    "fleet status dev --local",
    "release rollback dev --local --reason test",
    "release check dev --local",
]


@pytest.fixture(autouse=True)
def nothing_is_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(emulator, "read_endpoint", lambda: None)


def failed(command: str) -> Result:
    """Run a command that must fail with one error message; return its result."""
    result = CliRunner().invoke(main, command.split())
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    errors_printed = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors_printed) == 1, result.output
    return result


@pytest.mark.parametrize("command", WRONG_INPUT)
def test_a_missing_file_or_an_unknown_environment_is_wrong_input(command: str) -> None:
    assert failed(command).exit_code == 2


@pytest.mark.process
@pytest.mark.parametrize("command", MODEL)
def test_a_missing_model_is_wrong_input(command: str) -> None:
    assert failed(command).exit_code == 2


@pytest.mark.process
def test_a_review_of_an_unknown_commit_is_wrong_input() -> None:
    assert failed("review no-such-commit").exit_code == 2


@pytest.mark.parametrize("command", NOT_RUNNING)
def test_without_the_emulator_the_exit_code_is_3(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("environments", "models"):
        (tmp_path / name).symlink_to(Path(name).resolve())
    monkeypatch.chdir(tmp_path)
    result = failed(command)
    assert result.exit_code == 3
    assert "`deeplens local up`" in result.stderr


@pytest.mark.parametrize(
    "command", ["fleet status dev", "fleet releases dev", "fleet stop dev --reason test"]
)
def test_without_credentials_the_exit_code_is_1(command: str) -> None:
    assert failed(command).exit_code == 1


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_bytes(Path("environments/dev.toml").read_bytes())
    (tmp_path / "qa.toml").mkdir()
    assert failed(f"env new qa --folder {tmp_path}").exit_code == 2
    (tmp_path / "file").touch()
    command = f"fleet prepare-device dev cam-1 --out {tmp_path}/file/below"
    assert failed(command).exit_code in {1, 2}


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (FleetError("text"), 1),
        (WrongInputError("text"), 2),
        (PinError("text"), 2),
        (ReviewError("text"), 1),
        (WrongBaseError("text"), 2),
        (WrongPlanError("text"), 2),
        (RuntimeBuildError("text"), 1),
        (CommandFailed("text"), 1),
        (CommandFailed("text", 3), 3),
        (EmulatorNotRunningError("text"), 3),
        (NoEmulatorError("text"), 3),
        (ModuleNotFoundError("text", name="cfnlint"), 1),
        (ModuleNotFoundError("text", name="local_aws.process"), 1),
        (FileNotFoundError(2, "No such file or directory", ABSENT), 1),
    ],
    ids=repr,
)
def test_each_error_of_the_product_has_a_documented_exit_code(
    error: Exception, exit_code: int
) -> None:
    reported = errors.reported(error)
    assert reported is not None
    assert reported.exit_code == exit_code


def test_a_defect_is_one_line_that_names_the_file_with_the_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken(**_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(check, "callback", broken)
    result = failed("env check")
    assert result.exit_code == 1
    (log,) = tmp_path.glob("deeplens-*.log")
    assert str(log) in result.stderr
    assert "ZeroDivisionError" in log.read_text(encoding="utf-8")


def test_a_missing_package_is_one_message_with_the_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a missing package contains the set-up command.

    `make setup` does not install packages that only a review needs.
    """
    monkeypatch.delitem(sys.modules, "cfnlint.schema", raising=False)
    monkeypatch.setitem(sys.modules, "cfnlint", None)
    result = failed("review main")
    assert (result.exit_code, "`make setup-development`" in result.stderr) == (1, True)
