"""Rules detect each defect of a user's environment, and report the correction."""

import pytest

from deeplens.assembly import read_assembly
from deeplens.policy import RULES, configured
from deeplens.policy.check_templates import project_findings
from tests.policy.conftest import Site
from tests.policy.defects import (
    DEFECTS,
    DELIVERY,
    INFERENCE,
    STORE,
    Defect,
    violations_with,
    without,
    without_boundary,
)

pytestmark = pytest.mark.process


def test_a_site_with_every_part_has_no_violation(site: Site) -> None:
    assert sorted(site.stacks) == ["", "dev", "full", "production", "staging"]
    assert [str(violation) for violation in violations_with(site, STORE, lambda _: None)] == []


@pytest.mark.parametrize(
    ("rule", "stack", "defect"),
    DEFECTS,
    ids=[f"{number}-{rule}" for number, (rule, _, _) in enumerate(DEFECTS)],
)
def test_a_defect_is_found_in_its_stack_with_advice(
    site: Site, rule: str, stack: str, defect: Defect
) -> None:
    of_rule = [
        violation for violation in violations_with(site, stack, defect) if violation.rule == rule
    ]
    assert of_rule
    assert {violation.stack for violation in of_rule} == {stack}
    assert all(len(violation.advice) > 10 for violation in of_rule)


def test_make_check_reads_the_users_files(site: Site) -> None:
    files = site.folder / "environments", site.folder / "delivery.toml"
    stacks = read_assembly(site.folder / "out")
    assert project_findings(stacks, *files) == []
    (pipeline,) = (stack for stack in stacks if stack.name == DELIVERY)
    without(pipeline.template, "production", "Manual")
    for stack in stacks:
        if stack.name == INFERENCE:
            without_boundary(stack.template)
    assert sorted(line.split(":")[0] for line in project_findings(stacks, *files)) == [
        "approvals-stay", "bounded-roles",
    ]  # fmt: skip


def test_each_rule_of_configuration_has_a_defect() -> None:
    names = {rule.__name__.replace("_", "-") for rule in (*configured.RULES,)}
    assert names | {"approvals-stay"} <= {rule for rule, _, _ in DEFECTS}
    assert len(RULES) == len({rule.__name__ for rule in RULES})
