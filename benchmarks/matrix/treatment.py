"""What a preset does in each step of a cell, by the rule: by that, pictures are known to be one."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.matrix.cell import Cell, Host
from benchmarks.matrix.picture import PAPER, settings_of
from lib_todo.plan import with_papers_factors
from lib_todo.samplers import SamplerRule

# for each step: the preset whose factors hold, and the phase
Treatment = tuple[tuple[str, int], ...]


def treatment(preset: str, rule: SamplerRule, steps: int) -> Treatment:
    """The steps of a sampling with a preset."""
    settings = settings_of(preset)
    has_papers = with_papers_factors(settings) == settings

    def of_step(step: int) -> tuple[str, int]:
        careful = has_papers or step < rule.lead_in * steps or step >= rule.careful_from
        moves = preset != PAPER and step < rule.rest_from
        return PAPER if careful else preset, step // rule.hold if moves else 0

    return tuple(of_step(step) for step in range(steps))


def treatments(host: Host, cell: Cell, presets: Iterable[str]) -> dict[str, Treatment]:
    """Each preset's; where two are equal, so are the pictures."""
    rule, steps = host.rule(cell)
    return {preset: treatment(preset, rule, steps) for preset in presets}
