"""An environment file can contain all keys, and each invalid value causes one error."""

import hashlib
import json
import os
import zipfile
from pathlib import Path

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplens.config import (
    GREENGRASS_REGIONS,
    ConfigError,
    ModelPin,
    load_artifact,
    load_delivery,
    load_environment,
    load_environments,
)
from tests.unit.stacks.environment_cases import DIGEST, HOSTILE_VALUES, VALID, WRONG_VALUES


def write(folder: Path, text: str, name: str = "dev") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_with_only_what_must_be_said_has_the_defaults(tmp_path: Path) -> None:
    environment = load_environment(write(tmp_path, VALID))
    assert environment.name == "dev"
    assert environment.inference.topic == "deeplens/{thing}/infer"
    assert environment.model_store.termination_protection


def test_the_committed_environments_are_valid() -> None:
    environments = load_environments(Path(__file__).parents[3] / "environments")
    assert [environment.name for environment in environments] == ["dev", "production", "staging"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    WRONG_VALUES + HOSTILE_VALUES,
)
def test_a_wrong_value_names_file_key_what_was_given_and_what_would_work(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    file = write(tmp_path, VALID.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        load_environment(file)
    assert expected in str(error.value)
    assert str(file) in str(error.value)


def test_the_first_of_many_problems_are_reported(tmp_path: Path) -> None:
    unknown = "".join(f"key{number} = 1\n" for number in range(20_000))
    with pytest.raises(ConfigError) as error:
        load_environment(write(tmp_path, unknown + VALID))
    lines = str(error.value).splitlines()
    assert len(lines) == 21
    assert "and 19980 more problems" in lines[-1]
    assert len(str(error.value)) < 40_000


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    file = write(tmp_path, VALID.replace("eu-central-1", "x" * 500_000))
    with pytest.raises(ConfigError) as error:
        load_environment(file)
    assert len(str(error.value)) < 3000


@pytest.mark.parametrize("kind", ["folder", "fifo", "large"])
def test_what_is_not_a_text_file_is_one_error(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "dev.toml"
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    else:
        file.write_bytes(b"#" * (2 << 20))
    for read in (load_environment, lambda path: load_delivery(path, [])):
        with pytest.raises(ConfigError, match=r"is not a regular file|above the limit of 1048576"):
            read(file)


def test_every_wrong_value_is_reported_at_once(tmp_path: Path) -> None:
    text = VALID.replace("eu-central-1", "mars-1").replace("deeplens-dev-models", "x")
    with pytest.raises(ConfigError) as error:
        load_environment(write(tmp_path, text))
    assert len(str(error.value).splitlines()) == 2


@given(st.text(max_size=80))
def test_the_suggested_bucket_name_would_work(name: str) -> None:
    from deeplens.config import ModelStoreConfig  # noqa: PLC0415 - only this test needs the class

    try:
        ModelStoreConfig(bucket_name=name)
    except ValueError as error:
        suggestion = str(error).split("for example '")[1].split("'")[0]
        assert ModelStoreConfig(bucket_name=suggestion).bucket_name == suggestion


def test_two_environments_do_not_share_a_bucket(tmp_path: Path) -> None:
    write(tmp_path, VALID)
    write(tmp_path, VALID, "staging")
    with pytest.raises(
        ConfigError, match=r"bucket_name.*also the value of dev: bucket names are global"
    ):
        load_environments(tmp_path)


SECOND = VALID.replace("deeplens-dev", "deeplens-qa").replace(
    "[fleet]", "[inference]\ntopic = 'deeplens/qa/{thing}/infer'\n\n[fleet]"
)


def test_two_environments_live_side_by_side_in_one_account(tmp_path: Path) -> None:
    write(tmp_path, VALID)
    write(tmp_path, SECOND, "qa")
    assert len(load_environments(tmp_path)) == 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('thing_group = "deeplens-qa"', 'thing_group = "deeplens-dev"', "fleet.thing_group"),
        ("deeplens/qa/{thing}/infer", "deeplens/{thing}/infer", "deeplens/qa/{thing}/infer' works"),
        ("deeplens/qa/{thing}/infer", "{thing}/x/infer", "inference.topic"),
        ('thing_group = "deeplens-qa"', 'things = ["camera-1"]', "'camera-1', which is also a"),
        ("[model]", "deeplens_roles = true\n[model]", "exist once per account"),
        ("[model]", "promoted_from = 'prod'\n[model]", "expected another environment: dev"),
        ("[model]", "promoted_from = 'dev'\n[model]", "is a cycle with"),
    ],
)
def test_environments_of_one_account_keep_out_of_each_others_way(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    first = "deeplens_roles = true\npromoted_from = 'qa'\n" + VALID
    first = first.replace("[fleet]", "[fleet]\nthings = ['camera-1']")
    write(tmp_path, first)
    write(tmp_path, SECOND.replace(old, new, 1), "qa")
    with pytest.raises(ConfigError) as error:
        load_environments(tmp_path)
    assert expected in str(error.value)
    assert "qa.toml" in str(error.value) or "dev.toml" in str(error.value)


def test_names_follow_from_the_environment_unless_they_are_said(tmp_path: Path) -> None:
    short = VALID.split("[model_store]", maxsplit=1)[0]
    environment = load_environment(write(tmp_path, short, "qa"))
    assert environment.model_store.bucket_name == "deeplens-qa-111111111111-eu-central-1"
    assert environment.fleet.thing_group == "deeplens-qa"


@pytest.mark.parametrize(
    ("text", "component", "name"),
    [
        ("", "lambda", "deeplens.qa.inference"),
        ("[inference]\ncomponent = 'lambda'", "lambda", "deeplens.qa.inference"),
        ("[inference]\ncomponent = 'generic'", "generic", "deeplens.qa.camera"),
        ("[fleet]\ncore_runtime = 'lite'", "generic", "deeplens.qa.inference"),
        (
            "[fleet]\ncore_runtime = 'lite'\n[inference]\ncomponent = 'generic'",
            "generic",
            "deeplens.qa.inference",
        ),
    ],
)
def test_the_kind_of_component_follows_from_the_nucleus_unless_it_is_set(
    tmp_path: Path, text: str, component: str, name: str
) -> None:
    short = VALID.split("[model_store]", maxsplit=1)[0]
    environment = load_environment(write(tmp_path, short + text, "qa"))
    assert environment.component == component
    assert environment.inference_component == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[fleet]\ncore_runtime = 'lite'\n[inference]\nisolation_mode = 'GreengrassContainer'",
         "fleet.core_runtime 'lite' runs neither Lambda component"),
        ("[inference]\nisolation_mode = 'GreengrassContainer'", "with fleet.cgroups 'v1'"),
        ("[fleet]\ncore_runtime = 'lite'\n[inference]\ncomponent = 'lambda'",
         "inference.component 'lambda' does not work with fleet.core_runtime 'lite'"),
        (("[fleet]\ncgroups = 'v1'\n[inference]\nisolation_mode = 'GreengrassContainer'\n"
         "component = 'generic'"), "'GreengrassContainer' is for Lambda components; use"),
        ("[inference]\ncomponent = 'container'", "inference.component: given 'container'"),
        (("[fleet]\ncgroups = 'v1'\n[inference]\nisolation_mode = 'GreengrassContainer'\n[runtime]"
         f"\namd64 = '{DIGEST}'"), "hides the folder of [runtime]"),
        (f"[inference]\nengine = 'tensorflow'\n[runtime]\namd64 = '{DIGEST}'",
         "[runtime] contains no TensorFlow"),
        ("[fleet]\ncore_runtime = 'lite'\n[inference]\ncamera = 'awscam'",
         "inference.camera 'awscam' needs an AWS DeepLens"),
        ("[fleet]\ncore_runtime = 'lite'\n[inference]\nengine = 'awscam'",
         "inference.engine 'awscam' needs an AWS DeepLens"),
        (("[fleet]\ncgroups = 'v1'\n[inference]\nisolation_mode = 'GreengrassContainer'\n"
         "camera = 'awscam'"), "which is not available in a container"),
        ("[inference]\nengine = 'tensorflow'\nengine_device = 'gpu'", "runs on the CPU only"),
        ("[runtime]\narm64 = 'x'", "did you mean 'amd64'?"),
        ("[runtime]\namd64 = 'x'", "runtime.amd64: given 'x'"),
        ("[monitoring]\nno_heartbeat_minutes = 1\n[inference]\nheartbeat_interval_seconds = 60",
         "at least 3 minutes work"),
        ("[monitoring]\nenabled = 3", "monitoring.enabled: given 3"),
    ],
)  # fmt: skip
def test_pairs_that_cannot_work_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    file = write(tmp_path, VALID.split("[model_store]", maxsplit=1)[0] + text)
    with pytest.raises(ConfigError) as error:
        load_environment(file)
    assert expected in str(error.value)
    assert str(file) in str(error.value)


def test_a_file_with_a_name_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name of the file .* given 'Dev_1'"):
        load_environment(write(tmp_path, VALID, "Dev_1"))


def test_a_missing_file_says_which_there_are(tmp_path: Path) -> None:
    write(tmp_path, VALID)
    with pytest.raises(ConfigError, match="no such environment file; there are: dev"):
        load_environment(tmp_path / "qa.toml")


def test_a_section_that_is_a_value_is_refused(tmp_path: Path) -> None:
    text = VALID.split("[model_store]", maxsplit=1)[0].replace("[model]", "fleet = 'all'\n[model]")
    with pytest.raises(ConfigError, match=r"fleet: given 'all', expected a section \[fleet\]"):
        load_environment(write(tmp_path, text))


def test_a_folder_without_environments_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no environment file"):
        load_environments(tmp_path)


def test_the_regions_are_those_that_botocore_knows() -> None:
    session = botocore.session.get_session()
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("greengrassv2", partition)
    }
    assert set(GREENGRASS_REGIONS) == known


def store(models: Path, name: str, manifest: object) -> str:
    models.mkdir(parents=True, exist_ok=True)
    unnamed = models / "model.zip"
    with zipfile.ZipFile(unnamed, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
    digest = hashlib.sha256(unnamed.read_bytes()).hexdigest()
    folder = models / name / digest
    folder.mkdir(parents=True)
    unnamed.rename(folder / "model.zip")
    return digest


def test_the_pinned_artifact_is_found_and_checked(tmp_path: Path) -> None:
    digest = store(tmp_path, "shapes", {"name": "shapes", "version": "1.2.3"})
    artifact = load_artifact(tmp_path, ModelPin(name="shapes", digest=digest))
    assert (artifact.version, artifact.digest) == ("1.2.3", digest)


def test_an_absent_artifact_says_which_ones_are_there(tmp_path: Path) -> None:
    digest = store(tmp_path, "shapes", {"name": "shapes", "version": "1.2.3"})
    with pytest.raises(ConfigError, match=f"built here: {digest}"):
        load_artifact(tmp_path, ModelPin(name="shapes", digest=DIGEST))


def test_changed_bytes_name_both_digests(tmp_path: Path) -> None:
    digest = store(tmp_path, "shapes", {"name": "shapes", "version": "1.2.3"})
    file = tmp_path / "shapes" / digest / "model.zip"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(ConfigError) as error:
        load_artifact(tmp_path, ModelPin(name="shapes", digest=digest))
    assert digest in str(error.value)
    assert hashlib.sha256(file.read_bytes()).hexdigest() in str(error.value)


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"name": "cats", "version": "1.0.0"}, "of model 'cats'"),
        ({"name": "shapes"}, "contains no version"),
        ([], "contains no version"),
    ],
)
def test_an_artifact_of_something_else_is_refused(
    tmp_path: Path, manifest: object, expected: str
) -> None:
    digest = store(tmp_path, "shapes", manifest)
    with pytest.raises(ConfigError, match=expected):
        load_artifact(tmp_path, ModelPin(name="shapes", digest=digest))
