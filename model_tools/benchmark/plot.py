"""Charts of benchmarks."""

from pathlib import Path

from model_tools.benchmark.bench import Benchmark


def draw_benchmark(benchmark: Benchmark, file: Path) -> None:
    """Draw each engine's run times and memory into a PNG or SVG file.

    The suffix of the file selects the format.

    Raises:
        ValueError: the file's name has another suffix.
    """
    if file.suffix.lower() not in {".png", ".svg"}:
        raise ValueError(f"{file} is not a valid name of a plot: expected .png or .svg")
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes a second to import

    contenders = benchmark.contenders
    titles = [
        f"{contender.title}\n{contender.speed_up:.2f} times as fast" for contender in contenders
    ]
    figure = Figure(figsize=(9, 1.5 + 0.8 * len(titles)), layout="constrained")
    times, memory = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
    times.boxplot(
        [contender.milliseconds for contender in contenders],
        orientation="horizontal",
        tick_labels=titles,
        showfliers=False,
    )
    times.set_xlim(left=0)
    times.set_xlabel(f"ms per image, {benchmark.threads} threads")
    times.set_title(benchmark.name)
    memory.barh(range(1, len(titles) + 1), [contender.rss_mib for contender in contenders], 0.4)
    memory.set_xlabel("maximum resident memory, MiB")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
