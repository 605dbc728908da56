"""A benchmark as a picture."""

from pathlib import Path

from model_tools.benchmark.bench import Benchmark


def plot(found: Benchmark, file: Path) -> None:
    """Draw how long runs took, and the memory beside it, as PNG or SVG by the file's name.

    Raises:
        ValueError: the file's name ends otherwise.
    """
    if file.suffix.lower() not in {".png", ".svg"}:
        raise ValueError(f"{file}: a plot is .png or .svg")
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes a second

    titles = [f"{one.title}\n{one.speed_up:.2f} times as fast" for one in found.contenders]
    figure = Figure(figsize=(9, 1.5 + 0.8 * len(titles)), layout="constrained")
    times, memory = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
    times.boxplot(
        [one.milliseconds for one in found.contenders],
        orientation="horizontal",
        tick_labels=titles,
        showfliers=False,
    )
    times.set_xlim(left=0)
    times.set_xlabel(f"ms per picture, {found.threads} threads")
    times.set_title(found.name)
    memory.barh(range(1, len(titles) + 1), [one.rss_mib for one in found.contenders], 0.4)
    memory.set_xlabel("MiB resident, at most")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
