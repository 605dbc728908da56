"""The subcommands of `fleet`: click and printing only; what they do is in the modules above.

They import what they need when they run, so that `--help` is fast.
"""
