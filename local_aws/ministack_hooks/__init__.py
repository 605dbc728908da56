"""The only package that uses ministack's private names.

ministack reads its settings from the environment during its import. The settings must therefore be
set before this package is imported. ``tests/emulator`` has a contract test for each private name.
"""

MINISTACK_VERSION = "1.5.33"
