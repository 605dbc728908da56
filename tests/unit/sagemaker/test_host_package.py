"""`deeplens model host-package` writes archives for SageMaker's containers, or an error."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model_tools.cli.main import main
from tests.unit.sagemaker import mxnet_files
from tests.unit.serving.conftest import example_models

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]

__all__ = ["example_models"]


def pack(source: Path, archive: Path, *options: object) -> Result:
    command = ["host-package", str(source), str(archive), *map(str, options)]
    result = CliRunner().invoke(main, command)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def rejected(source: Path, archive: Path, *options: object) -> str:
    result = pack(source, archive, *options)
    assert result.exit_code == 2, result.output
    assert not archive.exists()
    return result.output


def members(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return [member.name for member in tar if member.isfile()]


@pytest.fixture
def saved_model(example_models: dict[str, Path]) -> Path:
    return example_models["half_plus_two"] / "123"


def test_a_saved_model_is_in_the_containers_layout(saved_model: Path, tmp_path: Path) -> None:
    archive = tmp_path / "new" / "model.tar.gz"
    result = pack(saved_model, archive, "--json")
    assert result.exit_code == 0, result.output
    variables = [f"variables/variables.{end}" for end in ("data-00000-of-00001", "index")]
    expected = [f"export/Servo/123/{name}" for name in ("saved_model.pb", *variables)]
    assert members(archive) == expected
    packed = json.loads(result.output)
    assert packed["framework"] == "tensorflow"
    assert packed["members"] == expected
    assert packed["not_local"] is None


def test_the_same_files_give_the_same_bytes(saved_model: Path, tmp_path: Path) -> None:
    shutil.copytree(saved_model, tmp_path / "copy" / "export" / "Servo" / "123")
    first, second, third = (tmp_path / f"{name}.tar.gz" for name in "abc")
    assert pack(saved_model, first).exit_code == 0
    assert pack(tmp_path / "copy", second).exit_code == 0
    assert pack(first, third).exit_code == 0
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()


def test_a_model_is_read_within_the_limits(
    saved_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_TOOLS_MEMORY_MIB", "32")
    large = shutil.copytree(saved_model, tmp_path / "large")
    content = 64 << 20
    with (large / "saved_model.pb").open("ab") as file:
        # The decoder stores a field that the message does not define (number 1000).
        file.write(b"\xc2\x3e" + bytes([128, 128, 128, 32]) + bytes(content))
    archive = tmp_path / "model.tar.gz"
    result = pack(large, archive)
    assert result.exit_code == 1
    assert "needs over 32 MiB of memory" in result.output
    assert not archive.exists()


def test_the_highest_or_the_given_version_is_packaged(saved_model: Path, tmp_path: Path) -> None:
    for number in (9, 10):
        shutil.copytree(saved_model, tmp_path / "base" / str(number))
    archive = tmp_path / "model.tar.gz"
    pack(tmp_path / "base", archive)
    assert members(archive)[0].startswith("export/Servo/10/")
    pack(tmp_path / "base", archive, "--version", 9)
    assert members(archive)[0].startswith("export/Servo/9/")
    assert "expected one of 10, 9" in pack(tmp_path / "base", archive, "--version", 8).output


def test_code_is_packaged_and_caches_are_not(saved_model: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    for name in ("inference.py", "requirements.txt", "lib/help.py", "__pycache__/a.pyc", ".git/x"):
        (code / name).parent.mkdir(exist_ok=True, parents=True)
        (code / name).write_text("")
    (code / "inference.py").write_text("def handler(data, context): ...")
    archive = tmp_path / "model.tar.gz"
    assert pack(saved_model, archive, "--code", code).exit_code == 0
    assert [name for name in members(archive) if name.startswith("code/")] == [
        "code/inference.py", "code/lib/help.py", "code/requirements.txt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("def input_handler(data, context): ...", "expected handler"),
        ("def handler(:", "is not valid Python"),
        (None, "no inference.py and no requirements.txt"),
    ],
)
def test_code_that_cannot_run_is_rejected(
    saved_model: Path, tmp_path: Path, script: str | None, expected: str
) -> None:
    (tmp_path / "code").mkdir()
    if script is not None:
        (tmp_path / "code" / "inference.py").write_text(script)
    assert expected in rejected(saved_model, tmp_path / "m.tar.gz", "--code", tmp_path / "code")


def test_the_error_of_another_format_contains_how_to_export_a_saved_model(
    saved_model: Path, tmp_path: Path
) -> None:
    from model_tools.graph.messages import message_class  # noqa: PLC0415 - only this test needs the module

    archive = tmp_path / "model.tar.gz"
    graph = message_class("GraphDef")()
    graph.node.add(name="image", op="Placeholder")
    frozen = tmp_path / "frozen.pb"
    frozen.write_bytes(graph.SerializeToString())
    assert "frozen graph" in rejected(frozen, archive)
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    shutil.copy(frozen, renamed / "saved_model.pb")
    assert "frozen graph" in rejected(renamed, archive)
    keras = tmp_path / "keras" / "model.keras"
    keras.parent.mkdir()
    keras.touch()
    assert "model.keras', compile=False)" in rejected(keras.parent, archive)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(saved_model / "saved_model.pb", bare)
    assert "variables.index" in rejected(bare, archive)
    (tmp_path / "none").mkdir()
    assert "MXNet" in rejected(tmp_path / "none", archive)
    assert "expected a .tar.gz" in rejected(saved_model, tmp_path / "model.zip")
    assert "no such file" in rejected(tmp_path / "nowhere", archive)


def test_an_mxnet_model_is_packaged_and_cannot_be_served_locally(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    result = pack(mxnet_files.write(tmp_path / "model"), archive)
    assert result.exit_code == 0, result.output
    assert "not run locally: only SageMaker" in result.output
    assert members(archive) == ["model-0000.params", "model-shapes.json", "model-symbol.json"]
    served = CliRunner().invoke(main, ["serve-container", "--model-data", str(archive)])
    assert served.exit_code == 2
    assert "only SageMaker's MXNet container" in served.output


def test_the_error_of_an_incomplete_mxnet_model_contains_the_missing_file(tmp_path: Path) -> None:
    folder = mxnet_files.write(tmp_path / "model")
    (folder / "model-shapes.json").unlink()
    assert "has no model-shapes.json" in rejected(folder, tmp_path / "model.tar.gz")
