"""Print the ops of an installed TensorFlow 1, in the format of model_tools' known_ops.

Run it with the Python of that TensorFlow (3.6 for 1.4 and 1.5, 3.7 for 1.15):
    python tools/dump_ops.py > model_tools/freezing/known_ops/tensorflow-1.4.json
"""

import argparse
import json
import sys


def main() -> None:
    """Print the ops as JSON: {op: {attribute: [allowed type numbers; empty: any]}}."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    import tensorflow as tf  # noqa: PLC0415 - --help works without TensorFlow
    from tensorflow.python.framework import op_def_registry  # noqa: PLC0415 - --help works without TensorFlow

    definitions = op_def_registry.get_registered_ops()
    ops = {
        name: {
            attribute.name: sorted(attribute.allowed_values.list.type)
            for attribute in definition.attr
        }
        for name, definition in definitions.items()
    }
    lines = ",\n".join(
        "  {}: {}".format(json.dumps(name), json.dumps(attributes, sort_keys=True))  # noqa: UP032
        for name, attributes in sorted(ops.items())
    )
    version = json.dumps(tf.__version__)
    sys.stdout.write('{"tensorflow": ' + version + ', "ops": {\n' + lines + "\n}}\n")


if __name__ == "__main__":
    main()
