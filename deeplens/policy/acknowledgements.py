"""A finding is accepted with a reason, or not at all."""

from collections.abc import Iterator

from deeplens.policy.reading import Finding, Rule, Stack

_SHORTEST_REASON = 20


def reasons_given(stacks: list[Stack]) -> Iterator[Finding]:
    """Each check that checkov skips has a comment that says why."""
    for stack in stacks:
        for logical_id, resource in stack.resources():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                if len(skip.get("comment", "")) < _SHORTEST_REASON:
                    yield stack.finding(
                        "reasons-given", logical_id, f"say why {skip['id']} does not hold here"
                    )


RULES: tuple[Rule, ...] = (reasons_given,)
