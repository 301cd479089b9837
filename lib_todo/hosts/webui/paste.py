"""Pasting: the controls' values from an infotext, for the page, the API and Send to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from ...settings import SettingsError
from . import host
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

        A value that cannot be used leaves every control as it is, and the key of the box warns.

        Raises:
            SettingsRefused: such a value, by the key of the box, which the API answers. Not where
                the page would end the whole paste.
        """
        try:
            return self._shown(from_infotext(params))
        except SettingsError as error:
            if self != "ToDo enabled":
                return None
            gr.Warning(f"{error}. ToDo was left as it is.")
            if host.pastes_one_by_one():
                raise SettingsRefused(error) from None
            return None
