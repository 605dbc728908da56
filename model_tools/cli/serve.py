"""The command `deeplens model serve`."""

import logging
import re
from pathlib import Path

import click

from model_tools.cli.options import FiniteRange, examples, json_option

# This list equals `model_tools.serving.engines.ENGINES`, whose import would slow --help. A test
# compares both.
ENGINES = ("tensorflow", "openvino")


@click.command(
    epilog=examples("serve --model-name iris --model-base-path build/iris/export/Servo"),
    short_help="Serve a model by TensorFlow Serving's API.",
)
@click.option("--model-name", required=True, help="Name of the model in /v1/models/NAME.")
@click.option(
    "--model-base-path",
    "base_path",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder with one SavedModel per version, each called by its number.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8501, show_default=True, help="0: a free one."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="There is no authentication: loopback."
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="tensorflow",
    show_default=True,
    help="Engine that runs the model.",
)
@click.option(
    "--versions",
    "keep",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="How many of the highest ones are served at once.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL=N",
    help="Serve version N, too, as labels/LABEL; may be repeated.",
)
@click.option(
    "--poll-seconds",
    type=FiniteRange(0.05, 3600),
    default=1,
    show_default=True,
    help="How often new versions are looked for.",
)
@click.option("--enable-batching", is_flag=True, help="Run requests that come together as one.")
@click.option(
    "--max-batch-size",
    type=click.IntRange(2, 4096),
    default=8,
    show_default=True,
    help="Largest number of rows in a batch.",
)
@click.option(
    "--batch-timeout-micros",
    type=click.IntRange(0, 10_000_000),
    default=1000,
    show_default=True,
    help="How long the first request of a batch waits.",
)
@json_option
def serve(
    model_name: str,
    base_path: Path,
    port: int,
    host: str,
    engine: str,
    keep: int,
    labels: tuple[str, ...],
    poll_seconds: float,
    max_batch_size: int,
    batch_timeout_micros: int,
    *,
    enable_batching: bool,
    as_json: bool,
) -> None:
    """Serve TensorFlow Serving's REST API until SIGTERM or Ctrl-C.

    The command prints the URL when the model is loaded. While a new version is loaded, the previous
    version responds. If a version is broken, its error is only in the status, GET /v1/models/NAME.
    """
    from model_tools.images import image_limit  # noqa: PLC0415 - as below
    from model_tools.serving.batching import BatchingOptions  # noqa: PLC0415 - keeps --help fast
    from model_tools.serving.tf_serving_process import ServeOptions, serve_model  # noqa: PLC0415 - as above

    if not model_name or set(model_name) & set("/:"):
        raise click.BadParameter(f"{model_name!r}: no / and no :", param_hint="--model-name")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("model_tools.serving").setLevel(logging.INFO)
    # An invalid value ends the command here, instead of causing an error in each request.
    image_limit()
    batching = (
        BatchingOptions(max_batch_size, batch_timeout_micros / 1e6) if enable_batching else None
    )
    serve_model(
        ServeOptions(
            name=model_name,
            base_path=base_path,
            host=host,
            port=port,
            engine=engine,
            latest_versions=keep,
            labels=dict(_label(text) for text in labels),
            poll_seconds=poll_seconds,
            batching=batching,
            as_json=as_json,
        )
    )


def _label(text: str) -> tuple[str, int]:
    label, separator, number = text.partition("=")
    is_number = re.fullmatch("[0-9]{1,18}", number)
    if not label or not separator or not is_number or set(label) & set("/:"):
        raise click.BadParameter(
            f"{text!r}: expected LABEL=N, such as stable=3", param_hint="--label"
        )
    return label, int(number)
