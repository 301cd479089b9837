"""Replacing methods of classes while at least one run uses them, and putting them back.

`__call__` is replaced, never `forward`: hosts and other extensions replace `forward` on classes and
on instances at any time, while PyTorch always finds `__call__` on the class. To undo it, the
attribute is deleted again; no model object is changed.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

# the wrappers in use, with the class, the method's name, and the class's own attribute before. One
# that another extension has wrapped may still be called when it is not in use; then it only passes
# the call on, since a newer one may surround both
in_use: dict[Callable, tuple[type, str, Any]] = {}
# disused wrappers of ours that another extension has wrapped in turn; mostly empty
_stale: weakref.WeakKeyDictionary[Callable, tuple] = weakref.WeakKeyDictionary()
_ABSENT = object()


def replace(cls: type, name: str, wrap: Callable[[Callable], Callable]) -> None:
    """Replace the method by `wrap(original)`, unless it or what it inherits is ours already."""
    if any(known is cls and method == name for known, method, _ in in_use.values()):
        return
    # a base class may have a wrapper of ours, which is not to be met twice
    original = next(
        vars(base)[name]
        for base in cls.__mro__
        if name in vars(base) and vars(base)[name] not in in_use
    )
    wrapper = wrap(original)
    in_use[wrapper] = cls, name, cls.__dict__.get(name, _ABSENT)
    setattr(cls, name, wrapper)


def restore_all() -> None:
    """Put every method back."""
    _stale.update(in_use)
    in_use.clear()
    restore_stale()


def restore_stale() -> None:
    """Remove disused wrappers of ours, the newest first, where nothing covers them any more.

    One that another extension had wrapped reappears when that extension restores the class. Without
    this it would stay for good, and one more with each generation.
    """
    for wrapper, (cls, name, before) in reversed(list(_stale.items())):
        if cls.__dict__.get(name) is wrapper:
            del _stale[wrapper]
            if before is _ABSENT:
                delattr(cls, name)
            else:
                setattr(cls, name, before)
