"""Executes a synthesized CodePipeline on the emulator from its definition.

`definition` reads the stages, actions and build projects of the template with an
`AWS::CodePipeline::Pipeline` from a cloud assembly. `execution` runs the actions as CodePipeline
does: publish assets (`assets`), deploy by change set (`change_sets`), run build commands in the
checkout, and request approvals (`approval`).
"""


class PipelineError(Exception):
    """The pipeline stops; the message contains the place, the reason and a solution."""
