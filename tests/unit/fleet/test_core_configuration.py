"""`config.yaml` is valid YAML with the keys that each nucleus requires."""

from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deeplens.fleet.core_configuration import CORE_ROOT, CoreConfiguration
from deeplens.fleet.errors import WrongInputError

DATA = "abc-ats.iot.eu-central-1.amazonaws.com"
CREDENTIALS = "abc.credentials.iot.eu-central-1.amazonaws.com"
SYSTEM = {"certificateFilePath", "privateKeyPath", "rootCaPath", "thingName"}
CONFIGURATION = {
    "awsRegion",
    "iotCredEndpoint",
    "iotDataEndpoint",
    "iotRoleAlias",
    "greengrassDataPlanePort",
    "runWithDefault",
}


def configuration(runtime: str, **changes: Any) -> CoreConfiguration:
    values = {
        "thing": "cam-1",
        "region": "eu-central-1",
        "role_alias": "deeplens-dev-token-exchange",
        "data_endpoint": DATA,
        "credentials_endpoint": CREDENTIALS,
        "runtime": runtime,
        "nucleus_version": "2.16.1",
        "root": CORE_ROOT[runtime],
    }
    return CoreConfiguration(**{**values, **changes})


def read(runtime: str, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(configuration(runtime, **changes).text())
    return document


def test_nucleus_lite_gets_every_key_that_it_requires() -> None:
    """The configuration has every key that nucleus lite requires.

    Measured: without any of these keys, nucleus lite 2.6.0 does not start, or deploys nothing.
    """
    document = read("lite")
    assert document["system"].keys() == SYSTEM | {"rootPath"}
    service = document["services"]["aws.greengrass.NucleusLite"]
    assert service["componentType"] == "NUCLEUS"
    assert service["configuration"].keys() == CONFIGURATION
    assert all([*document["system"].values(), *service["configuration"].values()])
    assert document["system"]["rootPath"] == "/var/lib/greengrass"


def test_the_classic_nucleus_gets_its_own_keys_and_version() -> None:
    document = read("classic")
    assert document["system"].keys() == SYSTEM | {"rootpath"}
    service = document["services"]["aws.greengrass.Nucleus"]
    assert service["version"] == "2.16.1"
    assert service["configuration"].keys() == CONFIGURATION


@pytest.mark.parametrize(
    ("runtime", "user"),
    [("classic", "ggc_user:ggc_group"), ("lite", "gg_component:gg_component")],
)
def test_components_run_as_a_user_that_cannot_read_the_key(runtime: str, user: str) -> None:
    [service] = read(runtime)["services"].values()
    assert service["configuration"]["runWithDefault"] == {"posixUser": user}


def test_a_credentials_endpoint_that_lite_cannot_read_is_rejected() -> None:
    longest = "a" * 128
    assert longest in configuration("lite", credentials_endpoint=longest).text()
    with pytest.raises(WrongInputError, match=r"expected at most 128 characters; got 129"):
        configuration("lite", credentials_endpoint=longest + "a")
    assert configuration("classic", credentials_endpoint=longest + "a").text()


@given(text=st.text(st.characters(max_codepoint=0x7F), min_size=1, max_size=40))
def test_no_value_can_add_or_remove_a_key(text: str) -> None:
    document = read("lite", data_endpoint=text, root=PurePosixPath("/r"))
    [service] = document["services"].values()
    assert service["configuration"].keys() == CONFIGURATION
    assert service["configuration"]["iotDataEndpoint"] == text
