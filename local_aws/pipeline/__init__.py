"""Executes a synthesized CodePipeline on the emulator: the definition, not a copy of it.

Read from a cloud assembly (`definition`): stages, actions and build projects of the template with
an `AWS::CodePipeline::Pipeline`. What CodePipeline would do, `execution` does: publish assets
(`assets`), deploy by change set (`change_sets`), run build commands in the checkout, ask a person.
"""


class PipelineError(Exception):
    """The pipeline stops; the text says where, why, and what would work."""
