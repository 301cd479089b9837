"""What the app's Generate button runs, and how it is cancelled; no gradio in here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from comparison.loading import largest_grid, native_grid
from comparison.recipe import OptionError, Recipe
from comparison.sampling import Sampler
from demo.compare import OnProgress, Result, compare
from demo.defaults import with_prefix
from demo.methods import PAPER_TITLE, make_methods
from demo.output import caption
from lib_todo import Settings

# the methods that can be compared with the baseline, and their names on the page
METHODS = {"paper": PAPER_TITLE, "todo": "ToDo", "tome": "ToMe"}
RECIPE_FIELDS = (
    "prompt",
    "negative_prompt",
    "seed",
    "steps",
    "guidance",
    "width",
    "height",
    "strength",
)


class CancelledError(Exception):
    """The user has cancelled the generation."""


class Cancellation:
    """Whether the session's user has clicked Cancel since the last click on Generate.

    gradio copies a state's value for each session; each copy starts as not cancelled.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def __deepcopy__(self, _: dict) -> Cancellation:
        return Cancellation()

    def reset(self) -> None:
        """Forget an earlier click on Cancel: the user has clicked Generate."""
        self._cancelled.clear()

    def cancel(self) -> None:
        """End the generation, whether it waits in the queue or runs."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise CancelledError if the user has cancelled."""
        if self._cancelled.is_set():
            raise CancelledError


class Generator:
    """Compares the baseline with other methods on one pipeline, one generation at a time."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._lock = threading.Lock()
        self.native_grid = native_grid(sampler.unet)

    def generate(
        self, cancellation: Cancellation, values: Mapping[str, Any], on_progress: OnProgress
    ) -> list[Result]:
        """Compare the baseline with the methods chosen on the page.

        Raises:
            OptionError, SettingsError: a value that cannot be used.
            CancelledError: the user cancelled while it waited or ran.
        """
        wanted = values["methods"]
        if not wanted or not set(wanted) <= METHODS.keys():
            raise OptionError(f"methods must be one or more of {', '.join(METHODS)}, not {wanted}")
        first = (values["first_width"], values["first_height"]) if values["first_width"] else None
        recipe = Recipe(first=first, **{name: values[name] for name in RECIPE_FIELDS})
        todo = Settings(**with_prefix("todo_", values))
        tome = {name: value for name, value in with_prefix("tome_", values).items() if value}
        largest = largest_grid(self._sampler.unet, recipe, self._sampler.pipe.vae_scale_factor)
        methods = make_methods(["baseline", *wanted], todo, tome, self.native_grid, largest)

        def check_and_report(title: str, done: int, total: int) -> None:
            cancellation.check()
            on_progress(title, done, total)

        with self._lock:
            cancellation.check()
            return compare(self._sampler, recipe, methods, 1, check_and_report)


def figures(results: list[Result]) -> str:
    """The figures of each method as Markdown, then ToDo's own report."""
    paragraphs = [f"**{each.method.title}**: " + " · ".join(caption(each)) for each in results]
    paragraphs += [each.runs[0].report_line for each in results]
    return "\n\n".join(filter(None, paragraphs))
