"""Values of a template as text that a person reads and that two sides compare.

A reference becomes `${ModelStore/Models/Key.Arn}`: the stack's and the construct's name, which is
the same text on both sides and in every stack that imports the value. A reference has no colon;
an IAM or IoT policy variable such as `${iot:Connection.Thing.ThingName}` has one.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Value = Any
"""A JSON value of a template: None, bool, int, float, str, list or dict."""

Naming = Callable[[str], str | None]
"""From a logical id or an export's name to the text of what it refers to, None if unknown."""

_SUB = re.compile(r"\$\{(!?)([^}]*)\}")


@dataclass(frozen=True)
class Resolver:
    """Replaces every intrinsic that has a text by that text.

    Attributes:
        refer: the name of a resource of this stack, by logical id.
        exported: the text of an export, by its name.
        pseudo: values of pseudo parameters, such as `AWS::Region`.
    """

    refer: Naming
    exported: Naming
    pseudo: Mapping[str, str]

    def resolve(self, value: Value) -> Value:
        """Return any part of a template, its intrinsics as text."""
        if isinstance(value, list):
            return [self.resolve(one) for one in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            text = self._intrinsic(name, self.resolve(argument))
            if text is not None:
                return text
        return {key: self.resolve(one) for key, one in value.items()}

    def _intrinsic(self, name: str, argument: Value) -> str | None:
        text = None
        match name, argument:
            case "Ref" | "Fn::GetAtt", str(target):
                text = self._reference(target)
            case "Fn::GetAtt", [str(target), str(attribute)]:
                text = self._reference(f"{target}.{attribute}")
            case "Fn::ImportValue", str(export):
                text = self.exported(export) or f"${{import {export}}}"
            case "Fn::Join", [str(separator), list(parts)] if all(
                isinstance(one, str | int) for one in parts
            ):
                text = separator.join(str(one) for one in parts)
            case "Fn::Sub", str(pattern):
                text = self._substitute(pattern, {})
            case "Fn::Sub", [str(pattern), dict(given)]:
                text = self._substitute(pattern, given)
        return text

    def _substitute(self, pattern: str, given: Mapping[str, Value]) -> str:
        def text(found: re.Match[str]) -> str:
            literal, name = found[1], found[2]
            if literal:
                return f"${{{name}}}"
            return str(given[name]) if name in given else self._reference(name)

        return _SUB.sub(text, pattern)

    def _reference(self, target: str) -> str:
        if target in self.pseudo:
            return self.pseudo[target]
        logical_id, dot, attribute = target.partition(".")
        return f"${{{self.refer(logical_id) or logical_id}{dot}{attribute}}}"


def references(value: Value) -> Iterator[str]:
    """Yield the logical id of every resource of the same stack that `value` refers to."""
    match value:
        case {"Ref": str(target), **rest} if not rest:
            yield target
        case {"Fn::GetAtt": [str(target), *_], **rest} if not rest:
            yield target
        case {"Fn::GetAtt": str(target), **rest} if not rest:
            yield target.partition(".")[0]
        case {"Fn::Sub": str(text) | [str(text), _], **rest} if not rest:
            yield from (found[2].partition(".")[0] for found in _SUB.finditer(text) if not found[1])
            yield from references(value["Fn::Sub"][1:] if isinstance(value["Fn::Sub"], list) else 0)
        case dict():
            for part in value.values():
                yield from references(part)
        case list():
            for part in value:
                yield from references(part)


def imports(value: Value) -> Iterator[str]:
    """Yield the name of every export that `value` imports, where the name is plain text."""
    match value:
        case {"Fn::ImportValue": str(name), **rest} if not rest:
            yield name
        case dict():
            for part in value.values():
                yield from imports(part)
        case list():
            for part in value:
                yield from imports(part)


def opened(value: Value) -> Value:
    """Return `value` with every text that holds a JSON object or array parsed."""
    if isinstance(value, str) and value[:1] in ("{", "[") and value[:2] != "${":
        try:
            return opened(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, list):
        return [opened(one) for one in value]
    if isinstance(value, dict):
        return {key: opened(one) for key, one in value.items()}
    return value
