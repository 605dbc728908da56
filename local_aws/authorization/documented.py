"""Dependent actions that AWS documents in places other than the Service Authorization Reference."""

# Source: AWS IoT Greengrass V2 Developer Guide, "Troubleshooting": CreateComponentVersion needs
# lambda:GetFunction on the imported version, and s3:GetObject on the artifacts of a recipe.
DOCUMENTED_DEPENDENT_ACTIONS: dict[str, tuple[str, ...]] = {
    "greengrass:CreateComponentVersion": ("lambda:GetFunction", "s3:GetObject"),
}
