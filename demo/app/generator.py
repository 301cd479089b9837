"""What the app's Generate button runs; no gradio in here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from demo.app.cancellation import Cancellation
from demo.comparison import defaults
from demo.comparison.compare import Comparison, OnProgress, compare
from demo.comparison.loading import largest_grid, native_grid
from demo.comparison.methods import (
    PAPER_TITLE,
    Baseline,
    Method,
    ToDo,
    ToMe,
    matching_ratio,
)
from demo.comparison.pictures import caption
from demo.comparison.recipe import OptionError, Recipe
from demo.comparison.sampling import Sampler
from lib_todo import Settings
from lib_todo.settings import BY_NAME

# the methods that can be compared with the baseline, and their names on the page
METHODS = {"todo": "ToDo", "paper": PAPER_TITLE, "tome": "ToMe"}
CUSTOM = "custom"
# ToDo's settings that have a control; here only the final pass is pooled, so passes has none
TODO_FIELDS = (
    "factor",
    "deep_factor",
    "threshold",
    "scale",
    "deep_scale",
    "method",
    "phase",
    "start",
    "end",
)
RECIPE_FIELDS = ("prompt", "negative_prompt", "seed", "steps", "guidance", "width", "height")


class Generator:
    """Compares the baseline with other methods on one pipeline, one generation at a time."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._lock = threading.Lock()
        self.native_grid = native_grid(sampler.unet)

    def generate(
        self, cancellation: Cancellation, values: Mapping[str, Any], on_progress: OnProgress
    ) -> Comparison:
        """Compare the baseline with the methods chosen on the page.

        Raises:
            OptionError, SettingsError: a value that cannot be used.
            CancelledError: the user cancelled while it waited or ran.
        """
        recipe = _recipe(values)
        methods = self._methods(values, recipe)

        def check_and_report(title: str, done: int, total: int) -> None:
            cancellation.check()
            on_progress(title, done, total)

        with self._lock:
            cancellation.check()
            return compare(self._sampler, recipe, [Baseline(), *methods], 1, check_and_report)

    def _methods(self, values: Mapping[str, Any], recipe: Recipe) -> list[Method]:
        wanted = values["methods"]
        if not wanted or not set(wanted) <= METHODS.keys():
            raise OptionError(f"methods must be one or more of {', '.join(METHODS)}, not {wanted}")
        asked = defaults.with_prefix("todo_", values)
        if asked.get("phase") == BY_NAME["phase"].default:
            # the page sends every control, so the default there is not an explicit choice
            del asked["phase"]
        todo = Settings(**asked)
        made = {
            "todo": lambda: ToDo(todo),
            "paper": lambda: ToDo(
                Settings.from_preset("paper", threshold=todo.threshold), "paper", METHODS["paper"]
            ),
            "tome": lambda: self._tome(values, recipe, todo),
        }
        return [made[name]() for name in METHODS if name in wanted]

    def _tome(self, values: Mapping[str, Any], recipe: Recipe, todo: Settings) -> ToMe:
        given = defaults.with_prefix("tome_", values)
        tome = {name: value for name, value in given.items() if value}
        largest = largest_grid(self._sampler.unet, recipe, self._sampler.pipe.vae_scale_factor)
        ratio = matching_ratio(largest, todo, tome.get("stride", 0))
        return ToMe(**{"ratio": ratio, **tome})


def paper_size_values(side: int) -> dict[str, Any]:
    """The values of the page's inputs for the paper's settings at a side in pixels."""
    first = int(defaults.SD1["hires_from"])
    return {**defaults.PAPER_SIZES[side], "first_width": first, "first_height": first}


def figures(comparison: Comparison) -> str:
    """The figures of each method as Markdown, then ToDo's own report."""
    paragraphs = [
        f"**{result.method.title}**: " + " · ".join(caption(result))
        for result in comparison.results
    ]
    paragraphs += [result.runs[0].report_line for result in comparison.results]
    return "\n\n".join(filter(None, paragraphs))


def _recipe(values: Mapping[str, Any]) -> Recipe:
    first = (values["first_width"], values["first_height"]) if values["first_width"] else None
    return Recipe(
        first=first,
        strength=values["strength"],
        **{name: values[name] for name in RECIPE_FIELDS},
    )
