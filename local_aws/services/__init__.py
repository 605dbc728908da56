"""The services that the emulator adds to ministack.

A service is a module, or a package with `service.py`. Its class has `operations` by their names in
botocore's model, and the resources as JSON. A `ServiceApi` parses, authorizes and responds to
requests; `Greengrass` has its own `respond`.

To add an operation, add an entry to `operations` with its method. The resources and condition keys
of its authorization are in the package's `subjects.py`, if it has one.
"""
