"""Subcommands of `deeplens fleet`: options and output; `deeplens/fleet` contains the logic.

A command imports its modules when it runs, so that `--help` is fast.
"""
