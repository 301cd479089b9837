"""What an attention layer is called with: tokens of its own grid, or something else."""

from __future__ import annotations

from typing import Any

import torch

from ..plan import Grid
from ..reasons import Reason
from .families import Family


class LayersOf:
    """The attention layers of a transformer that is being called, and what each of them is.

    Looked up once for the call, during which nobody exchanges them: `getattr` on a module is slow,
    and SDXL's deepest transformers have twenty layers.
    """

    def __init__(self, transformer: Any) -> None:
        blocks = getattr(transformer, "transformer_blocks", ())
        # none where the transformer is of a kind that does not tell its blocks
        self._any_known = bool(blocks)
        first = [(id(_part(block, "attn1")), block) for block in blocks]
        self._first = {layer for layer, _ in first}
        self._second = {id(_part(block, "attn2")) for block in blocks}
        self._merging = {layer for layer, block in first if type(block).__name__ == "ToMeBlock"}
        temporal = _part(transformer, "temporal_transformer_blocks") or ()
        self._temporal = {id(_part(block, "attn1")) for block in temporal}

    def is_first(self, layer: Any) -> bool:
        """Whether the layer is a block's `attn1`, which gets no prompt."""
        return id(layer) in self._first

    def is_of_a_block(self, layer: Any) -> bool:
        """Whether it is one of a block's own two; so taken where the blocks are not known."""
        return not self._any_known or id(layer) in self._first or id(layer) in self._second

    def is_merging(self, layer: Any) -> bool:
        """Whether it is the self-attention of a block that ToMe (tomesd) merges tokens in."""
        return id(layer) in self._merging

    def is_temporal(self, layer: Any) -> bool:
        """Whether it attends over the frames of a video."""
        return id(layer) in self._temporal


def _part(module: Any, name: str) -> Any:
    """A module's part of that name; None without one."""
    # what PyTorch's own __getattr__ does last
    parts = vars(module).get("_modules", {})
    return parts[name] if name in parts else getattr(module, name, None)


def is_spatial(x: Any, layer: Any, layers: LayersOf) -> bool:
    """Whether the layer attends over an image's tokens, not over the frames of a video."""
    return isinstance(x, torch.Tensor) and x.ndim >= 2 and not layers.is_temporal(layer)


def count_key_grids(x: Any, context: Any, grid: Grid, layer: Any, layers: LayersOf) -> int:
    """From how many grids the keys come: 1 for plain self-attention, 0 if it is something else.

    More than 1 where an extension adds another image's tokens (ControlNet's reference-only).
    """
    tokens = grid[0] * grid[1]
    if x.ndim != 3 or x.shape[1] != tokens:
        return 0
    if context is None or context is x:
        return 1
    if not isinstance(context, torch.Tensor) or context.ndim != 3:
        return 0
    if context.shape[0] != x.shape[0] or context.shape[2] != x.shape[2]:
        return 0
    copies, rest = divmod(context.shape[1], tokens)
    # a prompt may happen to have as many tokens; but a block's first attention gets no prompt
    return copies if not rest and layers.is_first(layer) else 0


def why_not_this_grid(x: Any, context: Any, grid: Grid, layer: Any, layers: LayersOf) -> Reason:
    """Why `count_key_grids` found none: another extension changed the tokens, or it is a prompt."""
    if layers.is_merging(layer):
        # agent attention's blocks have ToMe's name, its layers a name of their own
        is_agent = type(layer).__name__ == "AgentAttention"
        return Reason.AGENT_ATTENTION if is_agent else Reason.TOKENS_MERGED
    if not layers.is_of_a_block(layer):
        # GLIGEN's attends to the tokens of its boxes too
        return Reason.NOT_SELF_ATTENTION
    if context is None or context is x:
        return Reason.OTHER_GRID
    # over merged, folded or tiled tokens it is still self-attention; over a prompt it is not
    regridded = x.shape[1] != grid[0] * grid[1]
    if regridded and layers.is_first(layer):
        return Reason.OTHER_GRID
    return Reason.NOT_SELF_ATTENTION


def why_keys_are_not_ours(family: Family, layer: Any, given: dict[str, Any]) -> Reason | None:
    """Why pooled tokens, passed as the context, would not become the keys and values.

    Args:
        given: the call's arguments by name.
    """
    if any(_is_set(given.get(name)) for name in family.must_be_unset):
        return Reason.MASKED
    tokens, context = family.parameters[:2]
    if not _values_fit(given.get("value"), given[tokens], given.get(context)):
        return Reason.OTHER_VALUES
    return None


def with_changed(
    family: Family, args: tuple, kwargs: dict, changed: dict[str, Any]
) -> tuple[tuple, dict]:
    """The call's arguments with some replaced in their place, or added by name."""
    new_args, new_kwargs = list(args), dict(kwargs)
    for name, value in changed.items():
        index = family.parameters.index(name)
        if index < len(args):
            new_args[index] = value
        else:
            new_kwargs[name] = value
    return tuple(new_args), new_kwargs


def _values_fit(value: Any, x: torch.Tensor, context: torch.Tensor | None) -> bool:
    """Whether values passed separately (as ComfyUI does) have as many tokens as the keys."""
    source = x if context is None else context
    return value is None or (
        isinstance(value, torch.Tensor) and value.shape[:2] == source.shape[:2]
    )


def _is_set(value: Any) -> bool:
    """Whether an argument such as a mask or a count was really given."""
    return value is not None and not (isinstance(value, int) and value == 0)
