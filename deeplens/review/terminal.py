"""Print a page to a terminal, or as plain text to a pipe."""

from rich.console import Console
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text as Line

from deeplens.review.blocks import Alarm, Block, Folded, Heading, Page, Points, Table, Text, Tone

_STYLES: dict[Tone, str] = {
    "state": "bold red",
    "wider": "bold red",
    "narrower": "green",
    "added": "green",
    "changed": "cyan",
    "replaced": "bold yellow",
    "removed": "magenta",
    "plain": "",
}


def show(page: Page, console: Console) -> None:
    """Print the page; of closed details, print only the title."""
    for block in page.blocks:
        _show(block, console)


def _show(block: Block, console: Console) -> None:
    match block:
        case Heading(level, text):
            console.print()
            console.print(Line(text, style="bold underline" if level < 3 else "bold"))  # noqa: PLR2004 - subsections have level 3
        case Text(text):
            console.print(Line(text))
        case Alarm(text, loud):
            line = Line(text, style="bold red" if loud else "yellow")
            style = "red" if loud else "yellow"
            console.print(Panel(line, border_style=style) if console.is_terminal else line)
        case Points(points):
            grid = Grid.grid(padding=(0, 2))
            grid.add_column(justify="right", min_width=18)
            grid.add_column()
            for point in points:
                grid.add_row(Line(point.label, style=_STYLES[point.tone]), Line(point.text))
            console.print(grid)
        case Table():
            _grid(block, console)
        case Folded(title, blocks, is_open):
            console.print(Line(title, style="" if is_open else "dim"))
            for inner in blocks if is_open else ():
                _show(inner, console)


def _grid(table: Table, console: Console) -> None:
    if not console.is_terminal:
        for row in table.rows:
            cells = [f"{name}: {cell}" for name, cell in zip(table.head, row, strict=True) if cell]
            console.print(Line("  " + "; ".join(cells)))
        return
    grid = Grid(title=table.caption, title_justify="left", title_style="dim")
    for index, name in enumerate(table.head):
        grid.add_column(
            name, justify="right" if table.numbers and index else "left", overflow="fold"
        )
    for row in table.rows:
        grid.add_row(*(Line(cell) for cell in row))
    console.print(grid)
