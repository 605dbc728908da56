"""A fleet moves from component versions with a digest to versions of three numbers, and back."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from testkit.simulated_fleet.fault_model import FaultRates
from tests.emulator.fleet.conftest import CloudFormation, Site, digest
from tests.emulator.running_emulator import recipe

pytestmark = pytest.mark.emulator

OLD = "1.0.0-sha256-0123456789abcdef"
NEW = "2.482113.90211"
BAD = "3.7.999999"
NUMBERS = {OLD: 1, NEW: 2, BAD: 3}


def properties(site: Site, version: str) -> dict[str, Any]:
    components = json.dumps({site.component: {"componentVersion": version}})
    return site.properties(NUMBERS[version], Components=components)


def test_a_fleet_moves_to_three_numbers_and_a_rollback_restores_either_form(
    cloudformation: CloudFormation, make_site: Callable[..., Site]
) -> None:
    site = make_site(3, v3=FaultRates(fails=1.0))
    for version in NUMBERS:
        site.aws.client("greengrassv2").create_component_version(
            inlineRecipe=json.dumps(recipe(site.component, version)).encode()
        )
    old, new, bad = (properties(site, version) for version in NUMBERS)
    with site.on():
        made = cloudformation("Create", old)
        assert made["Status"] == "SUCCESS", made["Reason"]
        physical_id = made["PhysicalResourceId"]

        def update(to: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
            return cloudformation(
                "Update", to, OldResourceProperties=before, PhysicalResourceId=physical_id
            )

        # The steps are the migration, its rollback, and the migration again.
        for to, before, version in ((new, old, NEW), (old, new, OLD), (new, old, NEW)):
            answer = update(to, before)
            assert answer["Status"] == "SUCCESS", answer["Reason"]
            assert set(site.runs().values()) == {digest(NUMBERS[version])}
        assert update(bad, new)["Status"] == "FAILED"
        restored = cloudformation.roll_back(new, bad, physical_id)
        assert restored["Status"] == "SUCCESS", restored["Reason"]
        assert set(site.runs().values()) == {digest(2)}
