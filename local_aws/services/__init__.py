"""The services that the emulator adds to ministack.

A service is a module, or a package with `service.py`. Its class has three parts: `operations` by
their names in botocore's model, an `api` that parses, authorizes and responds to requests, and the
resources as JSON.
"""
