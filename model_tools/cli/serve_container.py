"""The command `deeplens model serve-container`."""

from pathlib import Path

import click

from model_tools.cli.options import FiniteRange, examples


@click.command(
    "serve-container",
    epilog=examples("serve-container --model-data build/iris/model.tar.gz --port 8080"),
    short_help="Serve as SageMaker's container does.",
)
@click.option(
    "--model-data",
    "archive",
    type=click.Path(path_type=Path),
    required=True,
    help="A model.tar.gz, as SageMaker has it.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: a free one."
)
@click.option(
    "--environment",
    "variables",
    multiple=True,
    metavar="KEY=VALUE",
    help="Variable of the model's Environment in SageMaker; may be repeated.",
)
@click.option(
    "--max-payload-mib",
    type=FiniteRange(0, 1024, min_open=True),
    default=6,
    show_default=True,
    envvar="MODEL_TOOLS_MAX_PAYLOAD_MIB",
    show_envvar=True,
    help="Largest request: 6 is a real-time endpoint's, 4 a serverless one's.",
)
@click.option(
    "--timeout-seconds",
    type=FiniteRange(0, 3600, min_open=True),
    default=60,
    show_default=True,
    help="Longest duration of one invocation.",
)
def serve_container(
    archive: Path,
    port: int,
    variables: tuple[str, ...],
    max_payload_mib: float,
    timeout_seconds: float,
) -> None:
    """Serve the API of SageMaker's TensorFlow Serving container on loopback until SIGTERM.

    When the model is loaded, prints one line on standard output: {"url": "http://127.0.0.1:PORT"}.
    The archive's code/inference.py, if it exists, is executed: serve only archives that you trust.
    """
    from model_tools.images import image_limit  # noqa: PLC0415 - as below
    from model_tools.serving.sagemaker_process import ContainerOptions, serve_archive  # noqa: PLC0415

    # An invalid value ends the command here, instead of causing an error in each request.
    image_limit()
    serve_archive(
        ContainerOptions(
            archive=archive,
            port=port,
            environment=dict(_variable(text) for text in variables),
            largest_bytes=int(max_payload_mib * (1 << 20)),
            timeout_seconds=timeout_seconds,
        )
    )


def _variable(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise click.BadParameter(f"{text!r}: expected KEY=VALUE", param_hint="--environment")
    return key, value
