"""Both readers of environment files know the same names, said or not."""

from pathlib import Path

from deeplens.config import load_environments
from deeplens.releases.environments import read_environments
from tests.promotion.conftest import ROOT

_SHORT = """
account = "444444444444"
region = "eu-west-1"
promoted_from = "dev"
model = {{ name = "shapes", digest = "{digest}" }}
model_store = {{}}
fleet = {{}}
"""


def test_names_that_a_file_does_not_say_are_the_same_for_both(tmp_path: Path) -> None:
    for file in (ROOT / "environments").glob("*.toml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "short.toml").write_text(_SHORT.format(digest="a" * 64), encoding="utf-8")
    found = read_environments(tmp_path)
    for whole in load_environments(tmp_path):
        one = found[whole.name]
        assert (one.account, one.region) == (whole.account, whole.region)
        assert one.bucket == whole.model_store.bucket_name
        assert one.thing_group == whole.fleet.thing_group
        assert one.promoted_from == whole.promoted_from
        assert (one.model, one.digest) == (whole.model.name, whole.model.digest)
