"""token_downsampling: self-attention is handed pooled tokens as its context inside a `with`."""

from __future__ import annotations

from typing import Any

import torch

from .interception import active, calls, contexts, vetoes
from .interception.families import Family
from .plan import Grid, decide
from .pooling import pool_tokens
from .reasons import Reason
from .report import Report
from .settings import Settings


class token_downsampling:  # noqa: N801  a context manager, named as one is used
    """Pool the keys and values of the U-Net's self-attention inside a `with` (arXiv 2402.13573).

        with token_downsampling(Settings(factor=2)) as report:
            report.progress(step, total)        # before each step, if start or end matter
            model(...)
        print(report.line())

    Every family of `interception.families` that is imported when it is entered takes part. It
    nests: the inner one's settings hold inside, also where they are disabled; then the outer ones
    come back. Entering the same object again goes on with the same report. Only the context
    (thread or asyncio task) that entered it is concerned. On leaving, whatever was raised, the
    classes are as they were.

    Args:
        settings: what to pool; `Settings()` is automatic.

    Raises:
        TypeError: settings of another type.
    """

    def __init__(self, settings: Settings) -> None:
        if not isinstance(settings, Settings):
            raise TypeError(f"ToDo: settings must be a Settings, not {type(settings).__name__}")
        self.settings = settings
        self.enabled = settings.enabled
        self.report = Report()
        self._entries: list[active.Entry] = []
        self._grids: list[tuple[Grid | None, Any]] = []
        # of the model's evaluation that is under way: the transformers called so far, the largest
        # grid among them, and what the position had been told when it began
        self._called: set[int] = set()
        self._largest: Grid = (0, 0)
        self._evaluation = 0

    def __enter__(self) -> Report:
        if self.enabled:
            calls.install(self)
        self._entries.append(active.enter(self))
        self.report.position.expect_sampling()
        return self.report

    def __exit__(self, *exc_info: object) -> None:
        active.leave(self._entries.pop())
        if self.enabled:
            calls.uninstall(self)

    def enter_transformer(self, transformer: Any, grid: Grid | None) -> None:
        """Note that a spatial transformer over `grid` is called (None: its grid is unknown)."""
        self._grids.append((grid, transformer))
        evaluation = self.report.position.evaluation
        if id(transformer) in self._called or self._evaluation != evaluation:
            # a new evaluation, perhaps at another size or of another model
            self._called.clear()
            self._largest = (0, 0)
            self._evaluation = evaluation
        self._called.add(id(transformer))
        if grid and grid[0] * grid[1] > self._largest[0] * self._largest[1]:
            self._largest = grid

    def leave_transformer(self) -> None:
        """Undo the last enter_transformer."""
        self._grids.pop()

    def arguments_for(
        self, family: Family, layer: Any, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict]:
        """The arguments to call the attention `layer` with, pooled where the rule says so."""
        if not self._grids or self._grids[-1][0] is None:
            return args, kwargs
        grid, transformer = self._grids[-1]
        given = dict(zip(family.parameters, args), **kwargs)
        x, context = (given.get(name) for name in family.parameters[:2])
        copies = contexts.count_key_grids(x, context, grid, layer, transformer)
        if not copies:
            reason = contexts.why_not_this_grid(x, context, grid, layer, transformer)
            self.report.count(layer, grid, x.shape[1], x.shape[1], reason)
            return args, kwargs
        before = copies * grid[0] * grid[1]
        factor, reason = self._decide(family, layer, grid, given)
        source = x if context is None else context
        pooled = source
        if reason is None:
            pooled = self._pool(source, grid, copies, factor)
            if pooled is source:
                reason = Reason.FACTOR_ONE
        self.report.count(layer, grid, before, pooled.shape[1], reason)
        if reason is not None:
            return args, kwargs
        changed = {family.parameters[1]: pooled}
        value = given.get("value")
        if value is not None:
            changed["value"] = (
                pooled if value is source else self._pool(value, grid, copies, factor)
            )
        return contexts.with_changed(family, args, kwargs, changed)

    def _decide(
        self, family: Family, layer: Any, grid: Grid, given: dict
    ) -> tuple[float, Reason | None]:
        """The factor, and why the layer is left alone (None: it is not)."""
        reason = vetoes.first(layer, before_the_rule=True)
        if reason is not None:
            return 1, reason
        factor, reason = decide(grid, self._largest, self.settings, self.report.position)
        if reason is None:
            reason = vetoes.first(layer) or contexts.why_keys_are_not_ours(family, layer, given)
        return (1, reason) if reason is not None else (factor, None)

    def _pool(self, tokens: torch.Tensor, grid: Grid, copies: int, factor: float) -> torch.Tensor:
        if copies == 1:
            return pool_tokens(tokens, grid, factor, self.settings.method)
        batch, _, width = tokens.shape
        apart = tokens.reshape(batch * copies, grid[0] * grid[1], width)
        pooled = pool_tokens(apart, grid, factor, self.settings.method)
        return tokens if pooled is apart else pooled.reshape(batch, -1, width)
