"""Pasting: the controls' values from an image's text, for the page, the API and Send to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from ...settings import SettingsError
from .infotext import from_infotext
from .refusal import SettingsRefused


class PasteKey(str):
    """What a paste field is bound to: called with a parsed text, it gives the control's value.

    It is a name at the same time, by which the host pairs the controls of two tabs for Send to.
    """

    __slots__ = ("_shown",)
    _shown: Callable[[dict[str, Any]], Any]

    def __new__(cls, name: str, shown: Callable[[dict[str, Any]], Any]) -> PasteKey:
        """`shown` makes the control's value of the values of all fields."""
        key = super().__new__(cls, f"ToDo {name}")
        key._shown = shown
        return key

    def __call__(self, params: dict[str, Any]) -> Any:
        """The control's value; None leaves it as it is.

        Raises:
            SettingsRefused: a value that cannot be used; the API answers with it. By the box alone:
                the page asks every control, logs what is raised, and goes on.
        """
        try:
            return self._shown(from_infotext(params))
        except SettingsError as error:
            if self != "ToDo enabled":
                return None
            gr.Warning(f"{error}. ToDo was left as it is.")
            raise SettingsRefused(error) from None
