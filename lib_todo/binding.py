"""bind: settings for the calls of one model, from any thread."""

from __future__ import annotations

import weakref
from typing import Any

from torch import nn

from .interception import active, calls
from .interception.families import import_what_loads_later, is_model
from .runs.run import Run
from .settings import Settings


def bind(target: Any, settings: Settings) -> Binding:
    """Pool every call of one pipeline's or U-Net's models from now on, in any thread.

        binding = bind(pipe, Settings())
        image = pipe(prompt, width=1024, height=1024).images[0]
        print(binding.report.line())
        binding.remove()

    No other model's calls are pooled. Binding a model again replaces its settings. Inside a
    `token_downsampling` its settings apply instead, even if they are disabled. The model itself is
    not changed, and a copy of it is not bound.

    Args:
        target: a diffusers pipeline, whose present U-Net and ControlNets are bound; or a module
            that is such a model or contains some, compiled or not.
        settings: what to pool.

    Raises:
        TypeError: settings of another type, or a target without any such model.
    """
    return Binding(_models_of(target), settings)


class Binding(Run):
    """What `bind` returns: `report` has what happened so far in all threads, `remove` ends it.

    Used as a context manager, it ends with the `with`. It also ends when none of its models is
    left: each was deleted or bound again.
    """

    def __init__(self, models: list[nn.Module], settings: Settings) -> None:
        super().__init__(settings, shared=True)
        if self.enabled:
            calls.install(self)
        itself = weakref.ref(self)
        for other in active.bind(models, self, on_end=lambda: _end_without_models(itself())):
            calls.uninstall(other)

    def remove(self) -> None:
        """Stop pooling these models' calls. Calling it again does nothing."""
        active.unbind(self)
        calls.uninstall(self)

    def __enter__(self) -> Binding:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


def _end_without_models(binding: Binding | None) -> None:
    if binding is not None and binding not in active.bound_runs():
        calls.uninstall(binding)


def _models_of(target: Any) -> list[nn.Module]:
    """The models in a pipeline or module, each once."""
    import_what_loads_later()
    components = getattr(target, "components", None)
    parts = components.values() if isinstance(components, dict) else [target]
    modules = [m for part in parts if isinstance(part, nn.Module) for m in part.modules()]
    found = list(dict.fromkeys(module for module in modules if is_model(module)))
    if not found:
        raise TypeError(
            f"ToDo: bind: no U-Net in {type(target).__name__}: target must be a diffusers pipeline "
            "with one, or a U-Net of diffusers, ldm, sgm, ComfyUI or Forge"
        )
    return found
