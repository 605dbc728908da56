"""A component version is valid for both nuclei; its last two numbers follow from the content."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semantic_version import Version

from deeplens.policy.golden import without_content_numbers
from stacks.recipes import NUMBER_LIMIT, component_version, is_three_numbers

contents = st.binary(max_size=20).map(lambda content: hashlib.sha256(content).hexdigest())
first_numbers = st.integers(0, NUMBER_LIMIT - 1)
# Names of environments and models that deeplens.config accepts.
names = st.from_regex(r"\A[a-z][a-z0-9-]{0,12}\Z")


@given(first=first_numbers, content=contents)
def test_a_version_is_three_numbers_below_a_million(first: int, content: str) -> None:
    version = component_version(first, content)
    assert is_three_numbers(version)
    parsed = Version(version)
    assert parsed.major == first
    assert max(parsed.major, parsed.minor, parsed.patch) < 1_000_000
    assert not parsed.prerelease
    assert not parsed.build


@given(environment=names, model=names, first=first_numbers, content=contents)
def test_name_and_version_survive_the_file_name_of_nucleus_lite(
    environment: str, model: str, first: int, content: str
) -> None:
    name, version = f"deeplens.{environment}.model.{model}", component_version(first, content)
    assert f"{name}-{version}".rpartition("-") == (name, "-", version)


@given(first=first_numbers, pair=st.lists(contents, min_size=2, max_size=2, unique=True))
def test_other_content_has_another_version(first: int, pair: list[str]) -> None:
    first_version, second_version = (component_version(first, content) for content in pair)
    assert first_version != second_version


def test_the_numbers_are_the_digest_modulo_ten_to_the_twelfth() -> None:
    assert component_version(3, f"{12_345_000_678_901:064x}") == "3.345000.678901"
    assert component_version(3, f"{10**12 + 1:064x}") == "3.0.1"


@pytest.mark.parametrize(
    "version",
    ["1.0.0-sha256-0123456789abcdef", "1.0.0+1", "1.0", "01.0.0", "1.0.1000000", "1.0.0\n", ""],
)
def test_other_forms_are_not_three_numbers(version: str) -> None:
    assert not is_three_numbers(version)


def test_only_numbers_that_follow_from_content_are_masked() -> None:
    arn = "arn:aws:greengrass:eu-central-1:111111111111:components:a:versions:1.12.345"
    template = {
        "Resources": {
            "Model": {"Type": "Custom::GreengrassComponent", "Properties": {"Arn": arn}},
            "Function": {
                "Type": "Custom::GreengrassComponent",
                "Properties": {"Arn": {"Fn::Join": ["", ["a:", {"Ref": "Version"}, ".6.789"]]}},
            },
            "Topic": {"Type": "AWS::SNS::Topic"},
        }
    }
    text = "1.12.345 2.12.3456 ${Version}.6.789 2.16.1"
    expected = "1.CONTENT 2.12.3456 ${Version}.CONTENT 2.16.1"
    assert without_content_numbers(text, template) == expected
    assert without_content_numbers(text, {}) == text
