"""The injector's script that is loaded after the extension under test."""

from __future__ import annotations

import todo_faults


class FaultsAfterScript(todo_faults.FaultsScript):
    order = "after"


todo_faults.listen("after")
