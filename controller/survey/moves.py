"""Proposals that are tried out: the site is changed on paper and measured again, so that a remedy is known to work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from controller.survey.electrical import phase_watts
from controller.survey.items import Item, Limits
from controller.survey.mechanical import free_spans, lowest_gap
from controller.survey.model import Cord, Device, Pdu, Rack, Survey

MOST_TRIALS = 400  # each measures the whole site; a remedy is worth a second, not a minute

Measure = Callable[[Survey, Limits], list[Item]]


@dataclass(frozen=True)
class Move:
    """A device's new place."""

    device: Device
    rack: Rack
    unit: int
    free: range  # the gap that it goes into
    after: Survey  # the site with the device there

    @property
    def units(self) -> str:
        return f"U{self.unit}-U{self.unit + self.device.height_units - 1}"


class Trials:
    """Finds the first move of one device that cures an item and breaks nothing."""

    def __init__(self, survey: Survey, limits: Limits, items: list[Item], measure: Measure) -> None:
        self.survey, self.limits, self.measure = survey, limits, measure
        self.failing = {item.id for item in items if item.ok is False}
        self.left = MOST_TRIALS

    def move(self, item: Item | None, devices: Iterable[Device], racks: Iterable[Rack] | None = None) -> Move | None:
        """The first of ``devices`` that fits into one of ``racks`` (default: any other than its own).

        ``item`` is what must be cured; None: the device only has to fit.
        """
        return self._search(devices, racks, lambda after: item is None or not _failing(after, item.id))

    def moves(self, item: Item, devices: list[Device], racks: Iterable[Rack] | None = None) -> list[Move]:
        """As few moves, one after the other, as cure ``item``; each betters it. Empty when that is not reached."""
        trials: Trials = self
        found: list[Move] = []
        while len(found) < len(devices):
            left = [trials.survey.device(device.name) for device in devices]
            move = trials.move(item, left, racks) or trials._search(left, racks, _betters(item))
            if move is None:
                return []
            found.append(move)
            after = self.measure(move.after, self.limits)
            now = next((each for each in after if each.id == item.id), None)
            if now is None or now.ok is not False:
                return found
            trials, item = Trials(move.after, self.limits, after, self.measure), now
        return []

    def _search(
        self, devices: Iterable[Device], racks: Iterable[Rack] | None, wanted: Callable[[list[Item]], bool]
    ) -> Move | None:
        for device in devices:
            for rack in self.survey.racks if racks is None else racks:
                if racks is None and rack.name == device.rack:
                    continue
                if self.left <= 0:
                    return None
                self.left -= 1
                placed = self._place(device, rack)
                if placed is not None and self._good(placed, wanted):
                    return placed
        return None

    def _place(self, device: Device, rack: Rack) -> Move | None:
        """The device in the lowest gap of that rack, on outlets there; None when it does not fit."""
        away = _replaced(self.survey, replace(device, rack=None, unit=None, cords=()))
        unit = lowest_gap(away, rack, device.height_units)
        if unit is None:
            return None
        gap = next(span for span in free_spans(away, rack) if unit in span)
        cords = device.cords
        if cords is not None and device.rack != rack.name:
            cords = _plugged(away, device, rack)
            if cords is None:
                return None
        moved = replace(device, rack=rack.name, unit=unit, cords=cords)
        after = _replaced(self.survey, moved)
        return Move(device, rack, unit, gap, after)

    def _good(self, move: Move, wanted: Callable[[list[Item]], bool]) -> bool:
        after = self.measure(move.after, self.limits)
        if not wanted(after) or any(each.ok is False and each.id not in self.failing for each in after):
            return False
        # What cannot be judged at the new place, or fails there, is no place to recommend. (Within one rack a move
        # changes units only: what else is wrong there stays as it was.)
        return move.rack.name == move.device.rack or all(
            each.ok is True
            for each in after
            if each.kind == "rack" and each.subject == move.rack.name and each.has_own_check
        )

    def cord(self, item: Item, feed: str) -> tuple[Device, Cord, Cord] | None:
        """One cord's move to another outlet of the same feed that cures ``item`` (a phase imbalance)."""
        pdus = [pdu for _, pdu in self.survey.pdus() if pdu.feed == feed]
        for device in self.survey.devices:
            for cord in device.cords or ():
                for pdu in pdus:
                    if pdu.name != cord.pdu:
                        continue
                    for outlet in _free(self.survey, pdu, cord.plug):
                        if self.left <= 0:
                            return None
                        if pdu.outlets[outlet] == pdu.outlets.get(cord.outlet):
                            continue
                        self.left -= 1
                        new = replace(cord, outlet=outlet)
                        cords = tuple(new if each == cord else each for each in device.cords or ())
                        changed = _replaced(self.survey, replace(device, cords=cords))
                        after = self.measure(changed, self.limits)
                        if not any(i.ok is False and (i.id == item.id or i.id not in self.failing) for i in after):
                            return device, cord, new
        return None


def _failing(items: list[Item], item_id: str) -> bool:
    return any(each.id == item_id and each.ok is False for each in items)


def _betters(item: Item) -> Callable[[list[Item]], bool]:
    """Whether the item's figure moved towards its limit."""

    def better(after: list[Item]) -> bool:
        now = next((each.value for each in after if each.id == item.id), None)
        if now is None or item.value is None:
            return False
        return now > item.value if item.limit.min is not None and item.value < item.limit.min else now < item.value

    return better


def _replaced(survey: Survey, device: Device) -> Survey:
    return replace(survey, devices=tuple(device if each.name == device.name else each for each in survey.devices))


def _free(survey: Survey, pdu: Pdu, plug: str) -> list[str]:
    taken = {cord.outlet for device in survey.devices for cord in device.cords or () if cord.pdu == pdu.name}
    return [outlet for outlet in pdu.outlets if outlet not in taken and outlet.rpartition("-")[0] == plug]


def free_outlet(survey: Survey, pdu: Pdu, plug: str) -> str | None:
    """A free outlet of that type on the phase that carries least; None when there is none."""
    watts = phase_watts(survey, survey.feed(pdu.feed))
    free = _free(survey, pdu, plug)
    return min(free, key=lambda outlet: watts.get(pdu.outlets[outlet] or "", 0.0), default=None)


def _plugged(survey: Survey, device: Device, rack: Rack) -> tuple[Cord, ...] | None:
    """The device's cords on the outlets of that rack, spread evenly over its feeds; None when outlets lack."""
    cords: list[Cord] = []
    on_feed: dict[str, int] = {pdu.feed: 0 for pdu in rack.pdus}
    for cord in device.cords or ():
        # Rebuilt each time, so that outlets and phases taken by the cords before count.
        so_far = _replaced(survey, replace(device, rack=None, unit=None, cords=tuple(cords)))
        for pdu in sorted(rack.pdus, key=lambda pdu: on_feed[pdu.feed]):
            outlet = free_outlet(so_far, pdu, cord.plug)
            if outlet is not None:
                cords.append(Cord(cord.psu, pdu.name, outlet))
                on_feed[pdu.feed] += 1
                break
        else:
            return None
    return tuple(cords)
