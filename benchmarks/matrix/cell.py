"""A cell of the matrix: how a picture is sampled."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import torch

from lib_todo import Settings
from lib_todo.samplers import SamplerRule


@dataclasses.dataclass(frozen=True)
class Cell:
    """A sampler with a schedule, by a number of steps, from a denoising strength."""

    sampler: str
    schedule: str
    steps: int
    strength: float

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The parts of its name in the results."""
        return self.sampler, self.schedule, str(self.steps), f"{self.strength:g}"


class Host(Protocol):
    """A program's samplers."""

    name: str

    def pairs(self) -> list[tuple[str, str]]:
        """(sampler, schedule) of all its cells."""

    def rule(self, cell: Cell) -> tuple[SamplerRule, int]:
        """The rule of a cell's sampling, and how many steps it has."""

    def sample(self, cell: Cell, seed: int, settings: Settings | None) -> torch.Tensor:
        """The latents of a cell, or its picture; dense without settings."""
