"""The faults to try: where, what, in which generation and pass, with which ToDo settings."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

from expect import todo
from host import SMALL

ERRORS = ("RuntimeError", "OutOfMemoryError", "KeyboardInterrupt")

PLAIN: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
HIRES: dict[str, Any] = PLAIN | {
    "enable_hr": True,
    "hr_scale": 2,
    "hr_upscaler": "Latent",
    "denoising_strength": 0.7,
}
SHAPES = {
    "plain": PLAIN,
    "two batches": PLAIN | {"n_iter": 2},
    "hires": HIRES,
    "hires, two steps": HIRES | {"steps": 2},
    "refiner": PLAIN | {"steps": 2, "refiner_checkpoint": "tiny15_b", "refiner_switch_at": 0.5},
    "refiner, same object": PLAIN
    | {"steps": 2, "refiner_checkpoint": "tiny15_c", "refiner_switch_at": 0.5},
    "hires checkpoint": HIRES | {"hr_checkpoint_name": "tiny15_b"},
}
ASKED: dict[str, dict[str, Any]] = {
    "off": {},
    # factors by number, which hold in the first steps too: where telling the steps is what fails,
    # the image stays the same
    "on": todo(threshold=4, factor=2, deep_factor=2),
    "first": todo(threshold=4, factor=2, deep_factor=2, passes="first"),
    "hires": todo(threshold=4, factor=2, deep_factor=2, passes="hires"),
    "early": todo(threshold=4, end=0.5, factor=1.5, method="average"),
}
OURS = ("process", "process_batch", "postprocess", "on_cfg_denoiser")
ONCE = (
    "setup",
    "before_process",
    "before_process_batch",
    "after_extra_networks_activate",
    "process_before_every_sampling",
    "on_cfg_denoised",
    "on_cfg_after_cfg",
    "post_sample",
    "postprocess_batch",
    "postprocess_batch_list",
    "postprocess_image",
    "postprocess_maskoverlay",
    "postprocess_image_after_composite",
)
IN_HIRES = (
    "after_extra_networks_activate",
    "before_hr",
    "process_before_every_sampling",
    "on_cfg_denoised",
    "on_cfg_after_cfg",
)
# what the host runs inside its own `try`; other places end the generation
CAUGHT = {*OURS, *ONCE, *IN_HIRES, "on_model_loaded"}
OWN_CALLBACKS = {"begin", "before_sampling", "finish", "planned", "progress"}


@dataclass(frozen=True)
class Case:
    """One fault: where, what, in which generation and pass, with which ToDo."""

    place: str
    action: str
    shape: str = "plain"
    asked: str = "on"
    in_pass: str = ""
    nth: int = 1
    nested: str = ""
    nested_asked: str = ""

    def __str__(self) -> str:
        parts = (self.place, self.action, self.shape, self.asked, self.in_pass, str(self.nth))
        return ", ".join(filter(None, (*parts, self.nested, self.nested_asked)))

    @property
    def body(self) -> dict[str, Any]:
        return SMALL | SHAPES[self.shape] | ASKED[self.asked]

    @property
    def name(self) -> str:
        return self.place.partition(" ")[2]

    @property
    def ends(self) -> bool:
        """Whether the host lets this fault end the generation."""
        if self.action == "KeyboardInterrupt":
            return True
        # nested generations are run in a callback, where the host catches what they throw
        return not self.nested and self.name not in CAUGHT | OWN_CALLBACKS

    def order(self) -> dict[str, Any]:
        fault = {
            "place": self.place,
            "action": self.action,
            "nth": self.nth,
            "in_pass": self.in_pass,
            "nested": bool(self.nested),
        }
        if not self.nested:
            return {"fault": fault}
        scripts = ASKED[self.nested_asked].get("alwayson_scripts")
        args = scripts["ToDo"]["args"] if scripts else [False]
        return {"fault": fault, "nested": {"place": self.nested, "args": args}}


def throws(cases: list[Case]) -> list[Case]:
    """Each case with each exception."""
    return [replace(case, action=error) for case in cases for error in ERRORS]


def callbacks() -> list[Case]:
    found = [Case(f"{side} {name}", "") for side in ("before", "after") for name in OURS]
    found += [Case(f"after {name}", "") for name in ONCE]
    found += [
        Case(f"{side} on_cfg_denoiser", "", "hires", in_pass="hires")
        for side in ("before", "after")
    ]
    found += [Case(f"after {name}", "", "hires", in_pass="hires") for name in IN_HIRES]
    found += [Case(f"after {name}", "", asked="off") for name in ("process", "on_cfg_denoiser")]
    return throws(found)


def intercepted_calls() -> list[Case]:
    layers = ("SpatialTransformer", "CrossAttention")
    places = [
        f"{side} {name}" for side in ("enter", "leave", "under", "over") for name in layers
    ] + [f"{side} pool_tokens" for side in ("enter", "leave")]
    found = [Case(place, "") for place in places]
    found += [
        Case(place, "", "hires", asked, "hires")
        for place, asked in zip(places, itertools.cycle(("on", "hires", "early")))
    ]
    return throws(found)


def unet_calls() -> list[Case]:
    passes = [("first", 1), ("first", 2), ("hires", 1), ("hires", 2)]
    return throws(
        [
            Case("enter UNetModel", "", "hires, two steps", asked, in_pass, nth)
            for in_pass, nth in passes
            for asked in ("on", "first", "hires")
            # the passes apart in their first call alone
            if asked == "on" or nth == 1
        ]
        + [Case("enter UNetModel", "", "two batches", asked, nth=2) for asked in ("on", "off")]
    )


def own_functions() -> list[Case]:
    enter = (*sorted(OWN_CALLBACKS), "layer_factor", "count", "line", "data")
    leave = ("begin", "before_sampling")
    return throws(
        [Case(f"enter {name}", "") for name in enter]
        + [Case(f"leave {name}", "") for name in leave]
    )


def nested() -> list[Case]:
    return throws(
        [
            Case(place, "", nested=where, nested_asked=asked)
            for where in ("postprocess_image", "process_before_every_sampling")
            for place in ("enter UNetModel", "leave CrossAttention")
            for asked in ("off", "early")
        ]
    )


def checkpoint_loads() -> list[Case]:
    found = [
        Case("enter load_model_weights", error, shape)
        for shape in ("refiner", "refiner, same object", "hires checkpoint")
        for error in ("RuntimeError", "KeyboardInterrupt")
    ]
    found += [
        Case("after on_model_loaded", "OutOfMemoryError", "refiner"),
        Case("leave load_model", "OutOfMemoryError", "hires checkpoint"),
        Case("enter UNetModel", "OutOfMemoryError", "refiner", nth=2),
        Case("enter UNetModel", "RuntimeError", "hires checkpoint", in_pass="hires"),
    ]
    return found


def stops() -> list[Case]:
    return [
        Case("enter UNetModel", action, shape, asked, in_pass)
        for action in ("interrupt", "skip")
        for shape, in_pass in (
            ("two batches", "first"),
            ("hires, two steps", "first"),
            ("hires, two steps", "hires"),
        )
        for asked in ("on", "off")
    ] + [
        Case(f"after {name}", action)
        for action in ("interrupt", "skip")
        for name in ("process", "process_before_every_sampling", "postprocess_image")
    ]


CASES = {
    "callbacks": callbacks(),
    "intercepted calls": intercepted_calls(),
    "U-Net calls": unet_calls(),
    "own functions": own_functions(),
    "nested": nested(),
    "checkpoint loads": checkpoint_loads(),
    "stops": stops(),
}
