"""Says a review in words: the page that HTML, Markdown and terminal show."""

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
from deeplens.review.devices import ComponentChange, human
from deeplens.review.resource_text import Kind
from deeplens.review.resources import ResourceChange
from deeplens.review.rollout_words import rollout_blocks

_TONES: dict[Kind, Tone] = {
    "added": "added",
    "published": "added",
    "changed": "changed",
    "perhaps replaced": "replaced",
    "replaced": "replaced",
    "removed": "removed",
}
_OVERVIEW_FLEET = 100


def page_of(review: Review, *, base: str, uncommitted: tuple[str, ...] = ()) -> Page:
    """Return the page of a review.

    Args:
        review: what to say.
        base: what the working tree was compared with, for a reader.
        uncommitted: paths that the working tree has differently from its commit.
    """
    return Page(
        "What this change does",
        (
            Heading(1, "What this change does"),
            Text(f"The working tree, compared with {base}."),
            *_uncommitted(uncommitted),
            *_alarms(review),
            _overview(review),
            *(block for one in review.environments for block in _environment(one)),
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
            f"NOT COMMITTED: {', '.join(environments)}. This page shows what is in the working "
            "tree; a reviewer of the commit sees something else.",
            loud=False,
        )
    others = len(paths) - len(environments)
    if others:
        files = "1 other file is" if others == 1 else f"{others} other files are"
        yield Folded(
            f"{files} not committed, and a part of what is compared",
            (Text(", ".join(path for path in paths if path not in environments) + "."),),
        )


def _alarms(review: Review) -> Iterator[Block]:
    for one in review.environments:
        for alarm in one.alarms:
            yield Alarm(f"{one.name}: {alarm}")


def _overview(review: Review) -> Table:
    return Table(
        "Each environment at a glance",
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
        tuple(_glance(one) for one in review.environments),
        numbers=True,
        sections=True,
    )


def _glance(one: EnvironmentReview) -> tuple[str, ...]:
    kinds = Counter(change.kind for change in one.resources)
    total = one.cost.lines[-1]
    column = FLEET_SIZES.index(_OVERVIEW_FLEET)
    return (
        one.name,
        str(kinds["added"] + kinds["published"]),
        str(kinds["changed"]),
        str(kinds["replaced"] + kinds["perhaps replaced"]),
        str(kinds["removed"]),
        str(sum(change.direction == "wider" for change in one.access)),
        human(one.devices.download_bytes) if one.devices.download_bytes else "none",
        _from_to(total.before[column], total.after[column]),
    )


def _environment(one: EnvironmentReview) -> Iterator[Block]:
    yield Heading(2, one.name)
    yield Text(f"Account {one.account}, Region {one.region}.")
    if not one.changed:
        yield Text("Nothing changes.")
        yield _cost(one.cost)
        return
    for note in one.notes:
        yield Text(note)
    yield from _settings(one)
    yield from _resources(one)
    yield from _access(one)
    yield from _devices(one)
    yield from rollout_blocks(one.name, one.rollout)
    yield from _model(one)
    yield Heading(3, f"{one.name}: cost per month")
    yield _cost(one.cost)


def _settings(one: EnvironmentReview) -> Iterator[Block]:
    if one.settings:
        yield Heading(3, f"{one.name}: settings")
        yield Table(
            f"Keys of environments/{one.name}.toml that change",
            ("key", "before", "after"),
            tuple((key.path, key.before, key.after) for key in one.settings),
        )


def _resources(one: EnvironmentReview) -> Iterator[Block]:
    yield Heading(3, f"{one.name}: resources")
    if not one.resources:
        yield Text("No resource changes.")
        return
    for stack in sorted({change.stack for change in one.resources}):
        yield _stack(stack, [change for change in one.resources if change.stack == stack])
    rows = tuple(row for change in one.resources for row in _property_rows(change))
    if rows:
        yield Folded(
            f"Every property that changes ({len(rows)})",
            (
                Table(
                    f"Resources and properties of {one.name}",
                    ("resource", "type", "property", "before", "after", "effect"),
                    rows,
                ),
            ),
        )


def _stack(stack: str, changes: Sequence[ResourceChange]) -> Folded:
    """Return the changes of one stack; only additions are closed at first."""
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
    for part in change.properties:
        yield (*at, part.path, part.before, part.after, part.effect)


def _access(one: EnvironmentReview) -> Iterator[Block]:
    yield Heading(3, f"{one.name}: who may do what")
    if not one.access:
        yield Text("No permission changes.")
        return
    if not one.new:
        yield _permissions(one.access)
        return
    yield Text("Every permission is new with the environment; by stack:")
    for stack in sorted({_stack_of(change) for change in one.access}):
        changes = [change for change in one.access if _stack_of(change) == stack]
        yield Folded(f"{stack}: {_number(changes, 'permission')}", (_permissions(changes),))


def _stack_of(change: AccessChange) -> str:
    return change.holder.partition("/")[0]


def _permissions(changes: Sequence[AccessChange]) -> Points:
    return Points(
        tuple(Point(change.direction, change.direction, change.sentence) for change in changes)
    )


def _number(of: Sequence[object], name: str) -> str:
    return f"{len(of)} {name}{'' if len(of) == 1 else 's'}"


def _devices(one: EnvironmentReview) -> Iterator[Block]:
    if not one.devices.sentences:
        return
    yield Heading(3, f"{one.name}: on the cameras")
    for sentence in one.devices.sentences:
        yield Text(sentence)
    if one.devices.components:
        yield _components(one.devices.components)


def _components(changes: Sequence[ComponentChange]) -> Table:
    """Return the table of components; if no version was there before, without that column."""
    versions: tuple[tuple[str, Callable[[ComponentChange], str]], ...] = (
        ("version before", lambda part: part.version_before),
        ("version after", lambda part: part.version_after),
    )
    shown = [(name, version) for name, version in versions if any(map(version, changes))]
    return Table(
        "Components of the deployment that change",
        ("component", "what", *(name for name, _ in shown), "download"),
        tuple(
            (
                part.name,
                part.kind,
                *(version(part) or "—" for _, version in shown),
                "not known" if part.download_bytes is None else human(part.download_bytes),
            )
            for part in changes
        ),
    )


def _model(one: EnvironmentReview) -> Iterator[Block]:
    if not one.model:
        return
    yield Heading(3, f"{one.name}: the model")
    if not any(line.before for line in one.model):
        rows = tuple((line.name, line.after) for line in one.model)
        yield Table("The model card", ("line", "value"), rows)
        return
    yield Table(
        "Lines of the model card that change",
        ("line", "before", "after"),
        tuple(
            (line.name, line.before or "—", line.after or "—") for line in one.model if line.changed
        ),
    )
    same = tuple((line.name, line.after) for line in one.model if not line.changed)
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
        blocks.append(Text(f"Once, for the cameras' downloads of this change: {once}."))
    if cost.not_counted:
        blocks.append(Text(f"NOT COUNTED, and it costs: {', '.join(cost.not_counted)}."))
    blocks.append(
        Text(
            f"An estimate at list prices of {prices.region} in {prices.currency}, as of "
            f"{prices.as_of.isoformat()}, from {len(prices.sources)} public price pages named in "
            f"deeplens/review/prices/{prices.region}.toml; other Regions differ. "
            f"{len(prices.unverified)} of {len(prices.units) + len(prices.resources)} prices have "
            "no second source. Every camera connected all month, a detection in every frame; no "
            "free tier, no discount, no tax."
        )
    )
    return Folded(f"Estimate, {summary}", tuple(blocks))


def _findings(findings: Findings) -> Iterator[Block]:
    yield Heading(2, "Findings of cdk-nag, cfn-lint and the project's own rules")
    if findings.new:
        yield Alarm(f"{len(findings.new)} new: this change brings them.")
    yield Text(
        f"New: {len(findings.new)}. Gone: {len(findings.gone)}. "
        f"There before and still there: {len(findings.remaining)}."
    )
    rows = tuple(
        (kind, one.tool, one.rule, one.at, one.message)
        for kind, group in (
            ("new", findings.new),
            ("gone", findings.gone),
            ("remaining", findings.remaining),
        )
        for one in group
    )
    if rows:
        yield Table("Findings", ("since when", "tool", "rule", "at", "what"), rows)


def _limits(assembly_id: str) -> Iterator[Block]:
    yield Heading(2, "What this page is made from")
    yield Text(
        "Two syntheses of the templates, both with the libraries of this checkout, the artifacts "
        "that they pin, and CloudFormation's own resource specification for what is replaced. "
        "Nobody asked an account: what somebody changed there by hand is not seen."
    )
    if assembly_id:
        # An approval is bound to the page whose text contains this value.
        yield Text(f"SHA-256 of the working tree's templates: {assembly_id}")


def _from_to(before: Decimal, after: Decimal) -> str:
    return _money(after) if before == after else f"{_money(before)} → {_money(after)}"


def _money(amount: Decimal) -> str:
    return f"${amount:,.2f}"
