"""Execution of the synthesized pipeline on the emulator.

`definition` reads the stages, actions and build projects of the template with an
`AWS::CodePipeline::Pipeline` from a cloud assembly. `execution` performs the actions of
CodePipeline: it publishes assets (`assets`), deploys by change set (`change_sets`), runs build
commands in the checkout, and waits for approvals (`approval`).
"""


class PipelineError(Exception):
    """Raised if the pipeline stops; the message contains stage, reason and next command."""
