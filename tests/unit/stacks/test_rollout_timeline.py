"""The timeline contains the worst case of every plan."""

import math

from hypothesis import given
from hypothesis import strategies as st

from deeplens.config.rollout import (
    AbortConfig,
    RateConfig,
    RolloutConfig,
    WaveConfig,
    timeline,
)

rates = st.one_of(
    st.none(),
    st.builds(RateConfig, maximum_per_minute=st.integers(1, 1000)),
    st.builds(RateConfig, base_per_minute=st.integers(1, 1000)),
)
shares = st.lists(st.integers(1, 99), max_size=4, unique=True).map(sorted)


def plan(percents: list[int], rate: RateConfig | None = None) -> RolloutConfig:
    waves = tuple(WaveConfig(percent=percent, wait_seconds=60) for percent in percents)
    return RolloutConfig(wait_seconds=300, waves=waves, rate=rate)


@given(shares, rates, st.integers(0, 3000))
def test_exposure_only_grows_and_ends_below_the_fleet(
    percents: list[int], rate: RateConfig | None, devices: int
) -> None:
    moments = timeline(plan(percents, rate), devices, {})
    exposed = [one.exposed_devices for one in moments]
    assert exposed == sorted(exposed)
    assert exposed[-1] <= devices
    assert [one.at_seconds for one in moments] == sorted(one.at_seconds for one in moments)
    if rate is None:
        assert exposed[-1] == devices


@given(shares, rates, st.integers(1, 3000))
def test_a_share_bounds_its_wave(
    percents: list[int], rate: RateConfig | None, devices: int
) -> None:
    for one in timeline(plan(percents, rate), devices, {}):
        for number, percent in enumerate(percents, start=1):
            if one.what.startswith(f"wave {number}:"):
                assert one.exposed_devices <= math.ceil(devices * percent / 100)


def test_the_job_may_tell_those_first_that_do_not_have_it_yet() -> None:
    """The job for the entire fleet may first notify devices without the release.

    The wave notifies 300 devices in its only minute. In its first minute, the job for the entire
    fleet may notify 300 others.
    """
    rate = RateConfig(maximum_per_minute=300)
    moments = timeline(plan([50], rate), 1000, {})
    whole = [one.exposed_devices for one in moments if one.what == "all devices of the fleet"]
    assert whole[0] == 300 + 300


def test_named_groups_may_be_anybody_and_count_whole_when_their_size_is_unknown() -> None:
    waves = (WaveConfig(thing_group="canaries"), WaveConfig(percent=10))
    rollout = RolloutConfig(wait_seconds=300, waves=waves)
    assert [one.exposed_devices for one in timeline(rollout, 100, {"canaries": 5})] == [5, 15, 100]
    assert timeline(rollout, 100, {})[0].exposed_devices == 100


@given(st.integers(11, 50))
def test_every_increment_with_one_digit_is_accepted(tenths: int) -> None:
    rate = RateConfig(base_per_minute=1, increment_factor=tenths / 10)
    assert f"{rate.increment_factor}" == f"{tenths / 10:.1f}"


@given(st.integers(1, 10_000))
def test_every_percentage_with_two_digits_is_accepted(hundredths: int) -> None:
    assert AbortConfig(failed_percent=hundredths / 100).failed_percent == hundredths / 100
