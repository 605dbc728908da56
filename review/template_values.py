"""Values of a template as text that a person reads and that two sides compare.

A reference becomes `${ModelStore/Models/Key.Arn}`: the stack's and the construct's name, which is
the same text on both sides and in every stack that imports the value. A reference has no colon;
an IAM or IoT policy variable such as `${iot:Connection.Thing.ThingName}` has one.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Value = Any
"""A JSON value of a template: None, bool, int, float, str, list or dict."""

Naming = Callable[[str], str | None]
"""From a logical id or an export's name to the text of what it refers to, None if unknown."""

_SUB = re.compile(r"\$\{(!?)([^}]*)\}")


def resolved(value: Value, *, refer: Naming, exported: Naming, pseudo: Mapping[str, str]) -> Value:
    """Return `value` with every intrinsic that has a text replaced by that text.

    Args:
        value: any part of a template.
        refer: the name of a resource of this stack, by logical id.
        exported: the text of an export, by its name.
        pseudo: values of pseudo parameters, such as `AWS::Region`.
    """

    def walk(part: Value) -> Value:
        if isinstance(part, list):
            return [walk(one) for one in part]
        if not isinstance(part, dict):
            return part
        if len(part) == 1:
            (name, argument), *_ = part.items()
            text = intrinsic(name, argument)
            if text is not None:
                return text
        return {key: walk(one) for key, one in part.items()}

    def intrinsic(name: str, argument: Value) -> str | None:
        match name, walk(argument):
            case "Ref", str(target):
                return reference(target)
            case "Fn::GetAtt", [str(target), str(attribute)]:
                return reference(f"{target}.{attribute}")
            case "Fn::GetAtt", str(target):
                return reference(target)
            case "Fn::ImportValue", str(export):
                return exported(export) or f"${{import {export}}}"
            case "Fn::Join", [str(separator), list(parts)] if all(
                isinstance(one, str | int) for one in parts
            ):
                return separator.join(str(one) for one in parts)
            case "Fn::Sub", str(text):
                return _SUB.sub(lambda found: substituted(found, {}), text)
            case "Fn::Sub", [str(text), dict(given)]:
                return _SUB.sub(lambda found: substituted(found, given), text)
        return None

    def substituted(found: re.Match[str], given: Mapping[str, Value]) -> str:
        if found[1]:
            return f"${{{found[2]}}}"
        return str(given[found[2]]) if found[2] in given else reference(found[2])

    def reference(target: str) -> str:
        if target in pseudo:
            return pseudo[target]
        logical_id, dot, attribute = target.partition(".")
        return f"${{{refer(logical_id) or logical_id}{dot}{attribute}}}"

    return walk(value)


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
