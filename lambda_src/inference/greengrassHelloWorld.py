"""The handler's name in the DeepLens console: greengrassHelloWorld.function_handler."""

from handler import lambda_handler as function_handler

__all__ = ["function_handler"]
