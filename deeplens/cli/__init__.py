"""The commands of an operator, one package for each subject. They contain no logic."""
