"""Loads lib_todo for the WebUI under a name of its own, or says why it cannot be loaded.

Where it cannot, requests for ToDo are refused here, without the library.

The WebUI has an extension's folder on Python's path only while its script loads, and Python caches
imports. With a second copy of the folder, or after an update, `import lib_todo` could therefore
find other files than this folder's. For the same reason scripts/todo.py runs this file by its path.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NAME = "sd_webui_todo"
LIBRARY = Path(__file__).resolve().parent / "lib_todo"
# the attribute of the loaded library that records its files
_MADE_OF = "made_of_files"
# packages of the WebUI itself
_HOSTS_OWN = ("modules", "gradio", "fastapi", "pydantic")
OLDEST_HOST = "AUTOMATIC1111's WebUI 1.6.0"


class NotLoadedError(Exception):
    """Why the library was not loaded: another copy, or an older state of it, is in use."""


def load(scripts_data: list[Any], script: str) -> None:
    """Have this folder's library imported as NAME, as its files are now.

    If it is loaded already and its files are unchanged, it stays, and with it the times of earlier
    generations.

    Args:
        scripts_data: the scripts that the host has loaded so far. If this one is among them, the
            host reloads only scripts' code, and keeps the objects of the first load.
        script: the path of scripts/todo.py as the host knows it.

    Raises:
        NotLoadedError: another copy of the folder is in use, or the files have changed while the
            host keeps objects of the first load.
    """
    another_works = why_another_works(scripts_data, script)
    if another_works is not None:
        raise NotLoadedError(another_works)
    files = _files()
    loaded = sys.modules.get(NAME)
    if getattr(loaded, _MADE_OF, None) == files:
        return
    if loaded is not None and any(data.path == script for data in scripts_data):
        raise NotLoadedError(
            "its files have changed since it was loaded; reload the UI, or restart the WebUI"
        )
    _import(files)


def why_another_works(scripts_data: list[Any], script: str) -> str | None:
    """Why this copy of the folder leaves the work to another one; None where there is none.

    An older version that loads after this one cannot step aside for it, so scripts/todo.py asks
    again once all scripts are loaded.

    Args:
        scripts_data: the scripts that the host has loaded so far.
        script: the path of scripts/todo.py as the host knows it.
    """
    for data in scripts_data:
        is_ours = data.script_class.__name__ == "ToDoScript"
        folder = Path(data.path).parents[1]
        if is_ours and data.path != script and (folder / "lib_todo").is_dir():
            return (
                f"another copy of it is in use: {folder}. Disable or remove one of the two; "
                f"this one is {Path(script).parents[1]}"
            )
    return None


def why_not(error: Exception) -> str:
    """The cause in one sentence for the user. An unexpected error is also printed in full."""
    return switched_off(_cause(error))


def switched_off(cause: str) -> str:
    """The sentence that names the cause."""
    return f"ToDo is switched off, since {cause}"


def refuse_if_asked(p: Any, args: Sequence[Any], why: str) -> None:
    """Have a request that asks for ToDo end before its first image, with status 422 and `why`.

    The host only logs what a callback raises. But right after it calls `p.init` without catching
    anything, so the error is raised there.

    Args:
        p: the host's processing object.
        args: the request's values: the box, or an object, which switches ToDo on unless its
            `enabled` says otherwise. The page always sends a box that is not ticked.
        why: the sentence for the user.
    """
    box = args[0] if args else False
    if box.get("enabled", True) if isinstance(box, Mapping) else box:
        p.init = functools.partial(_refuse, why)


def _refuse(why: str, *args: Any, **kwargs: Any) -> None:
    from fastapi import HTTPException

    raise HTTPException(status_code=422, detail=why)


def _cause(error: Exception) -> str:
    if isinstance(error, NotLoadedError):
        return str(error)
    if isinstance(error, ImportError) and error.name:
        package = error.name.split(".")[0]
        if package in _HOSTS_OWN:
            return (
                f"this WebUI lacks something it needs: {error}. The oldest version that has all of "
                f"it is {OLDEST_HOST}"
            )
        if package == NAME:
            return (
                f"its files are from different versions: {error}. Restart the WebUI; if that does "
                f"not help, reinstall the extension in {LIBRARY.parent}"
            )
        if isinstance(error, ModuleNotFoundError):
            return (
                f"the Python package {package} is missing. Install it by "
                f'"{sys.executable}" -m pip install {package}, then restart the WebUI'
            )
        return f"the Python package {package} cannot be used: {error}"
    traceback.print_exception(type(error), error, error.__traceback__)
    return f"an error occurred while it was loaded: {type(error).__name__}: {error}"


def _files() -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of change of each file of the library."""
    found = ((path, path.stat()) for path in sorted(LIBRARY.rglob("*.py")))
    return tuple((str(path), about.st_size, about.st_mtime_ns) for path, about in found)


def _import(files: tuple[tuple[str, int, int], ...]) -> None:
    _drop()
    importlib.invalidate_caches()
    spec: Any = importlib.util.spec_from_file_location(NAME, LIBRARY / "__init__.py")
    library = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = library
    try:
        spec.loader.exec_module(library)
    except BaseException:
        _drop()
        raise
    setattr(library, _MADE_OF, files)


def _drop() -> None:
    """Remove the library from Python's modules; objects in use stay as they are."""
    for name in [name for name in sys.modules if name.split(".")[0] == NAME]:
        del sys.modules[name]
