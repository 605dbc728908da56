"""`model-tools bench` checks its options before it measures."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from model_tools.commands import bench as command

pytestmark = pytest.mark.process


def test_a_plot_without_matplotlib_is_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    plot = tmp_path / "plot.svg"
    result = CliRunner().invoke(command.bench, [str(tmp_path / "model.zip"), "--plot", str(plot)])
    assert result.exit_code == 2
    assert "pip install matplotlib" in result.output
    assert not plot.exists()
