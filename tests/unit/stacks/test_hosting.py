"""`[hosting]` of an environment file: valid values, archives and AWS' containers."""

import io
import tarfile
from pathlib import Path

import pytest

from deeplens.config import (
    ConfigError,
    EnvironmentConfig,
    load_environment,
    load_model_data,
)
from deeplens.config.deep_learning_containers import (
    container_image,
    has_gpu,
    has_local_storage,
    runs_images,
    supported_versions,
)

VARIANT = """
[[hosting.variants]]
name = "only"
model_data = "iris.tar.gz"
framework = "tensorflow"
framework_version = "2.19"
"""
DEV = Path(__file__).parents[3] / "environments/dev.toml"


def environment(folder: Path, text: str, variant: str = VARIANT) -> EnvironmentConfig:
    file = folder / "dev.toml"
    file.write_text(f"{DEV.read_text(encoding='utf-8')}\n[hosting]\n{text}\n{variant}")
    return load_environment(file)


def archive(file: Path, *names: str) -> Path:
    with tarfile.open(file, "w:gz") as made:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            made.addfile(member, io.BytesIO(b"x"))
    return file


def test_hosting_is_off_unless_it_is_asked_for() -> None:
    assert not load_environment(DEV).hosting.enabled


@pytest.mark.parametrize(
    ("text", "variant", "complaint"),
    [
        ("enabled = true", "", "hosting: given .* requires a model: add \\[\\[hosting.variants"),
        ("enabled = true", VARIANT.replace("2.19", "1.4"), "'1.4', .* 2.19, 2.18"),
        ("enabled = true", VARIANT.replace("tensorflow", "pytorch"), "'tensorflow' or 'mxnet'"),
        ("enabled = true", f'{VARIANT}instance_type = "ml.m6g.large"', "other containers"),
        ("enabled = true", f'{VARIANT}instance_type = "m5.large"', "pattern: .*ml"),
        ("enabled = true", f"{VARIANT}weight = 0", "weight above 0"),
        ("enabled = true", VARIANT + VARIANT, "unique; given only, only"),
        ("enabled = true", f"{VARIANT}memory_mib = 2048", "no memory_mib in mode 'instance'"),
        ("enabled = true", f"{VARIANT}digest = 'abc'", "pattern: "),
        ("enabled = true", f"{VARIANT}environment = {{'a b' = 'c'}}", "variable 'a b'"),
        ('mode = "serverless"', f"{VARIANT}instances = 2", "no instances in mode 'serverless'"),
        ('mode = "serverless"\ndata_capture_percent = 5', VARIANT, "no data_capture_percent"),
        ('mode = "serverless"\nnetwork_isolation = true', VARIANT, "no network_isolation"),
        ('mode = "serverless"', VARIANT + VARIANT.replace("only", "b"), "has one variant"),
        ('subnets = ["subnet-0123456789abcdef0"]', VARIANT, "a VPC requires at least one subnet"),
        ('subnets = ["vpc-1"]', VARIANT, "subnet-"),
        ("data_capture_percent = 101", VARIANT, "expected at most 100"),
        ("latency = 1", VARIANT, "did you mean 'latency_p95_ms'"),
        (
            "scaling = {minimum_instances=4, maximum_instances=2, invocations_per_minute=60}",
            VARIANT,
            "minimum_instances 4 is more than maximum_instances 2",
        ),
    ],
)
def test_what_sagemaker_would_refuse_later_is_one_clear_error(
    tmp_path: Path, text: str, variant: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        environment(tmp_path, text, variant)
    assert "\n" not in str(caught.value)


def test_an_endpoint_without_anybody_to_tell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"hosting.enabled requires monitoring.enabled"):
        environment(tmp_path, "enabled = true", f"{VARIANT}\n[monitoring]\nenabled = false")


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["frozen.pb"], "no SavedModel in the folder that TensorFlow's container reads"),
        (["export/Servo/latest/saved_model.pb"], "<folder>/<number>/saved_model.pb"),
    ],
)
def test_an_archive_that_the_container_could_not_load_is_refused(
    tmp_path: Path, names: list[str], complaint: str
) -> None:
    (variant,) = environment(tmp_path, "").hosting.variants
    archive(tmp_path / "iris.tar.gz", *names)
    with pytest.raises(ConfigError, match=complaint):
        load_model_data(tmp_path, variant)


def test_a_loadable_archive_is_known_by_its_digest(tmp_path: Path) -> None:
    (variant,) = environment(tmp_path, "").hosting.variants
    archive(tmp_path / "iris.tar.gz", "export/Servo/1/saved_model.pb")
    data = load_model_data(tmp_path, variant)
    pinned = environment(tmp_path, "", f"{VARIANT}digest = '{data.digest}'").hosting.variants[0]
    assert load_model_data(tmp_path, pinned) == data
    other = environment(tmp_path, "", f"{VARIANT}digest = '{'0' * 64}'").hosting.variants[0]
    with pytest.raises(ConfigError, match="SHA-256 of the archive is"):
        load_model_data(tmp_path, other)


def test_an_archive_that_is_none_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    (variant,) = environment(tmp_path, "").hosting.variants
    with pytest.raises(ConfigError, match="create it with `deeplens model host-package`"):
        load_model_data(tmp_path, variant)
    (tmp_path / "iris.tar.gz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ConfigError, match="not a tar archive compressed by gzip"):
        load_model_data(tmp_path, variant)
    truncated = archive(tmp_path / "whole.tar.gz", "export/Servo/1/saved_model.pb").read_bytes()
    (tmp_path / "iris.tar.gz").write_bytes(truncated[: len(truncated) // 2])
    with pytest.raises(ConfigError, match="not a tar archive"):
        load_model_data(tmp_path, variant)


def test_mxnet_needs_its_three_files(tmp_path: Path) -> None:
    text = VARIANT.replace("tensorflow", "mxnet").replace("2.19", "1.9")
    (variant,) = environment(tmp_path, "", text).hosting.variants
    archive(tmp_path / "iris.tar.gz", "./model-symbol.json", "model-0000.params")
    with pytest.raises(ConfigError, match=r"loads: model-shapes\.json"):
        load_model_data(tmp_path, variant)


def test_images_are_those_of_region_framework_version_and_processor() -> None:
    def image(region: str, instance_type: str) -> str:
        return container_image(
            "tensorflow", "inference", "2.19", region=region, instance_type=instance_type
        ).uri

    frankfurt = "763104351884.dkr.ecr.eu-central-1.amazonaws.com"
    assert image("eu-central-1", "ml.c5.xlarge") == f"{frankfurt}/tensorflow-inference:2.19.0-cpu"
    assert image("eu-central-1", "ml.g4dn.xlarge").endswith(":2.19.0-gpu")
    beijing = "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn"
    assert image("cn-north-1", "ml.m5.large").startswith(f"{beijing}/")
    assert supported_versions("mxnet", "training") == ()


@pytest.mark.parametrize(
    ("family", "gpu", "local_storage", "x86"),
    [
        ("m5", False, False, True),
        ("m5d", False, True, True),
        ("c6id", False, True, True),
        ("t2", False, False, True),
        ("g4dn", True, True, True),
        ("g5", True, True, True),
        ("p3", True, False, True),
        ("m6g", False, False, False),
        ("m6gd", False, True, False),
        ("c7g", False, False, False),
        ("inf1", False, False, False),
    ],
)
def test_an_instance_type_says_which_image_and_which_key_it_takes(
    family: str, *, gpu: bool, local_storage: bool, x86: bool
) -> None:
    name = f"ml.{family}.xlarge"
    assert (has_gpu(name), has_local_storage(name), runs_images(name)) == (gpu, local_storage, x86)
