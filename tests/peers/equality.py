"""A normal form of templates, in which templates with the same effect are equal.

The normal form contains the description, the outputs, and the type, properties, dependencies,
deletion policy and update policy of every resource. It does not distinguish

- logical ids that differ in the hash that CDK appends;
- names of assets and digests of content, because tools compute hashes differently: the order of use
  replaces an asset's name, and shared assets are still compared;
- `Fn::Join` and `Fn::Sub` of the same string, and the layout of JSON in strings;
- the order of statements, actions, resources, tags and dependencies;
- a value and a list that contains only this value.

The normal form ignores `Metadata` (of scanners and CDK), `Parameters` and `Rules` (CDK's bootstrap
version).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from deeplens.policy.golden import without_content_numbers

Template = Mapping[str, Any]

_ATTRIBUTES = ("Type", "Properties", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy")
_UNORDERED = {"Action", "Resource", "DependsOn"}
_HASH_OF_ID = re.compile(r"([0-9A-F]{8})?([0-9a-f]{32})?$")


def normal(templates: Mapping[str, Template]) -> dict[str, dict[str, Any]]:
    """Return the templates of one tool in normal form, by template name."""
    readable = {name: _without_hashes(templates[name]) for name in sorted(templates)}
    form = _NormalForm()
    return {name: form.template(template) for name, template in readable.items()}


class _NormalForm:
    def __init__(self) -> None:
        self._assets: dict[str, str] = {}

    def template(self, template: Template) -> dict[str, Any]:
        return {
            "Description": template["Description"],
            "Outputs": {
                name: self._value(output["Value"]) for name, output in template["Outputs"].items()
            },
            "Resources": {
                id_: {
                    key: self._value(resource[key], key) for key in _ATTRIBUTES if key in resource
                }
                for id_, resource in sorted(template["Resources"].items())
            },
        }

    def _value(self, value: Any, key: str = "") -> Any:
        if key in {"S3Key", "SourceKey"}:
            return self._assets.setdefault(value, f"asset {len(self._assets) + 1}")
        if key == "ContentSha256":
            return "digest of content"
        if key in _UNORDERED:
            return _sorted([self._value(item) for item in _listed(value)])
        if isinstance(value, dict):
            return self._function(value) or {
                name: self._value(value[name], name) for name in sorted(value)
            }
        if isinstance(value, list):
            items = [self._value(item) for item in value]
            return _sorted(items) if _is_a_set(items) else items
        return self._plain(value)

    def _function(self, value: dict[str, Any]) -> Any:
        """Return a `Ref`, `GetAtt`, `Join` or `Sub` in normal form; None for other values."""
        match value:
            case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Join": _} | {"Fn::Sub": _}:
                return {"text": self._plain(_text(value))}
        return None

    def _plain(self, value: Any) -> Any:
        """Return a value with parsed JSON strings, and with integers instead of integral floats."""
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, str):
            return value
        if value.startswith("{"):
            try:
                return {"JSON": self._value(json.loads(value))}
            except ValueError:
                pass  # The brace belongs to another language.
        return value


def _without_hashes(template: Template) -> Any:
    """Remove CDK's hashes from logical ids, and content numbers from component versions."""
    short = {id_: _HASH_OF_ID.sub("", id_) for id_ in template["Resources"]}
    assert len(set(short.values())) == len(short), "two logical ids differ only in their hash"
    text = without_content_numbers(json.dumps(template), template)
    named = re.compile(rf"\b({'|'.join(short)})\b")
    return json.loads(named.sub(lambda match: short[match[0]], text))


def _text(value: Any) -> str:
    """Return an intrinsic function's string in the notation of `Fn::Sub`."""
    match value:
        case str():
            return value
        case {"Fn::Sub": str(text)}:
            return text
        case {"Ref": str(id_)}:
            return f"${{{id_}}}"
        case {"Fn::GetAtt": [str(id_), str(attribute)]}:
            return f"${{{id_}.{attribute}}}"
        case {"Fn::Join": ["", list(parts)]}:
            return "".join(_text(part) for part in parts)
    raise AssertionError(f"unknown intrinsic function: {value}")


def _is_a_set(items: list[Any]) -> bool:
    """Return true if all items are tags or statements of a policy, whose order has no meaning."""
    return all(
        isinstance(item, dict) and ("Effect" in item or item.keys() == {"Key", "Value"})
        for item in items
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _sorted(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
