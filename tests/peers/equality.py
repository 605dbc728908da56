"""When templates of two tools say the same: both in one normal form.

The normal form keeps what CloudFormation would do: description, outputs, and of every resource its
type, properties, dependencies and what happens to it when it goes. It does not tell apart

- logical ids that differ in the hash that CDK appends, and names of exports: an import stands for
  the value that is exported;
- names of assets and digests of content, which follow from how each tool hashes: an asset is named
  by the order in which assets are used, so that sharing one, or not, is still compared;
- `Fn::Join` and `Fn::Sub` of the same text, and JSON inside of text by its layout;
- the order of statements, actions, resources, tags and dependencies; one, and a list of one.

Left out: `Metadata` (scanners' and CDK's own), `Parameters` and `Rules` (CDK's bootstrap version).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from deeplens.policy.golden import without_content_numbers

Template = Mapping[str, Any]

_KEPT = ("Type", "Properties", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy")
_UNORDERED = {"Action", "Resource", "DependsOn"}
_HASH_OF_ID = re.compile(r"([0-9A-F]{8})?([0-9a-f]{32})?$")


def normal(templates: Mapping[str, Template]) -> dict[str, dict[str, Any]]:
    """Return the templates of one tool in normal form, by the same names."""
    readable = {name: _without_hashes(templates[name]) for name in sorted(templates)}
    form = _NormalForm(readable)
    return {name: form.template(template) for name, template in readable.items()}


class _NormalForm:
    def __init__(self, templates: Mapping[str, Template]) -> None:
        self._assets: dict[str, str] = {}
        self._exports = {
            output["Export"]["Name"]: (stack, output["Value"])
            for stack, template in templates.items()
            for output in template["Outputs"].values()
            if "Export" in output
        }

    def template(self, template: Template) -> dict[str, Any]:
        return {
            "Description": template["Description"],
            "Outputs": {
                name: self._value(output["Value"])
                for name, output in template["Outputs"].items()
                if "Export" not in output
            },
            "Resources": {
                id_: {key: self._value(resource[key], key) for key in _KEPT if key in resource}
                for id_, resource in sorted(template["Resources"].items())
            },
        }

    def _value(self, value: Any, key: str = "") -> Any:
        if key in {"S3Key", "SourceKey"}:
            return self._assets.setdefault(value, f"asset {len(self._assets) + 1}")
        if key == "ContentSha256":
            return "digest of content"
        if key in _UNORDERED:
            return _sorted([self._value(one) for one in _listed(value)])
        if isinstance(value, dict):
            return self._function(value) or {
                name: self._value(value[name], name) for name in sorted(value)
            }
        if isinstance(value, list):
            items = [self._value(item) for item in value]
            return _sorted(items) if _is_a_set(items) else items
        return self._plain(value)

    def _function(self, value: dict[str, Any]) -> Any:
        """Return what CloudFormation puts in place of an intrinsic function, None for others."""
        match value:
            case {"Fn::ImportValue": name}:
                stack, exported = self._exports[name]
                return {"import": [stack, self._value(exported)]}
            case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Join": _} | {"Fn::Sub": _}:
                return {"text": self._plain(_text(value))}
        return None

    def _plain(self, value: Any) -> Any:
        """Return JSON text as what it says, and a whole number as itself, however it is written."""
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, str):
            return value
        if value.startswith("{"):
            try:
                return {"JSON": self._value(json.loads(value))}
            except ValueError:
                pass  # a brace of another language
        return value


def _without_hashes(template: Template) -> Any:
    """Take CDK's hashes off logical ids, and content off component versions, in all texts."""
    short = {id_: _HASH_OF_ID.sub("", id_) for id_ in template["Resources"]}
    assert len(set(short.values())) == len(short), "two logical ids differ in their hash only"
    text = without_content_numbers(json.dumps(template), template)
    named = re.compile(rf"\b({'|'.join(short)})\b")
    return json.loads(named.sub(lambda found: short[found[0]], text))


def _text(value: Any) -> str:
    """Return what an intrinsic function says as `Fn::Sub` would have it."""
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
    raise AssertionError(f"no tool wrote this so far: {value}")


def _is_a_set(items: list[Any]) -> bool:
    """Statements of a policy, or tags."""
    return all(
        isinstance(item, dict) and ("Effect" in item or item.keys() == {"Key", "Value"})
        for item in items
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _sorted(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
