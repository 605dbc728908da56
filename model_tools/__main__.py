"""Entry point of `python -m model_tools`."""

from model_tools.cli.main import main

main()
