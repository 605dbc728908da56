"""The handler for the DeepLens console, which requires greengrassHelloWorld.function_handler."""

from handler import lambda_handler as function_handler

__all__ = ["function_handler"]
