"""The only package that uses ministack's private names.

ministack reads its settings from the environment when it is imported, so set them before you import
this package. ``tests/emulator`` has a contract test for each private name.
"""

MINISTACK_VERSION = "1.5.33"
