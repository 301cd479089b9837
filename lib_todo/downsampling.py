"""token_downsampling: settings for the calls inside a `with`, in the thread that entered it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .callers import caller
from .interception import active, calls
from .report import Report
from .runs.run import Run
from .settings import Settings


class token_downsampling(Run):  # noqa: N801  a context manager, named as one is used
    """Pool the keys and values of the U-Net's self-attention inside a `with` (arXiv 2402.13573).

        with token_downsampling(Settings()) as report:
            image = pipe(prompt, width=1024, height=1024).images[0]
        print(report.line())

    It covers every family of `interception.families` that is imported when it is entered, in the
    thread or asyncio task that entered it; for models that other threads call there is `bind`.
    Steps follow from the timesteps that the model is called with. A host that knows its steps calls
    `report.progress(step, total)` before each evaluation. It nests: inside, the inner settings
    apply, even if they are disabled. Entering the same object again continues its report. On
    leaving, also by an exception, the classes are restored.

    Args:
        settings: what to pool; `Settings()` is the preset `balanced`.

    Raises:
        TypeError: settings of another type.
        RuntimeError: entered while another thread or task is inside.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._entries: list[active.Entry] = []
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
