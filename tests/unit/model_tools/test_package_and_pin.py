"""Packaging gives the same bytes always; a pin changes one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_tools.package import build_manifest, package
from model_tools.pin import PinError, pin_model

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys, os
from pathlib import Path
from model_tools.package import build_manifest, package
os.umask(int(sys.argv[2], 8))
manifest = build_manifest(name="m", version="1.0.0", graph=b"graph" * 99, labels={1: "ä"},
    height_px=4, width_px=4, most_detections=2, threshold=0.5,
    provenance={"tool_versions": {"tensorflow": "x"}})
print(package(Path(sys.argv[1]), b"graph" * 99, {1: "ä"}, manifest).digest)
"""


def test_the_same_input_gives_the_same_bytes_elsewhere(tmp_path: Path) -> None:
    digests = set()
    for number, (zone, locale, umask) in enumerate(
        [("UTC", "C.UTF-8", "022"), ("Asia/Tokyo", "C", "077"), ("America/Lima", "POSIX", "002")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        result = subprocess.run(
            [sys.executable, "-c", SCRIPT, folder, umask],
            cwd=folder,
            env={**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": str(number)},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(result.stdout.strip())
    assert len(digests) == 1


def test_an_artifact_is_stored_under_its_digest(tmp_path: Path) -> None:
    manifest = build_manifest(
        name="m",
        version="1.0.0",
        graph=b"g",
        labels={1: "a"},
        height_px=4,
        width_px=4,
        most_detections=2,
        threshold=0.5,
        provenance={"tool_versions": {"tensorflow": "x"}},
    )
    packaged = package(tmp_path, b"g", {1: "a"}, manifest)
    assert packaged.path == tmp_path / "m" / packaged.digest / "model.zip"
    assert packaged.path.stat().st_size == packaged.size_bytes


def test_a_pin_changes_one_line_and_keeps_comments(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    text = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    assert pin_model(file, "shapes", "f" * 64)
    before, after = text.splitlines(), file.read_text(encoding="utf-8").splitlines()
    changed = [line for line, old in zip(after, before, strict=True) if line != old]
    assert changed == [f'digest = "{"f" * 64}"']
    assert not pin_model(file, "shapes", "f" * 64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x = [", "not valid TOML"), ("x = 1", "has no \\[model\\]"), (None, "no such")],
)
def test_a_file_that_cannot_be_pinned_is_left_alone(
    tmp_path: Path, text: str | None, expected: str
) -> None:
    file = tmp_path / "dev.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(PinError, match=expected):
        pin_model(file, "shapes", "f" * 64)
    assert text is None or file.read_text(encoding="utf-8") == text
