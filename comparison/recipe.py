"""What picture to make: the prompt, the sizes of the passes, and how to sample."""

from __future__ import annotations

import dataclasses

SIZE_STEP = 8
SMALLEST, LARGEST = 64, 4096


class OptionError(ValueError):
    """An option that is not allowed. The text says which, and what is allowed."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One picture. Checked on construction, before a model is needed.

    `first` is the (width, height) of hires fix's first pass, which is enlarged and sampled again
    with the denoising strength `strength`; None samples the final size directly.

    Raises OptionError.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    steps: int = 20
    guidance: float = 7.5
    width: int = 512
    height: int = 512
    first: tuple[int, int] | None = None
    strength: float = 0.6

    def __post_init__(self) -> None:
        _check_size("size", self.size)
        if self.first:
            _check_size("hires-from", self.first)
            if self.first[0] > self.width or self.first[1] > self.height:
                raise OptionError(
                    f"hires-from {size_text(self.first)} is larger than the final "
                    f"{size_text(self.size)}"
                )
        bounds = {"seed": (0, 2**32 - 1), "steps": (1, 1000), "guidance": (0, 100)}
        for name, (low, high) in {**bounds, "strength": (0.01, 1)}.items():
            value = getattr(self, name)
            # written so that NaN fails too
            if not low <= value <= high:
                raise OptionError(f"{name} must be from {low:g} to {high:g}, not {value:g}")
        if not self.last_steps:
            raise OptionError(
                f"strength {self.strength:g} with {self.steps} steps leaves the hires pass no step"
            )

    @property
    def size(self) -> tuple[int, int]:
        """The final (width, height)."""
        return self.width, self.height

    @property
    def last_steps(self) -> int:
        """The number of steps at the final size."""
        return int(self.steps * self.strength) if self.first else self.steps


def size_text(size: tuple[int, int]) -> str:
    """A size in words, such as 512×768."""
    return f"{size[0]}×{size[1]}"


def _check_size(name: str, size: tuple[int, int]) -> None:
    if any(side % SIZE_STEP or not SMALLEST <= side <= LARGEST for side in size):
        raise OptionError(
            f"{name} {size_text(size)}: each side must be a multiple of {SIZE_STEP} "
            f"from {SMALLEST} to {LARGEST}"
        )
