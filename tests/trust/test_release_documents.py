"""Provenance and bill of materials are valid, with the same bytes for the same artifact."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deeplens.cli.main import main
from model_tools.artifact.provenance import SLSA_PROVENANCE, provenance
from model_tools.artifact.sbom import sbom
from tests.trust.conftest import ROOT, SHAPES

DIGEST = SHAPES.parent.name


@pytest.fixture(scope="module")
def manifest() -> Any:
    with zipfile.ZipFile(SHAPES) as packed:
        return json.loads(packed.read("manifest.json"))


def test_the_bill_is_valid_cyclonedx_and_lists_what_the_camera_has_locked(manifest: Any) -> None:
    text = sbom(manifest, DIGEST).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    model = bill["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": DIGEST}]
    assert model["modelCard"]["modelParameters"]["task"] == manifest["task"]
    # A library can have a different version for each platform.
    libraries = {f"{one['name']}=={one['version']}" for one in bill["components"] if "purl" in one}
    lock = (ROOT / "requirements/device.txt").read_text(encoding="utf-8")
    assert libraries == {
        line.split()[0] for line in lock.splitlines() if "==" in line and line[0].isalnum()
    }


def test_the_bill_lists_every_file_of_the_artifact(manifest: Any) -> None:
    bill = json.loads(sbom(manifest, DIGEST))
    with zipfile.ZipFile(SHAPES) as packed:
        wanted = {
            name: hashlib.sha256(packed.read(name)).hexdigest()
            for name in packed.namelist()
            if name != "manifest.json"
        }
    listed = [one for one in bill["components"] if one["type"] == "file"]
    assert {one["name"]: one["hashes"][0]["content"] for one in listed} == wanted


def test_provenance_names_the_artifact_and_what_it_was_made_of(manifest: Any) -> None:
    statement = json.loads(provenance(manifest, "model.zip", DIGEST))
    assert statement["predicateType"] == SLSA_PROVENANCE
    assert statement["subject"] == [{"name": "model.zip", "digest": {"sha256": DIGEST}}]
    built = statement["predicate"]["buildDefinition"]
    assert built["internalParameters"]["training"]["seed"] == 0
    resolved = {one["name"]: one["digest"] for one in built["resolvedDependencies"]}
    lock = (ROOT / "requirements/project.txt").read_bytes()
    assert resolved["requirements/project.txt"] == {"sha256": hashlib.sha256(lock).hexdigest()}
    assert resolved["frozen_model.pb"]["sha256"] == manifest["files"]["frozen_model.pb"]["sha256"]


def test_both_are_the_same_bytes_each_time(manifest: Any) -> None:
    assert sbom(manifest, DIGEST) == sbom(manifest, DIGEST)
    assert provenance(manifest, "model.zip", DIGEST) == provenance(manifest, "model.zip", DIGEST)


def test_models_show_prints_them_or_says_what_writes_them(tmp_path: Path) -> None:
    for option, key in (("--provenance", "predicateType"), ("--sbom", "bomFormat")):
        shown = CliRunner().invoke(main, ["release", "show", DIGEST, option])
        assert key in json.loads(shown.output)
    alone = tmp_path / "shapes" / DIGEST / "model.zip"
    alone.parent.mkdir(parents=True)
    shutil.copyfile(SHAPES, alone)
    failed = CliRunner().invoke(
        main, ["release", "show", DIGEST, "--sbom", "--models", str(tmp_path)]
    )
    assert failed.exit_code == 2
    assert "deeplens model package" in failed.output
