"""Load other people's code from the user's folders, with stand-ins for what it imports."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from unittest import mock


@contextlib.contextmanager
def stand_ins(**modules: types.ModuleType) -> Iterator[None]:
    """Make those modules importable inside the `with`; `__` in a name stands for a dot."""
    with mock.patch.dict(sys.modules, {k.replace("__", "."): v for k, v in modules.items()}):
        yield


def load_file(name: str, path: Path) -> types.ModuleType:
    """A Python file as a module of that name.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
