"""The services that the emulator adds to ministack.

A service is a module, or a package with `service.py`. Its class has `operations` by the names of
botocore's model, an `api` that parses, authorizes and answers requests, and the resources as JSON.
"""
