"""Run an application as it is, but with Python and Node on one processor: that lever alone."""

import runpy
import sys

import aws_cdk  # noqa: F401 - starts Node

from stacks.synthesis import take_turns

take_turns()
runpy.run_path(sys.argv[1], run_name="__main__")
