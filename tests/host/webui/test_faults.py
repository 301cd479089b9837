"""Faults wherever our code meets the host's: nothing is left behind, the next generation is right.

A KeyboardInterrupt that leaves an API route stops the server's event loop, with or without any
extension. So it is thrown in a call of the API's own function from a route that catches it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import requests
from expect import CLEAN, todo
from host import PROBE, REPOSITORY, SMALL, TEST_EXTENSIONS, Host, HostFactory
from told import line

FAULTS = TEST_EXTENSIONS / "faults"
ERRORS = ("RuntimeError", "OutOfMemoryError", "KeyboardInterrupt")
PLAIN: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
HIRES: dict[str, Any] = PLAIN | {
    "enable_hr": True,
    "hr_scale": 2,
    "hr_upscaler": "Latent",
    "denoising_strength": 0.7,
}
REFINED = PLAIN | {"steps": 2, "refiner_switch_at": 0.5}
SHAPES = {
    "plain": PLAIN,
    "two batches": PLAIN | {"n_iter": 2},
    "hires": HIRES,
    "hires, two steps": HIRES | {"steps": 2},
    "refiner": REFINED | {"refiner_checkpoint": "tiny15_b"},
    "refiner, same object": REFINED | {"refiner_checkpoint": "tiny15_c"},
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
RUNNER, CALLBACKS = "modules.scripts:ScriptRunner", "modules.sd_samplers_cfg_denoiser"
DENOISER = f"{CALLBACKS}:cfg_denoiser_callback"
# each is called in a plain generation
ONCE = [
    *(DENOISER, f"{CALLBACKS}:cfg_denoised_callback", f"{CALLBACKS}:cfg_after_cfg_callback"),
    *(
        f"{RUNNER}.{name}"
        for name in (
            *("setup_scrips", "before_process", "process", "before_process_batch"),
            *("after_extra_networks_activate", "process_batch", "process_before_every_sampling"),
            *("post_sample", "postprocess_batch", "postprocess_batch_list", "postprocess_image"),
            *("postprocess_maskoverlay", "postprocess_image_after_composite", "postprocess"),
        )
    ),
]
IN_HIRES = [DENOISER, f"{RUNNER}.before_hr", f"{RUNNER}.process_before_every_sampling"]
GENERATION, LIBRARY = "sd_webui_todo.hosts.webui.generation", "sd_webui_todo"
# those of our functions that are run in a callback, whose errors the host catches, and others
CAUGHT = {
    *(f"{GENERATION}:{name}" for name in ("begin", "before_sampling", "finish")),
    f"{LIBRARY}.hosts.webui.result:planned",
    f"{LIBRARY}.report:Report.progress",
}
OWN = ("pooling:Pooling.take", "report:Report.count")
UNET = "ldm.modules.diffusionmodules.openaimodel:UNetModel.forward"
ATTENTION = "ldm.modules.attention"
LAYERS = [f"{ATTENTION}:{name}.forward" for name in ("SpatialTransformer", "CrossAttention")]
LOAD_WEIGHTS, LOAD = "modules.sd_models:load_model_weights", "modules.sd_models:load_model"


@dataclass(frozen=True)
class Case:
    """One fault: where, what, in which generation and pass, with which ToDo.

    `inside` names the callback in which another generation is run, and that one has the fault.
    """

    place: str
    action: str = ""
    shape: str = "plain"
    asked: str = "on"
    in_pass: str = ""
    nth: int = 1
    inside: str = ""
    asked_inside: str = ""

    def __str__(self) -> str:
        return ", ".join(str(part) for part in vars(self).values() if part)

    @property
    def is_caught(self) -> bool:
        """Whether the host goes on after this fault."""
        name = self.place.partition(" ")[2]
        return self.action != "KeyboardInterrupt" and (bool(self.inside) or name in CAUGHT)

    def order(self) -> dict[str, Any]:
        names = ("place", "action", "nth", "in_pass")
        fault = {name: getattr(self, name) for name in names}
        if not self.inside:
            return fault
        scripts = ASKED[self.asked_inside].get("alwayson_scripts")
        args = scripts["ToDo"]["args"] if scripts else [False]
        return {"place": self.inside, "action": "nest", "args": args, "inner": fault}


def thrown() -> list[Case]:
    """Each with each exception."""
    sides = ("enter", "leave")
    found = [Case(f"{side} {name}") for side in sides for name in ONCE]
    found += [
        Case(f"{side} {name}", "", "hires", in_pass="hires") for side in sides for name in IN_HIRES
    ]
    found += [Case(f"enter {name}", asked="off") for name in (DENOISER, f"{RUNNER}.process")]
    places = [f"{side} {name}" for side in sides for name in LAYERS]
    found += [Case(place) for place in places]
    asked = itertools.cycle(("on", "hires", "early"))
    found += [Case(place, "", "hires", next(asked), "hires") for place in places]
    found += [
        Case(f"enter {UNET}", "", "hires, two steps", asked, in_pass, nth)
        for in_pass, nth in itertools.product(("first", "hires"), (1, 2))
        for asked in ("on", "first", "hires")
        # the passes apart in their first call alone
        if asked == "on" or nth == 1
    ]
    found += [Case(f"enter {UNET}", "", "two batches", asked, nth=2) for asked in ("on", "off")]
    found += [Case(f"enter {name}") for name in sorted(CAUGHT)]
    found += [Case(f"leave {GENERATION}:{name}") for name in ("begin", "before_sampling")]
    found += [Case(f"enter {LIBRARY}.{name}") for name in OWN]
    found += [Case(f"enter {LIBRARY}.hosts.webui.result:{name}") for name in ("line", "data")]
    found += [
        Case(place, inside=f"enter {RUNNER}.{where}", asked_inside=asked)
        for where in ("postprocess_image", "process_before_every_sampling")
        for place in (f"enter {UNET}", f"leave {LAYERS[1]}")
        for asked in ("off", "early")
    ]
    return [replace(case, action=error) for case in found for error in ERRORS]


CHECKPOINT_LOADS = [
    *(
        Case(f"enter {LOAD_WEIGHTS}", error, shape)
        for shape in ("refiner", "refiner, same object", "hires checkpoint")
        for error in ("RuntimeError", "KeyboardInterrupt")
    ),
    Case("enter modules.script_callbacks:model_loaded_callback", "OutOfMemoryError", "refiner"),
    Case(f"leave {LOAD}", "OutOfMemoryError", "hires checkpoint"),
    Case(f"enter {UNET}", "OutOfMemoryError", "refiner", nth=2),
    Case(f"enter {UNET}", "RuntimeError", "hires checkpoint", in_pass="hires"),
]
IN_PASSES = [("two batches", "first"), ("hires, two steps", "first"), ("hires, two steps", "hires")]
STOPS = [
    *(
        Case(f"enter {UNET}", action, shape, asked, in_pass)
        for action in ("interrupt", "skip")
        for (shape, in_pass), asked in itertools.product(IN_PASSES, ("on", "off"))
    ),
    *(
        Case(f"leave {RUNNER}.{name}", action)
        for action in ("interrupt", "skip")
        for name in ("process", "process_before_every_sampling", "postprocess_image")
    ),
]


class Faulty:
    """A host with the extension and the injector, and what is right on it."""

    def __init__(self, host: Host, bare_images: list[str]) -> None:
        self.host = host
        self.bare_images = bare_images
        self.pooled = self.without_fault("plain", "on")
        host.post("/todo-faults/mark")
        self.threads = self.state()["threads"]

    @cache  # noqa: B019  there is one such object in the whole run
    def without_fault(self, shape: str, asked: str) -> tuple[list[str], str | None]:
        answer = self.host.txt2img(**SHAPES[shape], **ASKED[asked])
        return answer["images"], line(answer)

    def state(self) -> dict[str, Any]:
        return dict(self.host.post("/todo-faults/state"))

    def run(self, case: Case) -> dict[str, Any] | str:
        """The answer of a generation with this fault, or what ended it."""
        self.host.post("/todo-faults/arm", case.order())
        body = SMALL | SHAPES[case.shape] | ASKED[case.asked]
        if case.action == "KeyboardInterrupt":
            answer = self.host.post("/todo-faults/generate", body)
            return str(answer["raised"]) if "raised" in answer else dict(answer)
        response = self.host.request("POST", "/sdapi/v1/txt2img", json=body)
        if response.ok:
            return dict(response.json())
        assert response.status_code == 500
        return "{error}: {errors}".format(**response.json())

    def check_what_is_left_and_what_follows(self) -> None:
        """Nothing; the next plain generation is the bare host's, the next with ToDo as ever."""
        left = self.state()
        assert left["seen"].get("struck"), "the fault's place was never reached"
        expected = {"processing": 0, "models": 0, "kept": [], "threads": self.threads}
        assert {name: left[name] for name in expected} == expected
        assert self.host.probe_leftovers() == CLEAN
        assert self.host.txt2img(**PLAIN)["images"] == self.bare_images
        answer = self.host.txt2img(**PLAIN, **ASKED["on"])
        assert (answer["images"], line(answer)) == self.pooled
        assert self.host.probe_leftovers() == CLEAN


@pytest.fixture(scope="module")
def faulty(new_host: HostFactory) -> Iterator[Faulty]:
    with new_host(extensions=(), with_ui=False) as bare:
        images = bare.txt2img(**PLAIN)["images"]
    with new_host(test_extensions=(PROBE,), extensions=(REPOSITORY, FAULTS)) as host:
        host.tells_all = False
        yield Faulty(host, images)


def test_in_sampling_the_classes_are_touched_only_while_it_is_on(faulty: Faulty) -> None:
    look = {"place": f"leave {DENOISER}", "action": "look"}
    for asked in (ASKED["on"], {}, todo(enabled=False)):
        faulty.state()  # collects what is only garbage
        faulty.host.post("/todo-faults/arm", look)
        faulty.host.txt2img(**HIRES, **asked)
        seen = faulty.state()["seen"]
        is_on = asked == ASKED["on"]
        assert (f"{GENERATION}.Generation" in seen["kept"]) is is_on
        assert ("ldm.modules.attention.SpatialTransformer" in seen["replaced"]) is is_on
        assert is_on or (seen["kept"], seen["replaced"]) == ([], [])


@pytest.mark.parametrize("case", [*thrown(), *CHECKPOINT_LOADS], ids=str)
def test_an_exception(faulty: Faulty, case: Case) -> None:
    if case.is_caught:
        # before the fault is armed
        faulty.without_fault(case.shape, case.asked)
    answer = faulty.run(case)
    if not case.is_caught:
        assert answer == f"{case.action}: todo-faults: on purpose at {case.place}"
    else:
        assert isinstance(answer, dict)
        # the host logs where ours failed, and makes the image pooled or plain
        kinds = (case.asked,) if case.inside else (case.asked, "off")
        allowed = [faulty.without_fault(case.shape, asked) for asked in kinds]
        assert answer["images"] in [images for images, _ in allowed]
        assert not case.inside or line(answer) == allowed[0][1]
    faulty.check_what_is_left_and_what_follows()
    # a checkpoint that the fault left behind has been replaced by now
    assert faulty.state()["models"] == 0


@pytest.mark.parametrize("case", STOPS, ids=str)
def test_interrupt_and_skip(faulty: Faulty, case: Case) -> None:
    answer = faulty.run(case)
    assert isinstance(answer, dict)
    # an interrupt before the first batch leaves nothing to tell of; a skip is forgotten there
    is_sampled = not (case.place.endswith(".process") and case.action == "interrupt")
    assert (line(answer) is not None) is (case.asked == "on" and is_sampled)
    faulty.check_what_is_left_and_what_follows()


def test_the_ui_is_reloaded_in_mid_generation(faulty: Faulty) -> None:
    host = faulty.host
    starts = host.log().count("Startup time:")
    body = SMALL | PLAIN | {"steps": 20} | ASKED["on"]
    fault = {"place": f"enter {UNET}", "action": "request_restart", "nth": 3}
    host.post("/todo-faults/arm", fault)
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(requests.post, f"{host.url}/sdapi/v1/txt2img", json=body, timeout=120)
        host.wait_for_start(starts)
        # the server that it came from may answer it or hang up; both are the host's to choose
        cut.exception()
    faulty.check_what_is_left_and_what_follows()
