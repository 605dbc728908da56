"""The CDK stacks, which convert environment files and artifacts to CloudFormation templates."""
