"""How a call is caught: `__call__` of a class is replaced while somebody uses it.

The *call* is intercepted, never `forward`: hosts and other extensions replace `forward` on classes
and on instances in mid-generation, while PyTorch always finds `__call__` on the class. Undoing is
deleting that attribute again; no model object is ever touched.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch

from . import active
from .families import FAMILIES, Family

_lock = threading.Lock()
# our calls that stand in a class: the class, and what it had of its own before
_installed: dict[Callable, tuple[type, Any]] = {}
# dead calls of ours that others keep beneath their own; mostly empty
_stale_calls: weakref.WeakKeyDictionary[Callable, tuple[type, Any]] = weakref.WeakKeyDictionary()
_users: list[object] = []
_ABSENT = object()


def install(user: object) -> None:
    """Intercept the calls of every family that is imported, until `user` uninstalls."""
    with _lock:
        _users.append(user)
        try:
            _restore_stale_calls()
            for family in FAMILIES:
                for cls in family.transformer_classes():
                    _set_call(cls, _intercept_transformer, family)
                for cls in family.attention_classes():
                    _set_call(cls, _intercept_attention, family)
        except BaseException:
            _remove_user(user)
            raise


def uninstall(user: object) -> None:
    """Say that `user` is done; the classes are restored with the last one."""
    with _lock:
        _remove_user(user)


def undo_all() -> None:
    """Restore every class at once, also in mid-generation; what still runs goes on unpooled."""
    with _lock:
        _users.clear()
        _restore_calls()


def _run_of(call: Callable) -> active.Run | None:
    """What this call of ours has to serve now.

    None where it was put away, but somebody who had wrapped it meanwhile still calls it: another
    one of ours may stand around theirs, and a layer must not be counted and pooled twice.
    """
    run = active.current()
    return run if run is not None and run.enabled and call in _installed else None


def _intercept_transformer(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        run = _run_of(__call__)
        if run is None:
            return original(self, *args, **kwargs)
        x = args[0] if args else kwargs.get(family.parameters[0])
        is_image = isinstance(x, torch.Tensor) and x.ndim == 4
        run.enter_transformer(self, (x.shape[2], x.shape[3]) if is_image else None)
        try:
            return original(self, *args, **kwargs)
        finally:
            run.leave_transformer()

    return __call__


def _intercept_attention(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        run = _run_of(__call__)
        if run is not None:
            args, kwargs = run.arguments_for(family, self, args, kwargs)
        return original(self, *args, **kwargs)

    return __call__


def _set_call(cls: type, intercept: Callable[[Callable, Family], Callable], family: Family) -> None:
    """Have `cls` call ours, unless it does: by another family's row, or from an outer entry."""
    if any(cls is known or cls.__call__ is call for call, (known, _) in _installed.items()):
        return
    call = intercept(cls.__call__, family)
    _installed[call] = cls, cls.__dict__.get("__call__", _ABSENT)
    cls.__call__ = call


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
    """Take dead calls of ours off the classes, the newest first, as far as they lie on top.

    What someone wrapped meanwhile shows again when that wrapper is undone. It would then stay for
    good, and one more with each generation.
    """
    for call, (cls, before) in reversed(list(_stale_calls.items())):
        if cls.__dict__.get("__call__") is not call:
            continue
        del _stale_calls[call]
        if before is _ABSENT:
            del cls.__call__
        else:
            cls.__call__ = before
