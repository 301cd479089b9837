"""The injector's script that is loaded before the extension under test, and its routes.

It also times how long the extension under test takes to load.
"""

from __future__ import annotations

from typing import Any

import todo_faults
import todo_watching
from modules import script_callbacks

todo_watching.time_loading()


class FaultsBeforeScript(todo_faults.FaultsScript):
    order = "before"


todo_faults.listen("before")
script_callbacks.on_model_loaded(todo_watching.watcher.saw_model)


def add_routes(_demo: Any, app: Any) -> None:
    todo_faults.add_routes(app)


script_callbacks.on_app_started(add_routes)
