"""The JSON Schemas accept valid environment files and delivery.toml, and reject wrong values.

The tests omit `HOSTILE_VALUES`, because a schema does not describe these errors.
"""

import copy
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deeplens.releases.pin import pin_model
from tests.unit.stacks.environment_cases import DIGEST, VALID, WRONG_VALUES

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = sorted((ROOT / "environments").glob("*.toml"))
FILES = [*ENVIRONMENTS, ROOT / "deeplens/local/delivery.toml"]
MINIMAL = VALID.split("[model_store]", maxsplit=1)[0]
DIRECTIVE = "#:schema "


def validator(name: str) -> jsonschema.Draft7Validator:
    schema = json.loads((ROOT / f"docs/{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


ENVIRONMENT = validator("environment")
DELIVERY = validator("delivery")


def errors(text: str, schema: jsonschema.Draft7Validator = ENVIRONMENT) -> list[str]:
    found = schema.iter_errors(tomllib.loads(text))
    return [f"{error.json_path}: {error.message}" for error in found]


def schema_of(file: Path) -> Path:
    """Return the path of the schema in a file's first line."""
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(DIRECTIVE)
    return (file.parent / first.removeprefix(DIRECTIVE)).resolve()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_committed_file_is_valid_by_the_schema_that_its_first_line_names(file: Path) -> None:
    schema = jsonschema.Draft7Validator(json.loads(schema_of(file).read_text(encoding="utf-8")))
    assert errors(file.read_text(encoding="utf-8"), schema) == []


@pytest.mark.process
def test_a_new_environment_file_names_the_schema_and_is_valid_with_every_default(
    tmp_path: Path,
) -> None:
    (tmp_path / "dev.toml").write_text(VALID, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "deeplens", "env", "new", "--folder", tmp_path, "qa"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    file = tmp_path / "qa.toml"
    assert schema_of(file) == ROOT / "docs/environment.schema.json"
    text = file.read_text(encoding="utf-8")
    defaults = re.sub(r"^# (?=\w+ = [^…])", "", text, flags=re.MULTILINE)
    assert "\nlog_retention_days = 30\n" in defaults
    assert errors(text) == errors(defaults) == []


def test_a_pin_leaves_the_first_line(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    before = ENVIRONMENTS[0].read_text(encoding="utf-8")
    file.write_text(before, encoding="utf-8")
    assert pin_model(file, "shapes", DIGEST)
    changed = file.read_text(encoding="utf-8").splitlines()
    assert changed[0] == before.splitlines()[0]
    different = [
        line for line in zip(before.splitlines(), changed, strict=True) if len({*line}) > 1
    ]
    assert [new for _, new in different] == [f'digest = "{DIGEST}"']


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("old", "new"),
    [(old, new) for old, new, _ in WRONG_VALUES if is_toml(VALID.replace(old, new, 1))],
)
def test_each_wrong_value_is_refused_by_the_schema(old: str, new: str) -> None:
    assert errors(VALID) == []
    assert errors(VALID.replace(old, new, 1))


@pytest.mark.parametrize(
    "text",
    [
        "[signing]\npublic_keys = ['MFkw']",
        "[signing]\nrevoked_keys = ['1']",
        "[tags]\nteam = 'a*b'",
        "[tags]\n" + "\n".join(f"t{number} = ''" for number in range(41)),
        "[[rollout.waves]]\nwait_seconds = 60",
        "[[rollout.waves]]\npercent = 5\nthing_group = 'x'",
        "[rollout.rate]\nincrement_factor = 2",
        "[rollout.abort]\nminimum_devices = 2",
        "[inference]\nlive_view_port = 65536",
        "[runtime]\namd64 = 'x'",
        "[monitoring]\nenabled = 3",
        f"[inference]\ntopic = '{'a' * 257}'",
    ],
)
def test_an_invalid_value_or_section_is_rejected(text: str) -> None:
    assert errors(MINIMAL) == []
    assert errors(f"{MINIMAL}\n{text}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('account = "999999999999"', "account = 999999999999"),
        ('"team/cameras"', '"cameras"'),
        ('approve = ["production"]', "approve = []"),
        ("bake_minutes = 0", "bake_minutes = 361"),
        ("bake_minutes = 0", "bake_hours = 1"),
    ],
)
def test_a_wrong_pipeline_is_refused(old: str, new: str) -> None:
    text = (ROOT / "deeplens/local/delivery.toml").read_text(encoding="utf-8")
    assert old in text
    assert errors(text.replace(old, new), DELIVERY)


def documented() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parts of environment files in the documentation, without placeholders."""
    sections = ENVIRONMENT.schema["properties"].keys()
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            part = tomllib.loads(block)
            if part.keys() <= sections and "…" not in block:
                yield page.name, part


@pytest.mark.parametrize(("page", "part"), list(documented()))
def test_each_documented_part_of_an_environment_is_valid(page: str, part: dict[str, Any]) -> None:
    whole = copy.deepcopy(tomllib.loads(MINIMAL)) | part
    assert [error.message for error in ENVIRONMENT.iter_errors(whole)] == [], page


@pytest.mark.parametrize("schema", [ENVIRONMENT, DELIVERY], ids=["environment", "delivery"])
def test_each_key_is_explained_and_no_other_is_allowed(schema: jsonschema.Draft7Validator) -> None:
    for section in (schema.schema, *schema.schema.get("$defs", {}).values()):
        assert section["additionalProperties"] is False
        for name, key in section["properties"].items():
            is_section = "$ref" in key or "$ref" in key.get("items", {})
            assert is_section or key["description"], name
            assert "type" in key or "$ref" in key, name
