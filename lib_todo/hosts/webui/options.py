"""ToDo's section of the settings page."""

from __future__ import annotations

from modules import shared

SHOW_LINE = "todo_show_line"


def register() -> None:
    """Add our section to the settings page, and to what `/sdapi/v1/options` knows.

    Called when the script is loaded, since with --nowebui `on_ui_settings` never comes. With a page
    it is called again then, which changes nothing.
    """
    option = shared.OptionInfo(
        True,
        "Show what was pooled, or why nothing was, in a line under the image",
        section=("todo", "ToDo"),
    )
    # not an argument of 1.6, which has no categories
    option.category_id = "sd"
    shared.opts.add_option(SHOW_LINE, option)


def show_line() -> bool:
    """Whether the line is wanted."""
    return bool(shared.opts.data.get(SHOW_LINE, True))
