"""Refusing a bad setting: status 422 in the API, the text on the page."""

from __future__ import annotations

import functools
import sys
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from modules import shared

from ...settings import SettingsError
from . import sdnext_passes
from .arguments import in_words


class SettingsRefused(HTTPException):
    """A bad value in an API request. The host answers with its status, detail and text."""

    def __init__(self, error: SettingsError) -> None:
        super().__init__(status_code=422, detail=in_words(error))

    def __str__(self) -> str:
        return self.detail


def refuse(p: Any, error: SettingsError) -> None:
    """Make the generation of `p` end before its first image.

    The host only logs what a callback raises. But right after it calls `p.init` without catching
    anything, so the error is raised there.
    """
    # SD.Next does not tell the two apart, and its page shows the text of either error
    is_api = bool(getattr(p, "is_api", False)) or sdnext_passes.is_of_sdnext(p)
    if not is_api and _page_loses_errors():
        p.comment(in_words(error))
        shared.state.interrupt()
    else:
        p.init = functools.partial(_raise, error, is_api)


def take_back(p: Any) -> None:
    """Undo `refuse`."""
    if getattr(p.__dict__.get("init"), "func", None) is _raise:
        del p.__dict__["init"]


def _raise(error: SettingsError, is_api: bool, *args: Any, **kwargs: Any) -> None:
    if is_api:
        raise SettingsRefused(error)
    # the page shows the text
    error.args = (in_words(error),)
    raise error


def _page_loses_errors() -> bool:
    """Whether this is reForge, whose page shows a TypeError of its own instead of any exception.

    It runs the page's requests in its main thread, which (unlike Forge's) does not pass exceptions
    on. There the text is put where the line would be, and the generation ends as by Interrupt.
    """
    main_thread = sys.modules.get("modules_forge.main_thread")
    return main_thread is not None and not hasattr(main_thread, "last_exception")


def explain_object_as_args(app: FastAPI) -> None:
    """Have the API say what is wrong where `args` is an object instead of a list.

    The host looks for the first value by its number, and would answer with status 500.
    """

    async def answer(request: Request, error: KeyError) -> JSONResponse:
        if error.args != (0,) or not request.url.path.startswith("/sdapi/"):
            raise error
        text = (
            "alwayson_scripts: a script's args must be a list. ToDo takes one object in it: "
            '{"ToDo": {"args": [{"preset": "fast"}]}}'
        )
        return JSONResponse(status_code=422, content={"detail": text, "errors": text})

    app.add_exception_handler(KeyError, answer)
