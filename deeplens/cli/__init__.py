"""The options and output of the operator's commands, one package for each command group."""
