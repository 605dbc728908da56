"""`deeplens env reference` and `deeplens env new`: the table of settings, and a new environment."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deeplens.config import load_environment, load_environments

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in (ROOT / "environments").glob("*.toml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def new(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "deeplens", "env", "new", "--folder", folder, *arguments)


def test_the_documented_keys_are_those_of_the_sources() -> None:
    checked = run("-m", "deeplens", "env", "reference", "--check")
    assert checked.returncode == 0, checked.stdout


def test_a_new_environment_is_valid_beside_the_others(folder: Path) -> None:
    assert new(folder, "qa").returncode == 0
    made = load_environment(folder / "qa.toml")
    dev = load_environment(folder / "dev.toml")
    assert (made.account, made.region, made.model) == (dev.account, dev.region, dev.model)
    assert "qa" in {environment.name for environment in load_environments(folder)}


def test_a_new_environment_may_have_an_account_and_region_of_its_own(folder: Path) -> None:
    assert new(folder, "qa", "--account=444444444444", "--region=eu-west-1").returncode == 0
    made = load_environment(folder / "qa.toml")
    assert made.model_store.bucket_name == "deeplens-qa-444444444444-eu-west-1"


def test_every_default_of_a_new_file_can_be_said(folder: Path) -> None:
    new(folder, "qa")
    file = folder / "qa.toml"
    said = "\n".join(
        re.sub(r"^# (?=\w+ = [^…])", "", line)
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    before = load_environment(file)
    file.write_text(said, encoding="utf-8")
    assert load_environment(file) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["dev"], "dev.toml exists"),
        (["Q A"], "the name of the file is that of the environment"),
        (["../x"], "expected a name"),
        ([""], "expected a name"),
        (["qa", "--account=12"], "account: given '12'"),
        (["qa", "--region=moon-1"], "most similar name"),
    ],
)
def test_a_wrong_new_environment_is_refused_and_leaves_nothing(
    folder: Path, arguments: list[str], expected: str
) -> None:
    before = {file: file.read_bytes() for file in folder.iterdir()}
    refused = new(folder, *arguments)
    assert refused.returncode == 2
    assert expected in refused.stderr
    assert "Traceback" not in refused.stderr
    assert {file: file.read_bytes() for file in folder.iterdir()} == before
