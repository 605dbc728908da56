"""Execution of the synthesized pipeline on the emulator.

`definition` finds the pipeline in a cloud assembly, and reads its stages, actions and build
projects. `execution` performs the actions of CodePipeline: it publishes assets (`assets`), deploys
by change set (`change_sets`), runs build commands in the checkout, and waits for approvals
(`approval`).
"""


class PipelineError(Exception):
    """Raised if the pipeline cannot start, or if an action or a check fails, with the reason."""
