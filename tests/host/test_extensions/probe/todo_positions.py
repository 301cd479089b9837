"""Which tokens a self-attention layer gets as keys, found by what its projections get."""

from typing import Any

import torch


class Positions:
    """Of each pooled call since the last reset: where it was, and the tokens' places in the grid.

    Only while it is switched on: looking every token up takes time.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.is_on = False
        self.calls: list[dict[str, Any]] = []
        self.tokens: torch.Tensor | None = None

    def saw_queries(self, tokens: torch.Tensor) -> None:
        """A layer is called with these tokens `[b, n, c]`; its keys come next."""
        self.tokens = tokens if self.is_on else None

    def saw_keys(self, keys: torch.Tensor, where: dict[str, Any]) -> None:
        """The same layer makes keys of these `[b, k, c]`."""
        tokens, self.tokens = self.tokens, None
        if tokens is None or keys.shape[1] >= tokens.shape[1]:
            return
        # cond and uncond of one call have tokens of their own
        first, last = (_places(keys[at], tokens[at]) for at in (0, -1))
        self.calls.append({**where, "first": first, "last": last})


def _places(keys: torch.Tensor, tokens: torch.Tensor) -> list[int]:
    """Where each of the keys stands among the tokens; -1 for one that is none of them."""
    places = {row.numpy().tobytes(): place for place, row in enumerate(tokens.detach().cpu())}
    return [places.get(row.numpy().tobytes(), -1) for row in keys.detach().cpu()]
