"""What the app does when it is asked for a picture, without any gradio."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from demo import presets
from demo.compare import Comparison, OnProgress, compare
from demo.methods import Baseline, Method, ToDo, ToMe, matching_ratio
from demo.models import largest_grid, native_grid
from demo.output import caption
from demo.recipe import Recipe
from demo.sampling import Sampler
from demo.ticket import Ticket
from lib_todo import Settings

RECIPE_FIELDS = ("prompt", "negative_prompt", "seed", "steps", "guidance", "width", "height")


class Generator:
    """Compares the baseline with one method on one pipeline, one generation at a time."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._lock = threading.Lock()
        self.native_grid = native_grid(sampler.unet)

    def generate(
        self, ticket: Ticket, values: Mapping[str, Any], on_progress: OnProgress
    ) -> Comparison:
        """The baseline and the method that the page's values ask for.

        Raises:
            OptionError, SettingsError: a value that cannot be used.
            CancelledError: the ticket was cancelled, while it waited or ran.
        """
        recipe = _recipe(values)
        method = self._method(values, recipe)

        def tell(title: str, done: int, total: int) -> None:
            ticket.check()
            on_progress(title, done, total)

        with self._lock:
            ticket.check()
            return compare(self._sampler, recipe, [Baseline(), method], 1, tell)

    def _method(self, values: Mapping[str, Any], recipe: Recipe) -> Method:
        todo = Settings(**presets.named("todo_", values))
        if values["method"] == "todo":
            return ToDo(todo)
        tome = {name: value for name, value in presets.named("tome_", values).items() if value}
        largest = largest_grid(self._sampler.unet, recipe, self._sampler.pipe.vae_scale_factor)
        ratio = matching_ratio(largest, todo, tome.get("stride", 0))
        return ToMe(**{"ratio": ratio, **tome})


def preset_values(side: int) -> dict[str, Any]:
    """What the page's inputs are set to by the authors' preset for a side in pixels."""
    first = int(presets.OTHER["hires_from"])
    return {**presets.PRESETS[side], "first_width": first, "first_height": first}


def figures(comparison: Comparison) -> str:
    """The figures as a Markdown list, and what ToDo says it did."""
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
