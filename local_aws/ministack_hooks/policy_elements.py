"""Elements of IAM policies that ministack ignores, or evaluates differently from AWS.

Sources: IAM User Guide, "IAM policy elements: Variables and tags", "NotPrincipal", and "Unique
identifiers" (a role that is deleted and created again has another identifier).
"""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import functools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import iam, sts

_VARIABLE = re.compile(r"\$\{\s*(?P<key>[^,}]*?)\s*(?:,\s*'(?P<default>[^']*)'\s*)?\}")
# Replacements for literal characters: `${*}`, and a star in a variable's value, match only a star.
_LITERAL = {"*": "\ue000", "?": "\ue001", "$": "$"}
_ORIGINAL = {literal: letter for letter, literal in _LITERAL.items()}
_WITH_WILDCARDS = ("like", "arnequals", "arnnotequals")
_PATTERNS = 4096


class _AbsentError(Exception):
    """Raised if a variable has no value in this request."""


def evaluate_all_elements() -> None:
    """Evaluate variables, NotPrincipal and multi-line values; end sessions of deleted roles."""
    iam_evaluator._fnmatch_compile = _pattern
    _replace_variables()
    _apply_not_principal()
    _end_sessions_with_their_roles()


@functools.lru_cache(_PATTERNS)
def _pattern(pattern: str, ignore_case: bool) -> re.Pattern[str]:  # noqa: FBT001 - the signature of ministack's function
    """Compile a pattern whose wildcards also match line breaks, unlike ministack's wildcards."""
    wildcards = {"*": ".*", "?": "."}
    text = "".join(
        wildcards.get(letter) or re.escape(_ORIGINAL.get(letter, letter)) for letter in pattern
    )
    return re.compile(text + r"\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _replace_variables() -> None:
    first_match = iam_evaluator._first_match

    def first_match_of_replaced(context: Any, statements: list[Any], effect: str) -> Any:
        for statement in statements:
            if statement.effect != effect:
                continue
            try:
                replaced = _replaced(statement, context)
            except _AbsentError:
                continue
            if first_match(context, [replaced], effect):
                return statement
        return None

    iam_evaluator._first_match = first_match_of_replaced


def _replaced(statement: Any, context: Any) -> Any:
    """Return a statement in which values replace the variables.

    Raises:
        _AbsentError: a variable has no value, so the statement does not match.
    """
    if not _has_variables(statement):
        return statement

    def literal(value: str) -> str:
        return _filled(value, context, lambda text: "".join(_LITERAL.get(c, c) for c in text))

    def plain(value: str) -> str:
        return _filled(value, context, str)

    return replace(
        statement,
        resources=[literal(resource) for resource in statement.resources],
        not_resources=[literal(resource) for resource in statement.not_resources],
        conditions={
            operator: {
                key: _each(
                    values,
                    literal if any(name in operator.lower() for name in _WITH_WILDCARDS) else plain,
                )
                for key, values in block.items()
            }
            for operator, block in statement.conditions.items()
        },
    )


def _has_variables(statement: Any) -> bool:
    """Return whether a statement contains a variable, and cache the result in the statement."""
    if not hasattr(statement, "has_variables"):
        elements = (statement.resources, statement.not_resources, statement.conditions)
        statement.has_variables = "${" in repr(elements)
    return bool(statement.has_variables)


def _each(values: Any, change: Callable[[str], str]) -> Any:
    if isinstance(values, list):
        return [_each(value, change) for value in values]
    return change(values) if isinstance(values, str) else values


def _filled(text: str, context: Any, write: Callable[[str], str]) -> str:
    def value_of(match: re.Match[str]) -> str:
        if match["key"] in _LITERAL:
            return write(match["key"])
        value = iam_evaluator._resolve_condition_key(match["key"], context)
        if value is None:
            value = match["default"]
        if not isinstance(value, str):
            raise _AbsentError
        return write(value)

    return _VARIABLE.sub(value_of, text)


def _apply_not_principal() -> None:
    """Apply a Deny with NotPrincipal to all principals except the listed ones."""
    evaluate = iam_evaluator.evaluate_resource_policy

    def evaluate_with_not_principal(document: Any, context: Any, *args: Any, **options: Any) -> Any:
        if isinstance(document, str) and "NotPrincipal" in document:
            document = json.loads(document)
        if isinstance(document, dict) and "NotPrincipal" in json.dumps(document, default=str):
            statements = document["Statement"]
            listed = statements if isinstance(statements, list) else [statements]
            document = {
                **document,
                "Statement": [_denying(statement, context) for statement in listed],
            }
        return evaluate(document, context, *args, **options)

    iam_evaluator.evaluate_resource_policy = evaluate_with_not_principal


def _denying(statement: dict[str, Any], context: Any) -> dict[str, Any]:
    if "NotPrincipal" not in statement or statement.get("Effect") != "Deny":
        return statement
    exempt = statement["NotPrincipal"]
    is_root = context.principal_type == "Root"
    matches = iam_evaluator._principal_matches if is_root else iam_evaluator._names_caller
    if matches(exempt, context.principal_arn):
        return statement
    others = {name: value for name, value in statement.items() if name != "NotPrincipal"}
    return {**others, "Principal": "*"}


def _end_sessions_with_their_roles() -> None:
    """Remove the permissions of a deleted role's sessions, even if a new role has the same name."""
    resolve = iam_evaluator.resolve_principal

    def resolve_principal(access_key: str, *args: Any, **options: Any) -> Any:
        principal = resolve(access_key, *args, **options)
        if getattr(principal, "type", "") == "AssumedRole":
            name = iam_evaluator._role_name_from_assumed_arn(principal.arn)
            role = iam._roles.get_scoped(principal.account, None, name) or {}
            session = sts._sessions.get(access_key) or {}
            if role.get("RoleId") != str(session.get("UserId", "")).partition(":")[0]:
                principal.policies = []
                # With this limit, resource-based policies for the role do not apply either.
                principal.limits = [[]]
        return principal

    iam_evaluator.resolve_principal = resolve_principal
