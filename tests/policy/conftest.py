"""The synthesis that tests/synth looks at, as the rules read it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from deeplens.config import (
    DeliveryConfig,
    EnvironmentConfig,
    load_delivery,
    load_environments,
)
from tests.synth.conftest import assembly
from tests.synth.hosting_sites import WHOLE, archive_files
from tests.synth.synthesis import ROOT, synthesize, with_everything
from tests.synth.test_delivery import DELIVERY
from tests.synth.test_training_pipeline import TRAINING
from tools.assembly import read_assembly
from tools.policy.reading import Stack, by_environment

__all__ = ["assembly"]

PROFILE = "arn:aws:signer:eu-central-1:444444444444:/signing-profiles/Cameras/abcdef1234"


@dataclass(frozen=True)
class Site:
    """A user's own files, and what is synthesized from them."""

    folder: Path
    environments: list[EnvironmentConfig]
    delivery: DeliveryConfig
    stacks: dict[str, list[Stack]]


@pytest.fixture(scope="session")
def environments(assembly: Path) -> dict[str, list[Stack]]:
    """Stacks by environment."""
    return by_environment(read_assembly(assembly))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """An environment with all that a file can ask for, the committed ones, and a pipeline."""
    folder = tmp_path_factory.mktemp("site")
    committed = load_environments(ROOT / "environments")
    with_everything(folder / "environments", committed[0].model.digest)
    archive_files(folder)
    file = folder / "environments/full.toml"
    text = file.read_text(encoding="utf-8") + WHOLE.format(folder=folder) + TRAINING
    file.write_text(f'{text}\n[signing]\nlambda_profile = "{PROFILE}"\n', encoding="utf-8")
    (folder / "delivery.toml").write_text(DELIVERY, encoding="utf-8")
    result = synthesize(folder / "out", folder / "environments")
    assert result.returncode == 0, result.stderr
    environments = load_environments(folder / "environments")
    delivered = load_delivery(folder / "delivery.toml", environments)
    assert delivered
    stacks = by_environment(read_assembly(folder / "out"))
    return Site(folder, environments, delivered[0], stacks)
