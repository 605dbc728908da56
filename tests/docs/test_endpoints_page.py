"""Check that docs/endpoints.md and docs/training.md have valid sections and the code's versions."""

import re
from pathlib import Path
from typing import get_args

import pytest

from deeplens.config import load_environment
from deeplens.config.deep_learning_containers import Framework, supported_versions

ROOT = Path(__file__).parents[2]
PAGES = ("endpoints", "training")


def page(name: str) -> str:
    return (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_the_sections_of_the_page_are_valid(name: str, tmp_path: Path) -> None:
    sections = re.findall(r"```toml\n(.*?)```", page(name), re.DOTALL)
    assert sections
    dev = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
    file = tmp_path / "dev.toml"
    file.write_text("\n".join([dev, *sections]), encoding="utf-8")
    environment = load_environment(file)
    assert environment.hosting.enabled or environment.training.enabled


def test_the_versions_of_the_page_are_those_of_the_sources() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| (\d[^|]*\|[^|]*) \|$", page("endpoints"), re.MULTILINE))
    assert rows == {
        framework: " | ".join(
            ", ".join(supported_versions(framework, purpose)) or "none"
            for purpose in ("inference", "training")
        )
        for framework in get_args(Framework)
    }


def test_the_page_of_training_names_every_step() -> None:
    source = (ROOT / "stacks/constructs/headpose_pipeline.py").read_text(encoding="utf-8")
    steps = set(re.findall(r'"(Train|FreezeAndVerify|GoodEnough|Register|NotGoodEnough)"', source))
    assert steps == set(re.findall(r"^\| `(\w+)` \|", page("training"), re.MULTILINE))
