"""`python -m deeplens.cli.local`."""

from deeplens.cli.local.main import main

main()
