"""`deeplens model bench` checks its options before it measures."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from model_tools.benchmark.bench import Benchmark, EngineMeasurement
from model_tools.cli import bench as command
from model_tools.cli.main import main

pytestmark = pytest.mark.process


def test_a_plot_without_matplotlib_is_rejected_before_measurements(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    plot = tmp_path / "plot.svg"
    result = CliRunner().invoke(main, ["bench", str(tmp_path / "model.zip"), "--plot", str(plot)])
    assert result.exit_code == 2
    assert "pip install matplotlib" in result.output
    assert not plot.exists()


def test_a_report_fits_80_columns_and_has_a_column_for_each_engine() -> None:
    plain = EngineMeasurement(
        title="TensorFlow",
        compile_seconds=None,
        load_seconds=1.0,
        first_ms=100.0,
        median_ms=12.34,
        p95_ms=20.0,
        frames_per_second=81.0,
        rss_mib=400.0,
        speed_up=1.0,
        share_of_peak=None,
        milliseconds=[12.34],
        runs=1,
        gflops_per_second=None,
    )
    accelerated = replace(plain, title="OpenVINO f32", compile_seconds=2.0, share_of_peak=0.5)
    lines = command.report(Benchmark("shapes", 2, 0.5, 50.0, [plain, accelerated]))
    assert lines[1].split() == ["TensorFlow", "OpenVINO", "f32"]
    assert "compile, s" in lines[2]
    assert lines[2].split()[-2:] == ["-", "2.00"]
    assert lines[-1].split()[-2:] == ["?", "50%"]
    assert all(len(line) <= 80 for line in lines)
