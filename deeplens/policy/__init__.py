"""The project's own rules for synthesized templates, for what no public scanner knows.

Public scanners have never heard of Greengrass V2 components, IoT role aliases, published versions
that cameras run, or write-once artifacts. Each rule is a function of one environment's templates;
each of its findings says what to do. `tests/policy` plants every defect and sees the rule fire.
"""

from collections.abc import Iterable

from deeplens.policy import (
    acknowledgements,
    delivery,
    devices,
    hosting,
    identity,
    monitoring,
    releases,
    storage,
)
from deeplens.policy.reading import Finding, Stack

RULES = (
    *identity.RULES,
    *devices.RULES,
    *storage.RULES,
    *releases.RULES,
    *monitoring.RULES,
    *delivery.RULES,
    *hosting.RULES,
    *acknowledgements.RULES,
)


def findings(stacks: Iterable[Stack]) -> list[Finding]:
    """Return what every rule finds in one environment's stacks."""
    environment = list(stacks)
    return [finding for rule in RULES for finding in rule(environment)]
