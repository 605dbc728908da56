"""Version ranges match the same versions as in npm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semantic_version import NpmSpec, Version

from local_aws.errors import ValidationError
from local_aws.services.greengrass.versions import parse_requirement, parse_version, satisfying

numbers = st.integers(0, 4)
releases = st.builds("{}.{}.{}".format, numbers, numbers, numbers)
hexadecimal = st.text("0123456789abcdef", min_size=1, max_size=16)
pre_releases = st.builds("{}-sha256-{}".format, releases, hexadecimal)
comparators = st.builds(
    "{}{}".format, st.sampled_from(["", "=", ">", ">=", "<", "<=", "^", "~"]), releases
)
ranges = st.lists(
    st.lists(comparators, min_size=1, max_size=2).map(" ".join), min_size=1, max_size=2
).map(" || ".join)


@given(pinned=pre_releases, other=st.one_of(releases, pre_releases))
def test_an_exact_pin_of_a_pre_release_allows_that_version_and_no_other(
    pinned: str, other: str
) -> None:
    assert satisfying([pinned], [f"={pinned}"]) == [pinned]
    assert satisfying([pinned], [pinned]) == [pinned]
    assert (satisfying([other], [f"={pinned}"]) == [other]) == (other == pinned)


@given(version=pre_releases, requirement=ranges)
def test_a_range_without_a_pre_release_never_allows_one(version: str, requirement: str) -> None:
    assert satisfying([version], [requirement]) == []


@given(version=releases, requirement=ranges)
def test_ranges_of_releases_decide_as_the_library_does(version: str, requirement: str) -> None:
    assert (Version(version) in parse_requirement(requirement)) == (
        Version(version) in NpmSpec(requirement)
    )


@given(versions=st.lists(releases, unique=True), requirement=ranges)
def test_what_satisfies_is_sorted_newest_first(versions: list[str], requirement: str) -> None:
    found = satisfying(versions, [requirement])
    assert found == sorted(found, key=Version, reverse=True)
    assert set(found) <= set(versions)


@pytest.mark.parametrize(
    ("requirement", "allowed", "refused"),
    [
        (">=2.0.0 <3.0.0", ["2.0.0", "2.9.9"], ["3.0.0", "1.9.9", "2.1.0-rc.1"]),
        ("^1.2.3", ["1.2.3", "1.9.0"], ["1.2.2", "2.0.0"]),
        ("~1.2.3", ["1.2.9"], ["1.3.0"]),
        ("^1.0.0-rc.2", ["1.0.0-rc.2", "1.0.0-rc.10", "1.4.0"], ["1.0.0-rc.1", "1.1.0-rc.3"]),
        (">1.0.0-rc.1", ["1.0.0", "1.0.0-rc.2", "2.0.0"], ["1.0.0-rc.1", "0.9.0"]),
        ("<=1.0.0-rc.1", ["0.9.0", "1.0.0-rc.1"], ["1.0.0"]),
        ("1.x || >=3", ["1.5.0", "3.0.0"], ["2.0.0"]),
        ("1.0.0 - 2.0.0", ["1.5.0"], ["2.0.1"]),
        (">= 1.0.0", ["1.0.0"], ["0.1.0"]),
        ("==1.0.0", ["1.0.0"], ["1.0.1"]),
        ("*", ["0.0.1"], ["0.0.1-rc.1"]),
        ("", ["7.0.0"], []),
    ],
)
def test_npm_ranges(requirement: str, allowed: list[str], refused: list[str]) -> None:
    assert sorted(satisfying([*allowed, *refused], [requirement])) == sorted(allowed)


@pytest.mark.parametrize("text", ["one", "=>1.0.0", "1.0.0 & 2.0.0"])
def test_what_is_no_range_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(ValidationError, match="is not an npm-style range"):
        parse_requirement(text)


@given(st.text(max_size=20))
def test_any_text_is_a_version_or_a_clear_refusal(text: str) -> None:
    try:
        assert str(parse_version(text)) == text
    except ValidationError as error:
        assert repr(text) in error.message  # noqa: PT017 - the call may also succeed
