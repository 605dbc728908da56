"""The templates allow each recorded call of the access table; any other grant has a reason."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest

from deeplens.assembly import as_list
from tests.policy.account import REGION, Account, Evaluator, running_evaluator
from tests.policy.conftest import Site
from tools.access_table import DIGEST, SAMPLES, TABLE, Row, read_table, without_hash

pytestmark = pytest.mark.process

# The prefix of the bootstrap's roles in the access table. CDK defines their policies, except those
# of CloudFormation's role, which are in policies/.
OF_BOOTSTRAP = "DeepLensToolkit/"
_REASONS = tomllib.loads(TABLE.with_name("grants-without-a-call.toml").read_text(encoding="utf-8"))
ALLOW = "Allow"


@dataclass(frozen=True)
class Principal:
    """A role of a template, in the account of its stack."""

    account: Account
    role: tuple[str, str]

    @property
    def name(self) -> str:
        stack, logical_id = self.role
        return f"{stack}/{without_hash(logical_id)}"

    @property
    def statements(self) -> list[dict[str, Any]]:
        # Rows of the table contain no digests, so the digests in asset names are replaced.
        text = DIGEST.sub(SAMPLES["digest"], json.dumps(self.account.policies(*self.role)))
        return [
            statement
            for document in json.loads(text)
            for statement in as_list(document["Statement"])
        ]

    def is_explained(self, statement: dict[str, Any], action: str) -> bool:
        """Return true if the template, or the file for CDK's policies, contains a reason."""
        return statement.get("Sid") in self.account.grants_without_call(*self.role) or any(
            fnmatchcase(self.name, grant["principal"])
            and any(fnmatchcase(action, pattern) for pattern in grant["actions"])
            for grant in _REASONS["grant"]
        )

    def denied(self, rows: list[Row], statements: list[dict[str, Any]]) -> list[Row]:
        """Return the recorded calls that these statements do not allow."""
        return [row for row in rows if not self.may(row, statements)]

    def may(self, row: Row, statements: list[dict[str, Any]]) -> bool:
        context = {key: _value(self._concrete(text)) for key, text in row.context}
        decision = self.account.decide(
            self.role,
            row.action,
            self._concrete(row.resource),
            [{"Statement": statements}],
            context,
        )
        return decision == ALLOW

    def _concrete(self, text: str) -> str:
        names = {
            **SAMPLES,
            "account": self.account.id,
            "region": REGION,
            "environment": self.account.environment,
        }

        def name(placeholder: re.Match[str]) -> str:
            stack, is_resource, logical_id = placeholder[1].partition("/")
            return self.account.generated_name(stack, logical_id) if is_resource else names[stack]

        return re.sub(r"\{([A-Za-z0-9/]+)\}", name, text)


def _value(text: str) -> str | list[str]:
    return json.loads(text) if text.startswith("[") else text


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with running_evaluator() as running:
        yield running


@pytest.fixture(scope="module")
def principals(site: Site, evaluator: Evaluator) -> dict[str, Principal]:
    """The roles of the environment `full` and of the pipeline, by name."""
    principals = {}
    for environment in ("full", ""):
        account = Account(site.stacks[environment], evaluator)
        for role in account.roles():
            principal = Principal(account, role)
            principals[principal.name] = principal
    return principals


@pytest.fixture(scope="module")
def calls() -> dict[str, list[Row]]:
    """The recorded calls by principal, except calls of the bootstrap's roles."""
    calls: dict[str, list[Row]] = {}
    for row in read_table():
        if not row.principal.startswith(OF_BOOTSTRAP):
            calls.setdefault(row.principal, []).append(row)
    return calls


def test_every_recorded_call_has_a_grant(
    principals: dict[str, Principal], calls: dict[str, list[Row]]
) -> None:
    for name, rows in calls.items():
        principal = principals[name]
        assert principal.denied(rows, principal.statements) == []


def test_every_grant_has_a_recorded_call_or_a_reason(
    principals: dict[str, Principal], calls: dict[str, list[Row]]
) -> None:
    unexplained = [
        f"{name}: {statement.get('Sid')}: {action}"
        for name, principal in principals.items()
        for statement in principal.statements
        if statement["Effect"] == ALLOW
        for action in as_list(statement["Action"])
        if not principal.is_explained(statement, action)
        and not _used(principal, {**statement, "Action": action}, calls.get(name, []))
    ]
    assert not unexplained, "\n".join(unexplained)


def _used(principal: Principal, statement: dict[str, Any], rows: list[Row]) -> bool:
    return any(
        fnmatchcase(row.action.lower(), statement["Action"].lower())
        and principal.may(row, [statement])
        for row in rows
    )


def test_a_missing_statement_denies_its_calls_and_is_named_by_them(
    principals: dict[str, Principal], calls: dict[str, list[Row]]
) -> None:
    for name, principal in principals.items():
        for position, statement in enumerate(principal.statements):
            actions = as_list(statement["Action"])
            explained = all(principal.is_explained(statement, action) for action in actions)
            if statement["Effect"] != ALLOW or explained:
                continue
            others = principal.statements[:position] + principal.statements[position + 1 :]
            denied = principal.denied(calls.get(name, []), others)
            assert denied, f"{name}: no recorded call needs {statement.get('Sid', statement)}"
            assert {principal.may(row, [statement]) for row in denied} == {True}
