"""Where settings hold: inside a `with`, in the thread that entered it, or for a bound model."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import nn

from .interception import active, calls
from .interception.families import import_what_loads_later, is_model
from .report import Report, caller
from .runs.run import Run
from .settings import Settings


class token_downsampling(Run):  # noqa: N801  a context manager, named as one is used
    """Pool the keys and values of the U-Net's self-attention inside a `with` (arXiv 2402.13573).

        with token_downsampling(Settings()) as report:
            image = pipe(prompt, width=1024, height=1024).images[0]
        print(report.line())

    It holds in the thread or asyncio task that entered it; for models that other threads call there
    is `bind`. Steps follow from the timesteps that the model is called with. A host that knows its
    steps calls `report.progress(step, total)` before each evaluation. It nests: inside, the inner
    settings apply, even if they are disabled. Entering the same object again continues its report.
    On leaving, also by an exception, the classes are restored.

    Raises:
        TypeError: settings of another type.
        RuntimeError: entered while another thread or task is inside.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._entries: list[object] = []
        self._owner: Callable[[], Any] = lambda: None

    def __enter__(self) -> Report:
        if self._entries and self._owner() is not caller():
            raise RuntimeError(
                "ToDo: this token_downsampling is in use in another thread or task; give each one "
                "of its own: they can share the Settings"
            )
        self._owner = weakref.ref(caller())
        self.forget()
        self.report.enter()
        if self.enabled:
            calls.install(self)
        # last: nothing after it may fail
        self._entries.append(active.enter(self))
        return self.report

    def __exit__(self, *exc_info: object) -> None:
        active.leave(self._entries.pop())
        if self.enabled:
            calls.uninstall(self)

    def enable(self, enabled: bool) -> None:
        """Pool from now on, or not: a host knows the passes in which nothing can be pooled."""
        if enabled != self.enabled:
            self.enabled = enabled
            for _ in self._entries:
                (calls.install if enabled else calls.uninstall)(self)


class bind(Run):  # noqa: N801  named as it is used
    """Pool every call of one pipeline's or U-Net's models from now on, in any thread.

        binding = bind(pipe, Settings())
        image = pipe(prompt, width=1024, height=1024).images[0]
        print(binding.report.line())
        binding.remove()

    No other model's calls are pooled. Binding a model again replaces its settings. Inside a
    `token_downsampling` its settings apply instead, even if they are disabled. The model itself is
    not changed, and a copy of it is not bound. The report is on all threads. Used as a context
    manager, it ends with the `with`. It also ends when none of its models is left: each was deleted
    or bound again.

    Args:
        target: a diffusers pipeline, whose present U-Net and ControlNets are bound; or a module
            that is such a model or contains some, compiled or not.

    Raises:
        TypeError: settings of another type, or a target without any such model.
    """

    def __init__(self, target: Any, settings: Settings) -> None:
        super().__init__(settings, shared=True)
        models = _models_of(target)
        if self.enabled:
            calls.install(self)
        active.bind(models, self, on_deleted=_end_unbound)
        _end_unbound()

    def remove(self) -> None:
        """Stop pooling these models' calls. Calling it again does nothing."""
        active.unbind(self)
        calls.uninstall(self)

    def __enter__(self) -> bind:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


def _end_unbound() -> None:
    """End the bindings that have no model left."""
    for user in list(calls.users):
        if isinstance(user, bind) and user not in active.bound_runs():
            calls.uninstall(user)


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
