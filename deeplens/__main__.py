"""Entry point of `python -m deeplens`."""

from deeplens.cli.main import main

main(prog_name="deeplens")
