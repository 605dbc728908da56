"""`python -m fleet_tools`."""

from fleet_tools.cli import main

main()
