"""Pasting: the controls' values from an infotext, for the page, the API and Send to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from ...settings import SettingsError
from .infotext import from_infotext
from .refusal import SettingsRefused


class PasteKey(str):
    """The key of a paste field: called with a parsed infotext, it returns the control's value.

    It is a text as well, by which the host matches the controls of two tabs for Send to.
    """

    __slots__ = ("_shown",)
    _shown: Callable[[dict[str, Any]], Any]

    def __new__(cls, name: str, shown: Callable[[dict[str, Any]], Any]) -> PasteKey:
        """`shown` gets the values of all fields and returns the control's value."""
        key = super().__new__(cls, f"ToDo {name}")
        key._shown = shown
        return key

    def __call__(self, params: dict[str, Any]) -> Any:
        """The control's value; None leaves it as it is.

        Raises:
            SettingsRefused: a value that cannot be used, for the API to answer. Only the key of the
                box raises it: the page calls every key, logs what is raised, and goes on.
        """
        try:
            return self._shown(from_infotext(params))
        except SettingsError as error:
            if self != "ToDo enabled":
                return None
            gr.Warning(f"{error}. ToDo was left as it is.")
            raise SettingsRefused(error) from None
