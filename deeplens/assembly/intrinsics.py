"""Conversion of intrinsic functions in templates to text, for people and for comparisons.

`Resolver` replaces a reference with the names of stack and construct, for example
`${ModelStore/Models/Key.Arn}`. These names are equal in both compared assemblies, and in every
stack that imports the value. In contrast to an IAM or IoT policy variable such as
`${iot:Connection.Thing.ThingName}`, a reference contains no colon. `text` reads no other resource,
so its references contain the logical id.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Value = Any
"""A JSON value of a template: None, bool, int, float, str, list or dict."""

Naming = Callable[[str], str | None]
"""Converts a logical id or an export's name to text; None if it does not exist."""

_SUB = re.compile(r"\$\{(!?)([^}]*)\}")


@dataclass(frozen=True)
class Resolver:
    """A converter of intrinsic functions to text.

    Attributes:
        refer: function from the logical id of a resource of this stack to the resource's name.
        exported: function from the name of an export to the export's value as text.
        pseudo: values of pseudo parameters, such as `AWS::Region`.
    """

    refer: Naming
    exported: Naming
    pseudo: Mapping[str, str]

    def resolve(self, value: Value) -> Value:
        """Return a template value with its references, imports, joins and substitutions as text."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            resolved = self._intrinsic(name, self.resolve(argument))
            if resolved is not None:
                return resolved
        return {key: self.resolve(item) for key, item in value.items()}

    def _intrinsic(self, name: str, argument: Value) -> str | None:
        resolved = None
        match name, argument:
            case "Ref" | "Fn::GetAtt", str(target):
                resolved = self._reference(target)
            case "Fn::GetAtt", [str(target), str(attribute)]:
                resolved = self._reference(f"{target}.{attribute}")
            case "Fn::ImportValue", str(export):
                resolved = self.exported(export) or f"${{import {export}}}"
            case "Fn::Join", [str(separator), list(parts)] if all(
                isinstance(part, str | int) for part in parts
            ):
                resolved = separator.join(str(part) for part in parts)
            case "Fn::Sub", str(pattern):
                resolved = self._substitute(pattern, {})
            case "Fn::Sub", [str(pattern), dict(values)]:
                resolved = self._substitute(pattern, values)
        return resolved

    def _substitute(self, pattern: str, values: Mapping[str, Value]) -> str:
        def replacement(match: re.Match[str]) -> str:
            literal, name = match[1], match[2]
            if literal:
                return f"${{{name}}}"
            return str(values[name]) if name in values else self._reference(name)

        return _SUB.sub(replacement, pattern)

    def _reference(self, target: str) -> str:
        if target in self.pseudo:
            return self.pseudo[target]
        logical_id, dot, attribute = target.partition(".")
        return f"${{{self.refer(logical_id) or logical_id}{dot}{attribute}}}"


def text(value: Value) -> str:
    """Return a value as text: a reference as `${…}`, a join as its joined parts, others as JSON.

    A string is returned unchanged.
    """
    if isinstance(value, dict) and len(value) == 1:
        ((function, argument),) = value.items()
        if function == "Fn::Join":
            separator, parts = argument
            return str(separator).join(text(part) for part in parts)
        if function == "Ref":
            return f"${{{argument}}}"
        if function == "Fn::GetAtt":
            return f"${{{'.'.join(argument)}}}"
        if function in {"Fn::ImportValue", "Fn::Sub"}:
            return f"${{{argument}}}"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def references(value: Value) -> Iterator[str]:
    """Yield each logical id and pseudo parameter that `value` refers to."""
    match value:
        case {"Ref": str(target), **rest} if not rest:
            yield target
        case {"Fn::GetAtt": [str(target), *_], **rest} if not rest:
            yield target
        case {"Fn::GetAtt": str(target), **rest} if not rest:
            yield target.partition(".")[0]
        case {"Fn::Sub": str(pattern) | [str(pattern), _], **rest} if not rest:
            yield from (
                match[2].partition(".")[0] for match in _SUB.finditer(pattern) if not match[1]
            )
            yield from references(value["Fn::Sub"][1:] if isinstance(value["Fn::Sub"], list) else 0)
        case dict():
            for part in value.values():
                yield from references(part)
        case list():
            for part in value:
                yield from references(part)


def imports(value: Value) -> Iterator[str]:
    """Yield the name of every export that `value` imports by a literal name."""
    match value:
        case {"Fn::ImportValue": str(name), **rest} if not rest:
            yield name
        case dict():
            for part in value.values():
                yield from imports(part)
        case list():
            for part in value:
                yield from imports(part)


def parse_embedded_json(value: Value) -> Value:
    """Return `value` with JSON objects and arrays in strings parsed, at any depth."""
    if isinstance(value, str) and value[:1] in ("{", "[") and value[:2] != "${":
        try:
            return parse_embedded_json(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, list):
        return [parse_embedded_json(item) for item in value]
    if isinstance(value, dict):
        return {key: parse_embedded_json(item) for key, item in value.items()}
    return value
