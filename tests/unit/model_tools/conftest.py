"""Models in every format, written once per test run."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model_tools.cli.main import main

FORMATS = (
    "saved_model_1",
    "saved_model_1_resource_variables",
    "saved_model_1_phase_v1",
    "saved_model_1_phase_v2",
    "sagemaker_tar",
    "checkpoint",
    "meta_file",
    "pbtxt",
    "saved_model_2",
    "keras",
    "h5",
    "frozen",
)


@pytest.fixture(scope="session")
def trained_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths of models by format; `checkpoint` is the prefix of the weights for `pbtxt`."""
    import warnings  # noqa: PLC0415 - the filter must exist before TensorFlow's import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.unit.model_tools import trained  # noqa: PLC0415 - the import loads TensorFlow

        folder = tmp_path_factory.mktemp("trained")
        prefix = trained.checkpoint(folder / "checkpoint")
        return {
            "saved_model_1": trained.saved_model_1(folder / "sm1"),
            "saved_model_1_resource_variables": trained.saved_model_1(
                folder / "sm1r", resource=True
            ),
            "saved_model_1_phase_v1": trained.saved_model_1(folder / "phase1", phase="v1"),
            "saved_model_1_phase_v2": trained.saved_model_1(folder / "phase2", phase="v2"),
            "sagemaker_tar": trained.sagemaker_tar(folder / "sagemaker"),
            "checkpoint": prefix,
            "meta_file": prefix.with_name(f"{prefix.name}.meta"),
            "pbtxt": prefix.with_name("graph.pbtxt"),
            "saved_model_2": trained.saved_model_2(folder / "sm2"),
            "keras": trained.keras_file(folder / "keras", ".keras"),
            "h5": trained.keras_file(folder / "h5", ".h5"),
            "frozen": trained.frozen_graph(folder / "frozen"),
        }


def run(*arguments: object) -> Result:
    """Run `deeplens model` in this process; fail the test on an unexpected exception."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result
