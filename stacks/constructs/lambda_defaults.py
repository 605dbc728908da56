"""Settings that all Lambda functions share, read once because each jsii call is slow."""

from aws_cdk import aws_lambda

RUNTIME = aws_lambda.Runtime.PYTHON_3_12
ARCHITECTURE = aws_lambda.Architecture.X86_64
