"""Intercepting calls: methods of classes are replaced while at least one run uses them.

`__call__` is replaced, never `forward`: hosts and other extensions replace `forward` on classes and
on instances at any time, while PyTorch always finds `__call__` on the class. To undo it, the
attribute is deleted again; no model object is changed.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch

from . import active, bound, compiled, traced
from .families import FAMILIES, Family, import_what_loads_later
from .schedulers import schedule_of, scheduler_classes

_lock = bound.lock
# what a wrapper of ours replaced: the class, the method's name, and its own attribute before
_Replaced = tuple[type, str, Any]
_installed: dict[Callable, _Replaced] = {}
# disused wrappers of ours that another extension has wrapped in turn; mostly empty
_stale_calls: weakref.WeakKeyDictionary[Callable, _Replaced] = weakref.WeakKeyDictionary()
_users: list[object] = []
# how many modules were imported when classes were last searched
_modules = 0
_ABSENT = object()
_NOTHING_TO_WATCH = contextlib.nullcontext()


def install(user: object) -> None:
    """Intercept the calls of every family that is imported, until `user` uninstalls."""
    with _lock:
        _users.append(user)
        try:
            _restore_stale_calls()
            import_what_loads_later()
            _intercept_all()
        except BaseException:
            _remove_user(user)
            raise


def _intercept_all() -> None:
    global _modules
    _modules = len(sys.modules)
    for scheduler in scheduler_classes():
        _set(scheduler, "set_timesteps", _intercept_schedule, None)
    for wrapper in compiled.wrapper_classes():
        _set(wrapper, "__call__", _intercept_compiled, None)
    for family in FAMILIES:
        for cls in family.model_classes():
            _set_call(cls, _intercept_model, family)
        for cls in family.transformer_classes():
            _set_call(cls, _intercept_transformer, family)
        for cls in family.attention_classes():
            _set_call(cls, _intercept_attention, family)


def _intercept_what_came_since() -> None:
    """Intercept classes imported since, such as a scheduler that a bound pipeline gets later."""
    if len(sys.modules) != _modules:
        with _lock:
            if _users:
                _intercept_all()


def uninstall(user: object) -> None:
    """Say that `user` is done; with the last user the classes are restored."""
    with _lock:
        _remove_user(user)


def undo_all() -> None:
    """Restore every class at once, even during a generation, which goes on unpooled."""
    with _lock:
        _users.clear()
        _restore_calls()


def _serving(run: active.Run | None, call: Callable) -> active.Run | None:
    """`run`, if it is enabled and this wrapper of ours is in use; else None.

    Another extension may have wrapped a wrapper of ours that is no longer in use, and still call
    it. A new one of ours may surround both, and no layer may be pooled and counted twice.
    """
    return run if run is not None and run.enabled and call in _installed else None


def _intercept_schedule(original: Callable, _: None) -> Callable:
    @functools.wraps(original)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if compiled.is_tracing() or set_timesteps not in _installed:
            return result
        entered = active.entered_run()
        # a scheduler belongs to no model: it applies to the bound ones that this thread calls next
        for run in bound.runs() if entered is None else [entered]:
            if run.enabled:
                run.begin_sampling(schedule_of(self))
        return result

    return set_timesteps


def _intercept_model(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if compiled.is_tracing():
            return original(self, *args, **kwargs)
        timestep = args[1] if len(args) > 1 else kwargs.get(family.timestep)
        with _evaluation(__call__, self, timestep):
            return original(self, *args, **kwargs)

    return __call__


@contextlib.contextmanager
def _evaluation(
    call: Callable, model: Any, timestep: Any, in_graph: bool = False
) -> Iterator[None]:
    """Around a call of a whole model: tells the run that applies, if any."""
    _intercept_what_came_since()
    entered = active.entered_run()
    its_own = bound.run_of(model) if entered is None else None
    run = _serving(entered or its_own, call)
    if entered is None and its_own is None and call in _installed:
        active.note_missed_model()
    with active.bound_to(its_own), compiled.without_plan():
        if run is None:
            yield
            return
        run.enter_model(model, timestep, in_graph)
        try:
            with compiled.own_graphs():
                yield
        finally:
            run.leave_model()


def _intercept_compiled(original: Callable, _: None) -> Callable:
    """For what `torch.compile(model)` returns: inside its graph our Python code does not run."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        model = self._orig_mod
        family = next((f for f in FAMILIES if isinstance(model, tuple(f.model_classes()))), None)
        if family is None or compiled.is_tracing():
            return original(self, *args, **kwargs)
        timestep = args[1] if len(args) > 1 else kwargs.get(family.timestep)
        with _evaluation(__call__, model, timestep, in_graph=True):
            return original(self, *args, **kwargs)

    return __call__


def _intercept_transformer(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        x: Any = args[0] if args else kwargs.get(family.parameters[0])
        if compiled.is_tracing():
            return traced.call_transformer(original, self, x, args, kwargs)
        run = _serving(active.effective_run(), __call__)
        if run is None:
            with compiled.without_plan():
                return original(self, *args, **kwargs)
        is_image = isinstance(x, torch.Tensor) and x.ndim == 4
        # under jit.trace a side is a tensor
        run.enter_transformer(self, (int(x.shape[2]), int(x.shape[3])) if is_image else None)
        try:
            with compiled.own_graphs():
                return original(self, *args, **kwargs)
        finally:
            run.leave_transformer()

    return __call__


def _intercept_attention(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if compiled.is_tracing():
            args, kwargs = traced.arguments_for(family, self, args, kwargs)
            return original(self, *args, **kwargs)
        run = _serving(active.effective_run(), __call__)
        if run is None:
            return original(self, *args, **kwargs)
        args, kwargs, arrival = run.arguments_for(family, self, args, kwargs)
        with arrival or _NOTHING_TO_WATCH:
            return original(self, *args, **kwargs)

    return __call__


def _set_call(cls: type, intercept: Callable[[Callable, Family], Callable], family: Family) -> None:
    _set(cls, "__call__", intercept, family)


def _set(
    cls: type, name: str, intercept: Callable[[Callable, Any], Callable], family: Family | None
) -> None:
    """Replace the method, unless it is ours already, by another family or an outer `with`."""
    original = getattr(cls, name)
    if any(
        original is call or (known is cls and method == name)
        for call, (known, method, _) in _installed.items()
    ):
        return
    call = intercept(original, family)
    _installed[call] = cls, name, cls.__dict__.get(name, _ABSENT)
    setattr(cls, name, call)


def _remove_user(user: object) -> None:
    # it is not there any more after undo_all
    if user in _users:
        _users.remove(user)
    if not _users:
        _restore_calls()


def _restore_calls() -> None:
    while _installed:
        call, state = _installed.popitem()
        _stale_calls[call] = state
    _restore_stale_calls()


def _restore_stale_calls() -> None:
    """Remove disused wrappers of ours, the newest first, where nothing covers them any more.

    One that another extension had wrapped reappears when that extension restores the class. Without
    this it would stay for good, and one more with each generation.
    """
    for call, (cls, name, before) in reversed(list(_stale_calls.items())):
        if cls.__dict__.get(name) is not call:
            continue
        del _stale_calls[call]
        if before is _ABSENT:
            delattr(cls, name)
        else:
            setattr(cls, name, before)
