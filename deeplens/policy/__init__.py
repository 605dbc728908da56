"""The project's own rules for synthesized templates, and scanners of these templates.

The rules cover Greengrass V2 components, IoT role aliases, published versions on cameras and
write-once artifacts, for which public scanners have no rules. Each rule is a function of the
templates of one environment, and each violation contains advice. For each rule, `tests/policy` adds
mistakes to a template and requires a violation.
"""

from collections.abc import Iterable

from deeplens.assembly import Stack
from deeplens.policy import (
    checkov,
    delivery,
    devices,
    identity,
    monitoring,
    releases,
    storage,
)
from deeplens.policy.violation import Violation

RULES = (
    *identity.RULES,
    *devices.RULES,
    *storage.RULES,
    *releases.RULES,
    *monitoring.RULES,
    *delivery.RULES,
    *checkov.RULES,
)


def violations(stacks: Iterable[Stack]) -> list[Violation]:
    """Return the violations of all rules in the stacks of one environment."""
    environment = list(stacks)
    return [violation for rule in RULES for violation in rule(environment)]
