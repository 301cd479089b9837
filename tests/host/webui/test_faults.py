"""Faults, hundreds of generations, two clients: nothing is left behind, each is right.

A KeyboardInterrupt that leaves an API route stops the server's event loop, with or without any
extension. So it is thrown in a call of the API's own function from a route that catches it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import requests
from expect import CLEAN, all_pixels, todo
from host import REPOSITORY, SMALL, TEST_EXTENSIONS, Host, HostFactory
from told import line, pooled, report_of

FAULTS = TEST_EXTENSIONS / "faults"
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
    f"{LIBRARY}.hosts.webui.result:write_infotext",
    f"{LIBRARY}.report:Report.progress",
}
OWN = ("pooling:Pooling.take", "report:Report.count")
UNET = "ldm.modules.diffusionmodules.openaimodel:UNetModel.forward"
ATTENTION = "ldm.modules.attention"
LAYERS = [f"{ATTENTION}:{name}.forward" for name in ("SpatialTransformer", "CrossAttention")]
LOAD_WEIGHTS, LOAD = "modules.sd_models:load_model_weights", "modules.sd_models:load_model"


@dataclass(frozen=True)
class Case:
    """One fault: where, what, in which generation and pass, with which ToDo."""

    place: str
    action: str = ""
    shape: str = "plain"
    asked: str = "on"
    in_pass: str = ""
    nth: int = 1

    def __str__(self) -> str:
        return ", ".join(str(part) for part in vars(self).values() if part)

    @property
    def is_caught(self) -> bool:
        """Whether the host goes on after this fault."""
        name = self.place.partition(" ")[2]
        return self.action != "KeyboardInterrupt" and name in CAUGHT


def thrown() -> list[Case]:
    """Each with an error of two kinds by turns, and with what is no error but an interrupt."""
    sides = ("enter", "leave")
    found = [Case(f"{side} {name}") for side in sides for name in (*ONCE, *LAYERS)]
    found += [
        Case(f"{side} {name}", "", "hires", in_pass="hires") for side in sides for name in IN_HIRES
    ]
    found += [Case(f"enter {name}", asked="off") for name in (DENOISER, f"{RUNNER}.process")]
    places = [f"{side} {name}" for side in sides for name in LAYERS]
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
    errors = itertools.cycle(("RuntimeError", "OutOfMemoryError"))
    return [
        replace(case, action=action)
        for case in found
        for action in (next(errors), "KeyboardInterrupt")
    ]


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
# in the U-Net itself they are tested on every host, see test_off_is_off.py
STOPS = [
    Case(f"leave {RUNNER}.{name}", action)
    for action in ("interrupt", "skip")
    for name in ("process", "process_before_every_sampling", "postprocess_image")
]
GENERATIONS, WARM_UP, SAMPLE_EVERY = 200, 40, 20
# what two hundred generations in a row are: one of these, with one of those
CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    PLAIN,
    PLAIN | {"sampler_name": "Euler a", "steps": 2, "seed": 7},
    PLAIN | {"width": 96, "sampler_name": "DPM++ 2M", "steps": 2},
    PLAIN | {"height": 120, "sampler_name": "Heun"},
    PLAIN | {"batch_size": 2, "prompt": "two dogs"},
    PLAIN | {"n_iter": 2, "sampler_name": "LMS"},
    HIRES,
)
SETTINGS: tuple[dict[str, Any], ...] = (
    {"threshold": 4},
    {"threshold": 4, "factor": 3, "method": "average"},
    {"threshold": 2, "deep_factor": 1.5, "method": "bilinear"},
    {"threshold": 4, "passes": "hires"},
    {"threshold": 512},
)


class Faulty:
    """A host with the extension and the injector, and what is right on it.

    `bare_images` are those of CONFIGURATIONS on a host that never had the extension.
    """

    def __init__(self, host: Host, bare_images: list[list[bytes]]) -> None:
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
        names = ("place", "action", "nth", "in_pass")
        self.host.post("/todo-faults/arm", {name: getattr(case, name) for name in names})
        body = SMALL | SHAPES[case.shape] | ASKED[case.asked]
        if case.action == "KeyboardInterrupt":
            answer = self.host.post("/todo-faults/generate", body)
            return str(answer["raised"]) if "raised" in answer else dict(answer)
        response = self.host.request("POST", "/sdapi/v1/txt2img", json=body)
        if response.ok:
            return dict(response.json())
        assert response.status_code == 500
        return "{error}: {errors}".format(**response.json())

    def check_what_is_left_and_what_follows(self, is_reloaded: bool = False) -> None:
        """Nothing; the next plain generation is the bare host's, the next with ToDo as ever."""
        left = self.state()
        expected: dict[str, Any] = {"processing": 0, "models": 0, "threads": self.threads}
        # a reload makes the injector anew, which knows of no fault, and the library with its tables
        if not is_reloaded:
            assert left["seen"].get("struck"), "the fault's place was never reached"
            expected["kept"] = []
        assert {name: left[name] for name in expected} == expected
        assert self.host.probe_leftovers() == CLEAN
        assert all_pixels(self.host.txt2img(**PLAIN)) == self.bare_images[0]
        answer = self.host.txt2img(**PLAIN, **ASKED["on"])
        assert (answer["images"], line(answer)) == self.pooled
        assert self.host.probe_leftovers() == CLEAN


@pytest.fixture(scope="module")
def faulty(new_host: HostFactory) -> Iterator[Faulty]:
    with new_host(extensions=(), with_ui=False) as bare:
        images = [all_pixels(bare.txt2img(**asked)) for asked in CONFIGURATIONS]
    with new_host(extensions=(REPOSITORY, FAULTS)) as host:
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
        allowed = [faulty.without_fault(case.shape, asked)[0] for asked in (case.asked, "off")]
        assert answer["images"] in allowed
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
    faulty.check_what_is_left_and_what_follows(is_reloaded=True)


def growth(samples: list[int]) -> float:
    """How much a straight line through the samples rises from the first to the last."""
    count = len(samples)
    middle, mean = (count - 1) / 2, sum(samples) / count
    above = sum((index - middle) * (sample - mean) for index, sample in enumerate(samples))
    return above / sum((index - middle) ** 2 for index in range(count)) * (count - 1)


def test_hundreds_of_generations(faulty: Faulty) -> None:
    """At random off, on, broken off and refused: each is right, and nothing piles up."""
    host, draw = faulty.host, random.Random(13573)
    made: dict[tuple[int, int], Any] = {}
    samples = []
    for number in range(1, GENERATIONS + 1):
        which, chosen = draw.randrange(len(CONFIGURATIONS)), draw.randrange(len(SETTINGS))
        shape, asked = CONFIGURATIONS[which], todo(**SETTINGS[chosen])
        kind = draw.choices(("off", "on", "stopped", "bad"), (9, 9, 2, 2))[0]
        if kind == "off":
            off = draw.choice(({}, todo(enabled=False, factor=2)))
            assert all_pixels(host.txt2img(**shape, **off)) == faulty.bare_images[which]
        elif kind == "on":
            answer = host.txt2img(**shape, **asked)
            result = all_pixels(answer), line(answer)
            assert made.setdefault((which, chosen), result) == result
            assert bool(pooled(report_of(answer))) is (result[0] != faulty.bare_images[which])
        elif kind == "stopped":
            fault = {"place": f"enter {UNET}", "action": draw.choice(("interrupt", "skip"))}
            host.post("/todo-faults/arm", fault)
            host.txt2img(**shape, **asked)
            assert faulty.state()["seen"]["struck"]
        else:
            host.probe_reset()
            host.refusal(**host.body(**shape, **todo(factor=99)))
        if number in (1, WARM_UP):
            host.post("/todo-faults/mark")
        if number > WARM_UP and number % SAMPLE_EVERY == 0:
            host.probe_reset()  # it keeps what it has seen
            samples.append(faulty.state())
    # one object for each: a generation that is kept is dozens
    assert growth([sample["objects"] for sample in samples]) < GENERATIONS
    for what in ("callbacks", "attributes", "kept", "processing", "models"):
        assert [sample[what] for sample in samples] == [samples[0][what]] * len(samples), what
    assert (samples[-1]["processing"], samples[-1]["kept"]) == (0, [])
    assert host.probe_leftovers() == CLEAN


def test_two_clients_at_once_get_their_own_settings(faulty: Faulty) -> None:
    bodies = [
        PLAIN | {"steps": 3} | asked
        for asked in (todo(threshold=4), todo(threshold=4, factor=3, method="max"), {})
    ]

    def send(number: int) -> tuple[list[str], str | None]:
        answer = faulty.host.txt2img(**bodies[number])
        return answer["images"], line(answer)

    alone = [send(number) for number in range(3)]
    assert len({images[0] for images, _ in alone}) == 3
    orders = [(0, 1, 2, 0, 2), (2, 0, 1, 1, 0)]
    with ThreadPoolExecutor(len(orders)) as clients:
        together = list(clients.map(lambda order: [send(number) for number in order], orders))
    assert together == [[alone[number] for number in order] for order in orders]
