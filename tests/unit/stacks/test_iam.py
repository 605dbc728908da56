"""Statements as plain data become the document of a policy."""

from typing import Any

import pytest
from aws_cdk import App, Stack
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.constructs.iam import Statement, managed_policy

pytestmark = pytest.mark.process

NAMES = st.lists(st.text("abcdefghij", min_size=1, max_size=8), min_size=1, max_size=4, unique=True)
CONDITIONS = st.none() | st.dictionaries(
    st.sampled_from(["StringEquals", "StringLike"]),
    st.dictionaries(st.sampled_from(["s3:prefix", "aws:SourceAccount"]), NAMES, min_size=1),
    min_size=1,
)


@pytest.fixture(scope="module")
def app() -> App:
    return App()


@settings(
    max_examples=15,
    deadline=None,
)
@given(actions=NAMES, resources=NAMES, conditions=CONDITIONS)
def test_a_document_says_what_the_statement_says(
    app: App, actions: list[str], resources: list[str], conditions: dict[str, Any] | None
) -> None:
    statement = Statement(
        sid="Told",
        actions=[f"s3:{one}" for one in actions],
        resources=[f"arn:aws:s3:::{one}" for one in resources],
        conditions=conditions,
    )
    (written,) = document(app, [statement])
    assert (written["Sid"], written["Effect"]) == ("Told", "Allow")
    assert sorted(listed(written["Action"])) == sorted(statement.actions)
    assert sorted(listed(written["Resource"])) == sorted(statement.resources)
    assert written.get("Condition") == conditions


def test_statements_keep_their_order_and_their_names(app: App) -> None:
    said = [
        Statement(sid=sid, actions=["s3:GetObject"], resources=[f"arn:aws:s3:::{sid}/*"])
        for sid in ("Two", "One")
    ]
    assert [one["Sid"] for one in document(app, said)] == ["Two", "One"]


def document(app: App, statements: list[Statement]) -> list[dict[str, Any]]:
    """Return the statements in the document of a managed policy."""
    stack = Stack(app, f"Stack{len(app.node.children)}")
    policy = managed_policy(stack, "Policy", statements)
    found: list[dict[str, Any]] = stack.resolve(policy.document)["Statement"]
    return found


def listed(value: Any) -> list[str]:
    """Return a value as a list, because IAM abbreviates a list with one element."""
    return value if isinstance(value, list) else [value]
