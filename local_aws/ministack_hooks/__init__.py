"""The only package that touches ministack's private names.

ministack reads its settings from the environment when it is imported, so import this package after
they are set. ``tests/emulator`` has a contract test for every name used here.
"""

MINISTACK_VERSION = "1.5.33"
