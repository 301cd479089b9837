"""The methods' names, as the results and the command line have them."""

from __future__ import annotations

from benchmarks.models.attention_backends import AUTOMATIC

DENSE, IDEAL, FLOOR = "dense", "ideal", "floor"
# the paper's ToDo, and the library's other presets, by their names in the library
TODO = "ToDo paper"
CLOSE, BALANCED, FAST = "ToDo close", "ToDo balanced", "ToDo fast"
PRESETS = {CLOSE: "close", BALANCED: "balanced", FAST: "fast"}
# the paper's with larger factors than the automatic one: faster, with a larger error
TODO_BY = {f"ToDo factor {factor}": factor for factor in (3, 4, 6)}
REFERENCE, OLDER = "reference ToDo", "older extension"
HYPERTILE, HIDIFFUSION = "HyperTile", "HiDiffusion windows"
TOMES = {"ToMe 0.5": 0.5, "ToMe 0.75": 0.75}
# other people's code, whose failure must not end the benchmark
THIRD_PARTY = {REFERENCE, OLDER, HYPERTILE, HIDIFFUSION, *TOMES}
ALL = (
    DENSE,
    TODO,
    *PRESETS,
    *TODO_BY,
    IDEAL,
    FLOOR,
    *TOMES,
    HYPERTILE,
    REFERENCE,
    HIDIFFUSION,
    OLDER,
)

# the kinds of U-Net: diffusers' implementation and ldm's
DIFFUSERS, LDM = "diffusers", "ldm"


def implementation(kind: str, attention: str) -> str:
    """The U-Net's kind and its attention backend, as in the results' keys.

    Args:
        kind: DIFFUSERS or LDM.
        attention: of attention_backends.NAMES; left out of the key where it is AUTOMATIC.
    """
    return kind if attention == AUTOMATIC else f"{kind}, {attention}"


def attention_of(implementation: str) -> str:
    """The attention backend in what `implementation` returned."""
    return implementation.partition(", ")[2] or AUTOMATIC
