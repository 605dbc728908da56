"""Each defect of an environment is found, and its finding contains the remedy."""

import pytest

from stacks.synthesis.request import Request
from tests.policy.conftest import Site
from tests.policy.defects import (
    DEFECTS,
    DELIVERY,
    INFERENCE,
    STORE,
    Defect,
    found_with,
    without,
    without_boundary,
)
from tests.synth.synthesis import ROOT
from tools.assembly import read_assembly
from tools.check_templates import own_findings
from tools.policy import RULES, configured

pytestmark = pytest.mark.process


def test_a_site_with_all_that_there_is_has_no_finding(site: Site) -> None:
    assert sorted(site.stacks) == ["", "dev", "full", "production", "staging"]
    assert [str(one) for one in found_with(site, STORE, lambda _: None)] == []


@pytest.mark.parametrize(
    ("rule", "stack", "defect"),
    DEFECTS,
    ids=[f"{number}-{rule}" for number, (rule, _, _) in enumerate(DEFECTS)],
)
def test_a_defect_is_found_where_it_is_and_the_finding_says_what_would_work(
    site: Site, rule: str, stack: str, defect: Defect
) -> None:
    found = [one for one in found_with(site, stack, defect) if one.rule == rule]
    assert found
    assert {one.stack for one in found} == {stack}
    assert all(len(one.advice) > 10 for one in found)


def test_make_check_reads_the_users_own_files(site: Site) -> None:
    context = {"environments": str(site.folder / "environments")}
    request = Request(ROOT, site.folder / "out", context, validated=False)
    stacks = read_assembly(request.output)
    assert own_findings(stacks, request) == []
    (pipeline,) = (one for one in stacks if one.name == DELIVERY)
    without(pipeline.template, "production", "Manual")
    for one in stacks:
        if one.name == INFERENCE:
            without_boundary(one.template)
    assert sorted(line.split(":")[0] for line in own_findings(stacks, request)) == [
        "approvals-stay", "bounded-roles",
    ]  # fmt: skip


def test_each_rule_of_configuration_has_a_defect_that_it_finds() -> None:
    names = {rule.__name__.replace("_", "-") for rule in (*configured.RULES,)}
    assert names | {"approvals-stay"} <= {rule for rule, _, _ in DEFECTS}
    assert len(RULES) == len({rule.__name__ for rule in RULES})
