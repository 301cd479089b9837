"""Requests for the host's X/Y/Z plot."""

from __future__ import annotations

from typing import Any

from expect import parameters
from host import Host
from told import info

# what follows the nine inputs of the axes differs between the hosts
CHANGED = {
    "Draw legend": False,
    "Include Sub Images": True,
    "Use text inputs instead of dropdowns": True,
}


def ours(host: Host, is_img2img: bool = False) -> list[str]:
    """Those of ToDo among the axes that the plot offers."""
    labels = host.script_info("x/y/z plot", is_img2img)["args"][0]["choices"]
    return [label for label in labels if "ToDo" in label]


def plot(host: Host, *axes: tuple[str, str]) -> dict[str, Any]:
    """A request for a plot of up to three axes by label and values as one types them."""
    arguments = host.script_info("x/y/z plot")["args"]
    # the host counts them
    labels = arguments[0]["choices"]
    args: list[Any] = []
    for label, values in (*axes, *[("Nothing", "")] * (3 - len(axes))):
        args += [labels.index(label), values, []]
    for argument in arguments[9:]:
        args.append(CHANGED.get(argument["label"], argument["value"]))
    return {"script_name": "x/y/z plot", "script_args": args}


def cells(answer: dict[str, Any]) -> list[dict[str, str]]:
    """ToDo's part of each cell's infotext; the first is the grid's and is left out."""
    return [parameters(text) for text in info(answer)["infotexts"][1:]]
