"""JSON Schemas of the TOML files in environments/ and of delivery.toml, for editors and validators.

A schema contains the rules for single keys. Rules that relate several keys are checked when a
file is read.
"""

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from deeplens.config import DeliveryConfig, EnvironmentConfig
from deeplens.config.environment import NOT_KEYS

# Defaults that contain values of the environment, by key.
DERIVED_DEFAULTS = {
    "model_store.bucket_name": "deeplens-<name>-<account>-<region>",
    "fleet.thing_group": "deeplens-<name>",
}


class _TomlSchema(GenerateJsonSchema):
    """A generator of JSON Schemas for TOML files, in a dialect that TOML editors support."""

    schema_dialect = "http://json-schema.org/draft-07/schema#"

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False, because a title would only repeat the key."""
        del schema
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Return the schema without null, because an absent key represents None."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema with its default, unless the default is None or a table."""
        described = super().default_schema(schema)
        if described.get("default") is None or isinstance(described["default"], dict):
            described.pop("default", None)
        return described


def environment_schema() -> str:
    """Return the JSON Schema of an environment file as text."""
    schema = _schema(EnvironmentConfig, "An environment of deeplens-tensorflow")
    for attribute in NOT_KEYS:
        del schema["properties"][attribute]
        schema["required"].remove(attribute)
    for key, default in DERIVED_DEFAULTS.items():
        section, _, leaf = key.partition(".")
        schema["required"].remove(section)
        definition = schema["$defs"][schema["properties"][section]["$ref"].split("/")[-1]]
        definition["required"].remove(leaf)
        definition["properties"][leaf]["description"] += f"; default: {default}"
    return _text(schema)


def delivery_schema() -> str:
    """Return the JSON Schema of delivery.toml as text."""
    return _text(_schema(DeliveryConfig, "The delivery pipeline of deeplens-tensorflow"))


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_TomlSchema)
    for definition in schema.get("$defs", {}).values():
        del definition["title"]
    return {"$schema": _TomlSchema.schema_dialect, **schema, "title": title}


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
