"""`[fleet]`: the thing group, the cameras and their Greengrass core software."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from deeplens.config.base import ConfigSection

# Names of thing groups and things. AWS IoT accepts a colon in these names, but the installer of
# Greengrass does not accept a colon in its arguments.
ThingGroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
ThingName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]


class FleetConfig(ConfigSection):
    """The fleet of an environment: a thing group, its expected cameras, and their core software."""

    thing_group: Annotated[
        ThingGroupName,
        Field(
            description="the thing group to which the project is deployed; each environment "
            "has its own",
        ),
    ]
    things: Annotated[
        tuple[ThingName, ...],
        Field(
            strict=False,
            max_length=400,
            description="expected cameras: each of them has a thing and an alarm; other "
            "cameras may join the group",
            json_schema_extra={"uniqueItems": True},
        ),
    ] = ()
    core_runtime: Annotated[
        Literal["classic", "lite"],
        Field(
            description="the Greengrass core software: `classic` runs Lambda and generic "
            "components, `lite` generic ones only (`inference.component`)"
        ),
    ] = "classic"
    cgroups: Annotated[
        Literal["v1", "v2"],
        Field(
            description="control groups of the devices' Linux; a Greengrass container needs `v1`"
        ),
    ] = "v2"

    @field_validator("things")
    @classmethod
    def _named_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in value if value.count(name) > 1})
        if twice:
            raise ValueError(f"a thing is listed once; twice: {', '.join(twice)}")
        return value
