"""The settings page: what belongs to all generations."""

from __future__ import annotations

from modules import shared

SHOW_LINE = "todo_show_line"


def register() -> None:
    """Add our section to the settings page (the host's `on_ui_settings` callback)."""
    shared.opts.add_option(
        SHOW_LINE,
        shared.OptionInfo(
            True,
            "Show what was pooled, or why nothing was, in a line under the image",
            section=("todo", "ToDo"),
        ),
    )


def show_line() -> bool:
    """Whether the line is wanted."""
    return bool(shared.opts.data.get(SHOW_LINE, True))
