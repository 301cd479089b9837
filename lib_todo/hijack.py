"""The interception: self-attention is handed pooled tokens as its context while a `with` lasts.

The *call* of two classes is intercepted, never their `forward`: hosts and other extensions replace
`forward` on classes and on instances in mid-generation, while PyTorch always finds `__call__` on
the class. Undoing is deleting that attribute again; no model object is ever touched.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch

from lib_todo import contexts, neighbours
from lib_todo import report as why
from lib_todo.families import FAMILIES, Family
from lib_todo.plan import Grid, in_window, layer_factor, pass_wanted
from lib_todo.pooling import pool_tokens
from lib_todo.report import Report
from lib_todo.settings import Settings

_local = threading.local()
_lock = threading.Lock()
# our calls that stand in a class: the class, and what it had of its own before
_installed: dict[Callable, tuple[type, Any]] = {}
# the same for dead ones, where others keep them; mostly empty
_covered: weakref.WeakKeyDictionary[Callable, tuple[type, Any]] = weakref.WeakKeyDictionary()
_users: list[object] = []
_ABSENT = object()


class token_downsampling:  # noqa: N801  a context manager, named as one is used
    """Pool the keys and values of the U-Net's self-attention inside a `with` (arXiv 2402.13573).

        with token_downsampling(Settings(factor=2)) as report:
            report.progress(step, total)        # before each step, if start or end matter
            model(...)
        print(report.line())

    Every family of `lib_todo.families` that is imported when it is entered takes part. It nests:
    the inner one's settings hold inside, also where they are disabled; then the outer ones come
    back. Entering the same object again goes on with the same report. Only the thread that entered
    it is concerned. On leaving, whatever was raised, the classes are as they were.

    Args:
        settings: what to pool; `Settings()` is automatic.

    Raises:
        TypeError: settings of another type.
    """

    def __init__(self, settings: Settings) -> None:
        if not isinstance(settings, Settings):
            raise TypeError(f"ToDo: settings must be a Settings, not {type(settings).__name__}")
        self.settings = settings
        self.report = Report()
        self._grids: list[tuple[Grid | None, Any]] = []
        # of the model's evaluation that is under way: the transformers called so far, the largest
        # grid among them, and what the report had been told when it began
        self._called: set[int] = set()
        self._largest: Grid = (0, 0)
        self._told = 0

    def __enter__(self) -> Report:
        if self.settings.enabled:
            _install(self)
        _stack().append(self)
        self.report.expect_sampling()
        return self.report

    def __exit__(self, *exc_info: object) -> None:
        _stack().remove_last(self)
        if self.settings.enabled:
            _uninstall(self)

    def enter_transformer(self, transformer: Any, grid: Grid | None) -> None:
        """Note that a spatial transformer over `grid` is called (None: its grid is unknown)."""
        self._grids.append((grid, transformer))
        if id(transformer) in self._called or self._told != self.report.told:
            # a new evaluation, perhaps at another size or of another model
            self._called.clear()
            self._largest = (0, 0)
            self._told = self.report.told
        self._called.add(id(transformer))
        if grid and grid[0] * grid[1] > self._largest[0] * self._largest[1]:
            self._largest = grid

    def leave_transformer(self) -> None:
        """Undo the last enter_transformer."""
        self._grids.pop()

    def pool_call(
        self, family: Family, layer: Any, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict]:
        """The arguments to call the attention `layer` with, pooled where the rule says so."""
        if not self._grids or self._grids[-1][0] is None:
            return args, kwargs
        grid, transformer = self._grids[-1]
        given = dict(zip(family.parameters, args), **kwargs)
        x, context = (given.get(name) for name in family.parameters[:2])
        copies = contexts.grids_side_by_side(x, context, grid, layer, transformer)
        if not copies:
            # tokens that others merged, folded or tiled are still self-attention; a prompt is not
            regridded = x.shape[1] != grid[0] * grid[1]
            is_self = context is None or context is x
            is_self = is_self or (regridded and contexts.is_first_attention(layer, transformer))
            reason = why.NOT_THIS_GRID if is_self else why.NOT_SELF_ATTENTION
            self.report.count(layer, grid, x.shape[1], x.shape[1], reason)
            return args, kwargs
        before = copies * grid[0] * grid[1]
        factor, reason = self._decide(family, layer, grid, given)
        source = x if context is None else context
        pooled = source
        if reason is None:
            pooled = self._pool(source, grid, copies, factor)
            if pooled is source:
                reason = why.FACTOR_ONE
        self.report.count(layer, grid, before, pooled.shape[1], reason)
        if reason is not None:
            return args, kwargs
        changed = {family.parameters[1]: pooled}
        value = given.get("value")
        if value is not None:
            changed["value"] = (
                pooled if value is source else self._pool(value, grid, copies, factor)
            )
        return _with_changed(family, args, kwargs, changed)

    def _decide(
        self, family: Family, layer: Any, grid: Grid, given: dict
    ) -> tuple[float, str | None]:
        """The factor, and why the layer is left alone (None: it is not)."""
        settings, report = self.settings, self.report
        if neighbours.older_pools(layer):
            # said of every layer: it may be pooling below our threshold too
            return 1, why.OLDER
        if grid[0] * grid[1] <= settings.threshold**2:
            return 1, why.BELOW_THRESHOLD
        factor = layer_factor(grid, self._largest, settings)
        if factor == 1:
            return 1, why.FACTOR_ONE
        if report.elsewhere:
            return 1, why.OTHER_GENERATION
        if not pass_wanted(report.pass_name, settings.passes):
            return 1, why.OTHER_PASS
        if not in_window(report.step, report.total, settings.start, settings.end):
            return 1, why.OUTSIDE_WINDOW
        in_the_way = neighbours.in_the_way(layer)
        if in_the_way is not None:
            return 1, in_the_way
        if getattr(layer, "fused_projections", False):
            # diffusers' fused self-attention has no projection that takes a context of its own
            return 1, why.FUSED
        if any(contexts.is_set(given.get(name)) for name in family.must_be_unset):
            return 1, why.MASKED
        if not contexts.fits(given.get("value"), given[family.parameters[0]], given.get("context")):
            return 1, why.OTHER_VALUES
        return factor, None

    def _pool(self, tokens: torch.Tensor, grid: Grid, copies: int, factor: float) -> torch.Tensor:
        if copies == 1:
            return pool_tokens(tokens, grid, factor, self.settings.method)
        batch, _, width = tokens.shape
        apart = tokens.reshape(batch * copies, grid[0] * grid[1], width)
        pooled = pool_tokens(apart, grid, factor, self.settings.method)
        return tokens if pooled is apart else pooled.reshape(batch, -1, width)


class _Stack(list):
    def remove_last(self, item: token_downsampling) -> None:
        """Take out the innermost entry of `item`, also where entries were left out of order."""
        for index in range(len(self) - 1, -1, -1):
            if self[index] is item:
                del self[index]
                return


def _stack() -> _Stack:
    if not hasattr(_local, "stack"):
        _local.stack = _Stack()
    return _local.stack


def current() -> token_downsampling | None:
    """The innermost `token_downsampling` that this thread is in, None outside of any."""
    stack = getattr(_local, "stack", None)
    return stack[-1] if stack else None


def _run_of(call: Callable) -> token_downsampling | None:
    """What this call of ours has to serve now.

    None where it was put away, but somebody who had wrapped it meanwhile still calls it: another
    one of ours may stand around theirs, and a layer must not be counted and pooled twice.
    """
    run = current()
    return run if run is not None and run.settings.enabled and call in _installed else None


def _with_changed(family: Family, args: tuple, kwargs: dict, changed: dict) -> tuple[tuple, dict]:
    """The call's arguments with some replaced where they stood, or added by name."""
    new_args, new_kwargs = list(args), dict(kwargs)
    for name, value in changed.items():
        index = family.parameters.index(name)
        if index < len(args):
            new_args[index] = value
        else:
            new_kwargs[name] = value
    return tuple(new_args), new_kwargs


def _intercept_transformer(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        run = _run_of(__call__)
        if run is None:
            return original(self, *args, **kwargs)
        x = args[0] if args else kwargs.get(family.parameters[0])
        is_image = isinstance(x, torch.Tensor) and x.ndim == 4
        run.enter_transformer(self, tuple(x.shape[2:]) if is_image else None)
        try:
            return original(self, *args, **kwargs)
        finally:
            run.leave_transformer()

    return __call__


def _intercept_attention(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        run = _run_of(__call__)
        if run is not None:
            args, kwargs = run.pool_call(family, self, args, kwargs)
        return original(self, *args, **kwargs)

    return __call__


def _install(user: object) -> None:
    with _lock:
        _users.append(user)
        try:
            _restore_uncovered()
            for family in FAMILIES:
                for cls in family.transformer_classes():
                    _set_call(cls, _intercept_transformer, family)
                for cls in family.attention_classes():
                    _set_call(cls, _intercept_attention, family)
        except BaseException:
            _remove_user(user)
            raise


def _set_call(cls: type, intercept: Callable[[Callable, Family], Callable], family: Family) -> None:
    """Have `cls` call ours, unless it does: by another family's row, or from an outer entry."""
    if any(cls is known or cls.__call__ is call for call, (known, _) in _installed.items()):
        return
    call = intercept(cls.__call__, family)
    _installed[call] = cls, cls.__dict__.get("__call__", _ABSENT)
    cls.__call__ = call


def _uninstall(user: object) -> None:
    with _lock:
        _remove_user(user)


def _remove_user(user: object) -> None:
    # it is not there any more after undo_all
    if user in _users:
        _users.remove(user)
    if not _users:
        _restore_calls()


def undo_all() -> None:
    """Restore every class at once, also in mid-generation; what still runs goes on unpooled."""
    with _lock:
        _users.clear()
        _restore_calls()


def _restore_calls() -> None:
    while _installed:
        call, state = _installed.popitem()
        _covered[call] = state
    _restore_uncovered()


def _restore_uncovered() -> None:
    """Take dead calls of ours off the classes, the newest first, as far as they lie on top.

    What someone wrapped meanwhile shows again when that wrapper is undone. It would then stay for
    good, and one more with each generation.
    """
    for call, (cls, before) in reversed(list(_covered.items())):
        if cls.__dict__.get("__call__") is not call:
            continue
        del _covered[call]
        if before is _ABSENT:
            del cls.__call__
        else:
            cls.__call__ = before
