"""The results in one JSON file, written after every measurement, so that a run can be resumed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.running.timing import Times


class OtherConditionsError(ValueError):
    """Results of two machines or under two conditions would be mixed."""


class Store:
    """Measurements by key, with the machine and the conditions.

    The file is `{"machine": {...}, "conditions": {...}, "notes": {...}, "points": {...}}`, the last
    three by key. A key's parts are joined by " | "; the first is the benchmark's part.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: dict[str, Any] = {"machine": {}, "conditions": {}, "notes": {}, "points": {}}
        if path.exists():
            self.data |= json.loads(path.read_text())

    def set_machine(self, machine: dict[str, Any]) -> None:
        """Set the machine that is measured. Raises OtherConditionsError for another one."""
        if self.data["points"]:
            self._refuse_other("these results were", self.data["machine"], machine)
        self.data["machine"] = machine

    def set_conditions(self, *part: str, **conditions: Any) -> None:
        """Set the conditions under which a part, the beginning of its keys, is measured.

        Raises:
            OtherConditionsError: the file has results under other conditions.
        """
        name = " | ".join(part)
        if any(any(point.values()) for point in self.under(*part).values()):
            self._refuse_other(f"{name} was", self.conditions(*part), conditions)
        self.data["conditions"][name] = conditions

    def conditions(self, *part: str) -> dict[str, Any]:
        """The conditions under which the part was measured; empty if it was not."""
        return self.data["conditions"].get(" | ".join(part), {})

    def _refuse_other(self, what: str, before: dict[str, Any], now: dict[str, Any]) -> None:
        for name in {**before, **now}:
            if before.get(name) != now.get(name):
                raise OtherConditionsError(
                    f"{self.path}: {what} measured with {name.replace('_', ' ')} "
                    f"{before.get(name)}, not {now.get(name)}; name another --out or remove it"
                )

    def point(self, *key: str) -> dict[str, Any]:
        """The point with that key, to be changed; created if there is none."""
        return self.data["points"].setdefault(" | ".join(key), {})

    def seconds(self, *key: str) -> Times:
        """The point's times, to be added to."""
        return self.point(*key).setdefault("seconds", {})

    def under(self, *prefix: str) -> dict[tuple[str, ...], dict[str, Any]]:
        """The points whose key starts with `prefix`, by the rest of the key."""
        found = {}
        for text, point in self.data["points"].items():
            key = tuple(text.split(" | "))
            if key[: len(prefix)] == prefix:
                found[key[len(prefix) :]] = point
        return found

    def groups(self, part: str) -> dict[tuple[str, ...], dict[str, dict[str, Any]]]:
        """The part's points with times: by group, sorted, then by method."""
        found: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
        for key, point in self.under(part).items():
            if point.get("seconds"):
                found.setdefault(key[:-1], {})[key[-1]] = point
        return dict(sorted(found.items(), key=lambda group: _by_number(group[0])))

    def save(self) -> None:
        """Write the file, completely or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.data, indent=1, ensure_ascii=False) + "\n")
        new.replace(self.path)


def _by_number(key: tuple[str, ...]) -> list[tuple[int, str]]:
    """A key to sort by: text alphabetically, numbers, also within words, by value."""
    parts = [part for text in key for part in re.split(r"(\d+)", text)]
    return [(int(part) if part.isdigit() else 0, part) for part in parts]
