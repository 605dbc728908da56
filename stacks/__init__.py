"""The CDK stacks: environment files and artifacts become CloudFormation templates."""
