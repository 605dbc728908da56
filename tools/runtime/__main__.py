"""`python -m tools.runtime`: see `--help`."""

from tools.runtime.cli import main

if __name__ == "__main__":
    main(prog_name="python -m tools.runtime")
