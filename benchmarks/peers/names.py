"""The methods' names, as the results and the command line have them."""

from __future__ import annotations

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
OURS = (TODO, *PRESETS, *TODO_BY)
ALL = (DENSE, *OURS, IDEAL, FLOOR, *TOMES, HYPERTILE, REFERENCE, HIDIFFUSION, OLDER)

# the kinds of U-Net: diffusers' implementation and ldm's
DIFFUSERS, LDM = "diffusers", "ldm"
