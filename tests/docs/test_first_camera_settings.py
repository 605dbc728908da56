"""Check that docs/first-camera.md contains valid settings for an environment file.

tests/local/test_first_camera_page.py runs the commands of the page.
"""

import re
import tomllib
from pathlib import Path

from deeplens.config import load_environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/first-camera.md").read_text(encoding="utf-8")


def test_the_settings_of_the_page_are_valid(tmp_path: Path) -> None:
    [snippet] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    settings = tomllib.loads(snippet)
    base = tomllib.loads((ROOT / "environments/dev.toml").read_text(encoding="utf-8"))
    assert settings["fleet"].keys() <= {"thing_group", "things"}
    text = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
    text = re.sub(r"\[fleet\]\n(?:[^\[].*\n)*", "", text)
    text = re.sub(r"\[inference\]\n(?:[^\[].*\n)*", "", text)
    file = tmp_path / "lab.toml"
    file.write_text(f"{text}\n{snippet}", encoding="utf-8")
    loaded = load_environment(file)
    assert loaded.inference.camera == settings["inference"]["camera"]
    assert base["account"] == loaded.account
