"""Convert a review to a page for HTML, Markdown and terminal."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from deeplens.review.access import AccessChange
from deeplens.review.blocks import (
    Alarm,
    Block,
    Folded,
    Heading,
    Page,
    Point,
    Points,
    Table,
    Text,
    Tone,
)
from deeplens.review.comparison import EnvironmentReview, Findings, Review
from deeplens.review.cost import FLEET_SIZES, Cost, read_prices
from deeplens.review.devices import ComponentChange, format_bytes
from deeplens.review.resource_text import Kind
from deeplens.review.resources import ResourceChange
from deeplens.review.rollout import rollout_blocks

_TONES: dict[Kind, Tone] = {
    "added": "added",
    "published": "added",
    "changed": "changed",
    "perhaps replaced": "replaced",
    "replaced": "replaced",
    "removed": "removed",
}
_OVERVIEW_FLEET = 100
_TITLE = "Effects of this change"


def page_of(review: Review, *, base: str, uncommitted: tuple[str, ...] = ()) -> Page:
    """Return the page of a review.

    Args:
        review: the content of the page.
        base: the name of the compared commit, for a reader.
        uncommitted: paths that are new or different in the working tree.
    """
    return Page(
        _TITLE,
        (
            Heading(1, _TITLE),
            Text(f"The working tree compared with {base}."),
            *_uncommitted(uncommitted),
            *_alarms(review),
            _overview(review),
            *(block for environment in review.environments for block in _environment(environment)),
            *_findings(review.findings),
            *_limits(review.assembly_id),
        ),
    )


def _uncommitted(paths: tuple[str, ...]) -> Iterator[Block]:
    if not paths:
        return
    environments = [path for path in paths if path.startswith("environments/")]
    if environments:
        yield Alarm(
            f"NOT COMMITTED: {', '.join(environments)}. This page describes the working tree; the "
            "commit contains other settings.",
            loud=False,
        )
    others = len(paths) - len(environments)
    if others:
        files = "1 other file is" if others == 1 else f"{others} other files are"
        yield Folded(
            f"{files} not committed, but included in the comparison",
            (Text(", ".join(path for path in paths if path not in environments) + "."),),
        )


def _alarms(review: Review) -> Iterator[Block]:
    for environment in review.environments:
        for alarm in environment.alarms:
            yield Alarm(f"{environment.name}: {alarm}")


def _overview(review: Review) -> Table:
    return Table(
        "Summary of each environment",
        (
            "environment",
            "added",
            "changed",
            "replaced",
            "removed",
            "access wider",
            "download per camera",
            f"cost per month, {_OVERVIEW_FLEET} cameras",
        ),
        tuple(_summary(environment) for environment in review.environments),
        numbers=True,
        sections=True,
    )


def _summary(environment: EnvironmentReview) -> tuple[str, ...]:
    kinds = Counter(change.kind for change in environment.resources)
    total = environment.cost.lines[-1]
    download_bytes = environment.devices.download_bytes
    column = FLEET_SIZES.index(_OVERVIEW_FLEET)
    return (
        environment.name,
        str(kinds["added"] + kinds["published"]),
        str(kinds["changed"]),
        str(kinds["replaced"] + kinds["perhaps replaced"]),
        str(kinds["removed"]),
        str(sum(change.direction == "wider" for change in environment.access)),
        format_bytes(download_bytes) if download_bytes else "none",
        _from_to(total.before[column], total.after[column]),
    )


def _environment(environment: EnvironmentReview) -> Iterator[Block]:
    yield Heading(2, environment.name)
    yield Text(f"Account {environment.account}, Region {environment.region}.")
    if not environment.changed:
        yield Text("No changes.")
        yield _cost(environment.cost)
        return
    for note in environment.notes:
        yield Text(note)
    yield from _settings(environment)
    yield from _resources(environment)
    yield from _access(environment)
    yield from _devices(environment)
    yield from rollout_blocks(environment.name, environment.rollout)
    yield from _model(environment)
    yield Heading(3, f"{environment.name}: cost per month")
    yield _cost(environment.cost)


def _settings(environment: EnvironmentReview) -> Iterator[Block]:
    if environment.settings:
        yield Heading(3, f"{environment.name}: settings")
        yield Table(
            f"Keys of environments/{environment.name}.toml that change",
            ("key", "before", "after"),
            tuple((key.path, key.before, key.after) for key in environment.settings),
        )


def _resources(environment: EnvironmentReview) -> Iterator[Block]:
    yield Heading(3, f"{environment.name}: resources")
    if not environment.resources:
        yield Text("No changes of resources.")
        return
    for stack in sorted({change.stack for change in environment.resources}):
        yield _stack(stack, [change for change in environment.resources if change.stack == stack])
    rows = tuple(row for change in environment.resources for row in _property_rows(change))
    if rows:
        yield Folded(
            f"Every property that changes ({len(rows)})",
            (
                Table(
                    f"Resources and properties of {environment.name}",
                    ("resource", "type", "property", "before", "after", "effect"),
                    rows,
                ),
            ),
        )


def _stack(stack: str, changes: Sequence[ResourceChange]) -> Folded:
    """Return the changes of one stack; if all are additions, the block is closed initially."""
    kinds = Counter(change.kind for change in changes)
    added = [change for change in changes if change.kind == "added" and not change.alarm]
    others = [change for change in changes if change not in added]
    table = Table(
        f"Resources added to {stack}",
        ("resource", "type"),
        tuple((f"{stack}/{change.name}", change.type) for change in added),
    )
    blocks: list[Block] = []
    if others:
        blocks.append(Points(tuple(_point(change) for change in others)))
    if added and others:
        blocks.append(Folded(f"{len(added)} added", (table,)))
    elif added:
        blocks.append(table)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in _TONES if kinds[kind])
    return Folded(f"{stack}: {counts}", tuple(blocks), open=bool(others))


def _point(change: ResourceChange) -> Point:
    if change.alarm:
        return Point("state", change.kind, change.alarm)
    return Point(_TONES[change.kind], change.kind, f"{change.stack}/{change.sentence}")


def _property_rows(change: ResourceChange) -> Iterator[tuple[str, ...]]:
    at = (f"{change.stack}/{change.name}", change.type)
    for property_ in change.properties:
        yield (
            *at,
            property_.path,
            property_.before,
            property_.after,
            property_.effect,
        )


def _access(environment: EnvironmentReview) -> Iterator[Block]:
    yield Heading(3, f"{environment.name}: permissions")
    if not environment.access:
        yield Text("No changes of permissions.")
        return
    if not environment.new:
        yield _permissions(environment.access)
        return
    yield Text("The environment is new, so that every permission is new. By stack:")
    for stack in sorted({_stack_of(change) for change in environment.access}):
        changes = [change for change in environment.access if _stack_of(change) == stack]
        yield Folded(f"{stack}: {_number(changes, 'permission')}", (_permissions(changes),))


def _stack_of(change: AccessChange) -> str:
    return change.holder.partition("/")[0]


def _permissions(changes: Sequence[AccessChange]) -> Points:
    return Points(
        tuple(Point(change.direction, change.direction, change.sentence) for change in changes)
    )


def _number(of: Sequence[object], name: str) -> str:
    return f"{len(of)} {name}{'' if len(of) == 1 else 's'}"


def _devices(environment: EnvironmentReview) -> Iterator[Block]:
    if not environment.devices.sentences:
        return
    yield Heading(3, f"{environment.name}: on the cameras")
    for sentence in environment.devices.sentences:
        yield Text(sentence)
    if environment.devices.components:
        yield _components(environment.devices.components)


def _components(changes: Sequence[ComponentChange]) -> Table:
    """Return the table of components, without version columns that are empty."""
    versions: tuple[tuple[str, Callable[[ComponentChange], str]], ...] = (
        ("version before", lambda component: component.version_before),
        ("version after", lambda component: component.version_after),
    )
    columns = [(name, version) for name, version in versions if any(map(version, changes))]
    return Table(
        "Components of the deployment that change",
        ("component", "change", *(name for name, _ in columns), "download"),
        tuple(
            (
                change.name,
                change.kind,
                *(version(change) or "—" for _, version in columns),
                "not known"
                if change.download_bytes is None
                else format_bytes(change.download_bytes),
            )
            for change in changes
        ),
    )


def _model(environment: EnvironmentReview) -> Iterator[Block]:
    if not environment.model:
        return
    yield Heading(3, f"{environment.name}: the model")
    if not any(line.before for line in environment.model):
        rows = tuple((line.name, line.after) for line in environment.model)
        yield Table("The model card", ("line", "value"), rows)
        return
    yield Table(
        "Lines of the model card that change",
        ("line", "before", "after"),
        tuple(
            (line.name, line.before or "—", line.after or "—")
            for line in environment.model
            if line.changed
        ),
    )
    same = tuple((line.name, line.after) for line in environment.model if not line.changed)
    if same:
        yield Folded(
            f"Lines of the model card that stay the same ({len(same)})",
            (Table("The rest of the model card", ("line", "value"), same),),
        )


def _cost(cost: Cost) -> Block:
    prices = read_prices(cost.price_region)
    total = cost.lines[-1]
    summary = ", ".join(
        f"{size} {'camera' if size == 1 else 'cameras'}: {_from_to(before, after)}"
        for size, before, after in zip(FLEET_SIZES, total.before, total.after, strict=True)
    )
    blocks: list[Block] = [
        Table(
            "Estimated cost per month, by the number of cameras",
            ("cameras", *(str(size) for size in FLEET_SIZES)),
            tuple(
                (
                    line.name,
                    *(
                        _from_to(before, after)
                        for before, after in zip(line.before, line.after, strict=True)
                    ),
                )
                for line in cost.lines
            ),
            numbers=True,
        ),
    ]
    if any(cost.rollout):
        once = ", ".join(
            f"{size}: {_money(amount)}"
            for size, amount in zip(FLEET_SIZES, cost.rollout, strict=True)
        )
        blocks.append(Text(f"Once, for the download of this change to the cameras: {once}."))
    if cost.not_counted:
        blocks.append(
            Text(f"NOT INCLUDED, although it costs money: {', '.join(cost.not_counted)}.")
        )
    blocks.append(
        Text(
            f"An estimate at list prices of {prices.region} in {prices.currency}, as of "
            f"{prices.as_of.isoformat()}, from {len(prices.sources)} public price pages named in "
            f"deeplens/review/prices/{prices.region}.toml; other Regions differ. "
            f"{len(prices.unverified)} of {len(prices.units) + len(prices.resources)} prices have "
            "no second source. The estimate is for cameras that are connected all month, with a "
            "detection in every frame, without free tier, discounts and taxes."
        )
    )
    return Folded(f"Estimate, {summary}", tuple(blocks))


def _findings(findings: Findings) -> Iterator[Block]:
    yield Heading(2, "Findings of cdk-nag, cfn-lint and the project's own rules")
    if findings.new:
        yield Alarm(f"This change adds {_number(findings.new, 'finding')}.")
    yield Text(
        f"New: {len(findings.new)}. Gone: {len(findings.gone)}. "
        f"Remaining: {len(findings.remaining)}."
    )
    rows = tuple(
        (kind, finding.tool, finding.rule, finding.at, finding.message)
        for kind, group in (
            ("new", findings.new),
            ("gone", findings.gone),
            ("remaining", findings.remaining),
        )
        for finding in group
    )
    if rows:
        yield Table("Findings", ("status", "tool", "rule", "at", "message"), rows)


def _limits(assembly_id: str) -> Iterator[Block]:
    yield Heading(2, "Sources of this page")
    yield Text(
        "Both sides were synthesized with the libraries of this checkout. Replacements follow "
        "from CloudFormation's resource schemas, models from the pinned artifacts. No account was "
        "queried: the page does not contain manual changes there."
    )
    if assembly_id:
        # The pipeline accepts a review page only if the page contains this value.
        yield Text(f"SHA-256 of the working tree's templates: {assembly_id}")


def _from_to(before: Decimal, after: Decimal) -> str:
    return _money(after) if before == after else f"{_money(before)} → {_money(after)}"


def _money(amount: Decimal) -> str:
    return f"${amount:,.2f}"
