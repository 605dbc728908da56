"""How long a pipeline waits for a person."""

from aws_cdk import Stack, aws_codepipeline


def limit_approvals(pipeline: aws_codepipeline.Pipeline, *, hours: int) -> None:
    """End each wait for an approval after `hours`: what was reviewed long ago is another thing.

    `ManualApprovalStep` has no property for it; CodePipeline's actions have.
    """
    definition = pipeline.node.default_child
    if not isinstance(definition, aws_codepipeline.CfnPipeline):
        raise TypeError(f"{pipeline.node.path}: expected a pipeline, given {definition!r}")
    for position, stage in enumerate(Stack.of(pipeline).resolve(definition.stages)):
        for number, action in enumerate(stage["actions"]):
            if action["actionTypeId"]["category"] == "Approval":
                definition.add_property_override(
                    f"Stages.{position}.Actions.{number}.TimeoutInMinutes", hours * 60
                )
