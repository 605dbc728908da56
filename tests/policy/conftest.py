"""Stacks for the policy rules, from the committed environments and from a user's files."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from deeplens.assembly import Stack, by_environment, read_assembly
from deeplens.config import DeliveryConfig, EnvironmentConfig, load_delivery, load_environments
from tests.synth.conftest import assembly
from tests.synth.hosting_sites import WHOLE, archive_files
from tests.synth.synthesis import DELIVERY, ROOT, TRAINING, synthesize, with_everything

__all__ = ["assembly"]

PROFILE = "arn:aws:signer:eu-central-1:444444444444:/signing-profiles/Cameras/abcdef1234"


@dataclass(frozen=True)
class Site:
    """A user's files and the stacks synthesized from them."""

    folder: Path
    environments: list[EnvironmentConfig]
    delivery: DeliveryConfig
    stacks: dict[str, list[Stack]]


@pytest.fixture(scope="session")
def environments(assembly: Path) -> dict[str, list[Stack]]:
    """The stacks of the committed files, by environment."""
    return by_environment(read_assembly(assembly))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The committed environments, `full` with every setting, and a pipeline, with their stacks."""
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
