"""The survey of the machine room and the cabling table: readable, of this site, and of one mind with the inventory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from controller import labels, survey

from .load import HostVars, Loaded
from .model import Mistake, Place, did_you_mean, relative, show
from .site import file_problem


def check(loaded: Loaded) -> Iterator[Mistake]:
    """Mistakes of the two files, and hosts that stand elsewhere in the survey. If the room is fit is not asked here."""
    room: survey.Survey | None = None
    for key, path in _files(loaded):
        problem = file_problem(str(path))
        place = loaded.text.place(key, None, ["all"])
        if problem:
            expected = f"a file that can be read, relative to {relative(str(path.parent))}: {problem}"
            yield Mistake(("all",), key, show(str(loaded.site.values[key]), key), expected, place)
            continue
        try:
            if key == "site_survey_file":
                room = survey.load(path)
            else:
                labels.load(path, room)
        except survey.InputError as error:
            for entry in error.problems:
                file = relative(error.path)
                yield Mistake(
                    ("all",), key, f"{Path(file).name}, {entry.where}", f"another value: {entry.problem}", Place(file)
                )
    if room is not None:
        yield from _site(loaded, room)
        for host in loaded.hosts.values():
            yield from _host(loaded, host, room)


def _files(loaded: Loaded) -> Iterator[tuple[str, Path]]:
    """The survey first: the cabling table refers to its devices."""
    for key in ("site_survey_file", "site_cabling_file"):
        given = loaded.site.values.get(key)
        if isinstance(given, str) and given and loaded.directory is not None:
            yield key, loaded.directory.absolute() / given


def _site(loaded: Loaded, room: survey.Survey) -> Iterator[Mistake]:
    name = loaded.site.values.get("site_name")
    if isinstance(name, str) and name != room.site:
        expected = f"the site of the survey file, {room.site}; one of the two is wrong"
        yield Mistake(
            ("all",), "site_name", show(name, "site_name"), expected, loaded.text.place("site_name", None, ["all"])
        )


def _host(loaded: Loaded, host: HostVars, room: survey.Survey) -> Iterator[Mistake]:
    rack = host.values.get("rack")
    racks = [entry.name for entry in room.racks]
    if isinstance(rack, str) and rack not in racks:
        yield _elsewhere(loaded, host, "rack", f"a rack of the survey file{did_you_mean(rack, racks)}")
        return
    device = next((device for device in room.devices if device.name == host.name), None)
    if device is None:
        return
    surveyed = {"rack": device.rack, "rack_position": device.unit, "rack_units": device.height_units}
    for key, value in surveyed.items():
        given = host.values.get(key)
        if isinstance(given, type(value)) and given != value:
            yield _elsewhere(loaded, host, key, f"{value}, as the survey file has it; one of the two is wrong")


def _elsewhere(loaded: Loaded, host: HostVars, key: str, expected: str) -> Mistake:
    place = loaded.text.place(key, host.name, host.groups)
    return Mistake((host.name,), key, show(host.values[key], key, loaded.secrets), expected, place)
