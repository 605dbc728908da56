"""`python -m deeplens.cli.fleet`."""

from deeplens.cli.fleet.main import main

main()
