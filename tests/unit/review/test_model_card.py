"""The model card compares two models, and contains the changed lines."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from deeplens.review.blocks import Folded, Page, Table
from deeplens.review.comparison import Findings, Review, compare_environment
from deeplens.review.model_card import compare_models
from deeplens.review.page import page_of

_LABELS = 'item {{\n  name: "{}"\n  id: 1\n}}\n'


def artifact(key: str, digest: str) -> dict[str, Any]:
    return {
        "Type": "Custom::ModelArtifact",
        "Properties": {
            "SourceKey": f"{digest}.zip",
            "Key": f"components/shapes/{digest}/{key}",
            "Sha256": digest,
        },
    }


def release(environment: Any, folder: Path, letter: str, label: str) -> Any:
    """Return an environment with a model, its provenance and its bill of materials."""
    model, document = folder / f"{letter}.zip", folder / f"{letter}.json"
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"name": "shapes", "version": "1.0.0"}))
        archive.writestr("label_map.pbtxt", _LABELS.format(label))
    document.write_text("{}")
    digests = [letter * 64, f"{letter}1" * 32, f"{letter}2" * 32]
    return environment(
        assets=dict(zip(digests, (model, document, document), strict=True)),
        Store={
            "Artifact": artifact("model.zip", digests[0]),
            "ArtifactProvenance": artifact("provenance.intoto.json", digests[1]),
            "ArtifactSbom": artifact("sbom.cdx.json", digests[2]),
        },
    )


@pytest.fixture
def old(environment: Any, tmp_path: Path) -> Any:
    return release(environment, tmp_path, "a", "circle")


@pytest.fixture
def new(environment: Any, tmp_path: Path) -> Any:
    return release(environment, tmp_path, "b", "square")


def test_only_the_model_has_a_card_and_one_model_has_no_number(old: Any, new: Any) -> None:
    lines = compare_models(old, new)
    assert [line.name for line in lines if line.changed] == ["digest", "labels"]
    assert not [line for line in lines if "cannot be read" in line.before + line.after]
    assert ("name", "shapes", "shapes") in {(line.name, line.before, line.after) for line in lines}


def test_a_label_map_that_unpacks_to_gigabytes_is_not_read(
    old: Any, environment: Any, tmp_path: Path
) -> None:
    bomb = tmp_path / "c.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps({"name": "shapes", "version": "1.0.0"}))
        archive.writestr("label_map.pbtxt", bytes(17 << 20))
    new = environment(assets={"c" * 64: bomb}, Store={"Artifact": artifact("model.zip", "c" * 64)})
    (labels,) = (line for line in compare_models(old, new) if line.name == "labels")
    assert "label_map.pbtxt is over 16777216 B" in labels.after


def page(before: Any, after: Any) -> Page:
    return page_of(Review((compare_environment(before, after),), Findings((), (), ())), base="main")


def test_the_page_shows_changed_lines_and_folds_the_others(old: Any, new: Any) -> None:
    blocks = page(old, new).blocks
    table = next(
        block
        for block in blocks
        if isinstance(block, Table) and block.head == ("line", "before", "after")
    )
    assert [row[0] for row in table.rows] == ["digest", "labels"]
    folded = next(
        block for block in blocks if isinstance(block, Folded) and "model card" in block.title
    )
    (rest,) = folded.blocks
    assert isinstance(rest, Table)
    assert ("version", "1.0.0") in rest.rows
    assert "digest" not in {row[0] for row in rest.rows}


def test_the_card_of_a_first_model_has_no_column_for_before(environment: Any, new: Any) -> None:
    blocks = page(environment(), new).blocks
    table = next(
        block for block in blocks if isinstance(block, Table) and block.caption == "The model card"
    )
    assert table.head == ("line", "value")
    assert ("labels", "square") in table.rows
