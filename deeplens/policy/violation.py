"""The result of a rule: a resource that violates the rule, and advice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deeplens.assembly import Stack


@dataclass(frozen=True)
class Violation:
    """A rule that a resource of a stack violates, and the change that corrects the resource."""

    rule: str
    stack: str
    resource: str
    advice: str

    def __str__(self) -> str:
        """Return the violation as one line for a terminal."""
        return f"{self.rule}: {self.stack}/{self.resource}: {self.advice}"


Rule = Callable[[list[Stack]], Iterator[Violation]]
"""Checks the stacks of one environment."""


def violation(stack: Stack, rule: str, resource: str, advice: str) -> Violation:
    """Return a violation of `rule` by a resource of `stack`."""
    return Violation(rule, stack.name, resource, advice)
