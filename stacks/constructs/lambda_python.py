"""What every function of the project is made of; named once, as each name is a question to CDK."""

from aws_cdk import aws_lambda

RUNTIME = aws_lambda.Runtime.PYTHON_3_12
ARCHITECTURE = aws_lambda.Architecture.X86_64
