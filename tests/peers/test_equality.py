"""The comparison detects every change of a compared value, and ignores the order of statements."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deeplens.assembly import read_json
from deeplens.policy.golden import GOLDEN
from tests.peers.equality import normal

OWN = {file.stem: read_json(file) for file in sorted(GOLDEN.glob("*-Monitoring.json"))}
NORMAL = normal(OWN)

Place = tuple[str | int, ...]

# Keys that are not compared, because their values depend on the tool.
NOT_COMPARED = {"ContentSha256", "Metadata"}


def _leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if key not in NOT_COMPARED:
                yield from _leaves(item, (*place, key))
    else:
        yield place


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return f"{value}, changed" if isinstance(value, str) else value + 1


LEAVES = [
    (name, section, *place)
    for name, template in OWN.items()
    for section in ("Description", "Resources", "Outputs")
    for place in _leaves(template[section])
    # No tool writes a delimiter other than the empty string, so the normal form rejects others.
    if place[-2:] != ("Fn::Join", 0)
]
PROPERTIES = [
    (name, id_, key)
    for name, template in OWN.items()
    for id_, resource in template["Resources"].items()
    for key in resource["Properties"]
]


@given(place=st.sampled_from(LEAVES))
def test_any_other_value_makes_a_template_unequal(place: Place) -> None:
    changed = copy.deepcopy(OWN)
    parent: Any = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = _other(parent[place[-1]])
    assert normal(changed) != NORMAL


@given(place=st.sampled_from(PROPERTIES))
def test_a_missing_property_makes_a_template_unequal(place: tuple[str, str, str]) -> None:
    name, id_, key = place
    changed = {**OWN, name: copy.deepcopy(OWN[name])}
    del changed[name]["Resources"][id_]["Properties"][key]
    assert normal(changed) != NORMAL


def test_the_order_of_statements_and_the_hashes_of_logical_ids_make_no_difference() -> None:
    changed = json.loads(json.dumps(OWN).replace("AlarmsTopic3A2DFEBA", "AlarmsTopic01234567"))
    for template in changed.values():
        for resource in template["Resources"].values():
            document = resource.get("Properties", {}).get("PolicyDocument", {})
            document.get("Statement", []).reverse()
    assert normal(changed) == NORMAL
