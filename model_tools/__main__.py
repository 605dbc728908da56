"""`python -m model_tools`."""

from model_tools.cli import main

main()
