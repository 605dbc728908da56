"""Dependent actions that AWS documents in places other than the Service Authorization Reference."""

# Sources: AWS IoT Greengrass V2 Developer Guide, "Troubleshooting": CreateComponentVersion needs
# lambda:GetFunction on the imported version, and s3:GetObject on the artifacts of a recipe.
# AWS CodePipeline User Guide, "CodePipeline permissions reference": the pipeline's role is passed.
DOCUMENTED_DEPENDENT_ACTIONS: dict[str, tuple[str, ...]] = {
    "codepipeline:CreatePipeline": ("iam:PassRole",),
    "codepipeline:UpdatePipeline": ("iam:PassRole",),
    "greengrass:CreateComponentVersion": ("lambda:GetFunction", "s3:GetObject"),
}
