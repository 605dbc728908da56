"""`model-tools`: the commands of model_tools, and those of releases."""

from deeplens.cli.release.keys import keys
from deeplens.cli.release.models import models
from deeplens.cli.release.pin import pin
from deeplens.cli.release.sign import sign, verify_signature
from model_tools.cli.main import main

for command in (pin, models, keys, sign, verify_signature):
    main.add_command(command)

if __name__ == "__main__":
    main()
