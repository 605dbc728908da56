"""`python -O` leaves out jsii's checks of argument types in Python; Node's own remain."""

import os
import subprocess
import sys

import pytest

from tests.synth.synthesis import ROOT

pytestmark = pytest.mark.process

_WRONG = """
from aws_cdk import App, Stack, aws_s3
aws_s3.Bucket(Stack(App(), "Stack"), "Bucket", {argument})
"""


@pytest.mark.parametrize(
    "argument", ["versioned='yes'", "bucket_name=7", "encryption='KMS'", "lifecycle_rules=[1]"]
)
def test_a_wrong_type_is_still_an_error_that_names_the_property(argument: str) -> None:
    result = subprocess.run(
        [sys.executable, "-O", "-c", _WRONG.format(argument=argument)],
        env={**os.environ, "JSII_NODE": str(ROOT / ".venv/bin/node")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    head, *words = argument.partition("=")[0].split("_")
    assert head + "".join(word.title() for word in words) in result.stderr
