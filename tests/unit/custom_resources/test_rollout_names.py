"""The names of the thing groups that a rollout creates for its waves."""

from hypothesis import given
from hypothesis import strategies as st

from shared.fleet.rollout import _is_wave_group, wave_group

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)


@given(project=NAMES, number=st.integers(1, 10), fleet=NAMES)
def test_a_group_of_a_wave_is_recognized_by_its_fleet_and_no_other_is(
    project: str, number: int, fleet: str
) -> None:
    name = wave_group(f"deeplens-{project}", number, fleet)
    assert _is_wave_group(name, fleet)
    assert not _is_wave_group(fleet, fleet)
    assert not _is_wave_group(name, f"x{fleet}")
    # The permissions of the project's role apply to names with this prefix.
    assert name.startswith(f"deeplens-{project}-wave-")
