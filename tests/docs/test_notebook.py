"""Run the cells of notebooks/first-model.ipynb, and check that the file has no outputs."""

import os
import subprocess
import tomllib
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks/first-model.ipynb"


def test_the_committed_notebook_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.process
@pytest.mark.slow
def test_the_notebook_takes_a_keras_model_to_a_pin(tmp_path: Path) -> None:
    # Jupyter and its kernel must not write to the user's folders.
    folders = ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
    committed = (ROOT / "environments/dev.toml").read_bytes()
    # If a cell raises an error, the execution fails with that error.
    subprocess.run(
        [ROOT / ".venv/bin/jupyter-execute", "--timeout=600", NOTEBOOK],
        cwd=tmp_path,
        env={
            **os.environ,
            **{name: str(tmp_path / name) for name in folders},
            "FIRST_MODEL_FOLDER": str(tmp_path / "work"),
        },
        check=True,
    )
    [artifact] = (tmp_path / "work/models/brightness").glob("*/model.zip")
    pinned = (tmp_path / "work/environments/dev.toml").read_text(encoding="utf-8")
    assert tomllib.loads(pinned)["model"] == {
        "name": "brightness",
        "digest": artifact.parent.name,
    }
    assert (ROOT / "environments/dev.toml").read_bytes() == committed
