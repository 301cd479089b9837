"""Faults, hundreds of generations, two clients: nothing is left behind, each is right.

A KeyboardInterrupt that leaves an API route stops the server's event loop, with or without any
extension. So it is thrown in a call of the API's own function from a route that catches it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import pytest
import requests
from expect import CLEAN, HIRES, all_pixels, todo
from host import REPOSITORY, SMALL, TEST_EXTENSIONS, Host, HostFactory
from told import line, pooled, report_of

PLAIN: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
SMALL_HIRES = HIRES | PLAIN
REFINED = PLAIN | {"steps": 2, "refiner_switch_at": 0.5}
SHAPES = {
    "plain": PLAIN,
    "two batches": PLAIN | {"n_iter": 2},
    "hires": SMALL_HIRES,
    "refiner": REFINED | {"refiner_checkpoint": "tiny15_b"},
    "refiner, same object": REFINED | {"refiner_checkpoint": "tiny15_c"},
    "hires checkpoint": SMALL_HIRES | {"hr_checkpoint_name": "tiny15_b"},
}
# factors by number, which hold in the first steps too: where telling the steps is what fails, the
# image stays the same
BY_TWO = {"threshold": 4, "factor": 2, "deep_factor": 2}
ASKED: dict[str, dict[str, Any]] = {
    "off": {},
    "on": todo(**BY_TWO),
    "hires": todo(**BY_TWO, passes="hires"),
}
RUNNER, CALLBACKS = "modules.scripts:ScriptRunner", "modules.sd_samplers_cfg_denoiser"
GENERATION, LIBRARY = "sd_webui_todo.hosts.webui.generation", "sd_webui_todo"
DENOISER = f"{CALLBACKS}:cfg_denoiser_callback"
UNET = "ldm.modules.diffusionmodules.openaimodel:UNetModel.forward"
LAYER = "ldm.modules.attention:SpatialTransformer.forward"
ATTENTION = "ldm.modules.attention:CrossAttention.forward"
# each is called in a plain generation
ONCE = [
    *(DENOISER, f"{CALLBACKS}:cfg_denoised_callback", f"{CALLBACKS}:cfg_after_cfg_callback"),
    *(LAYER, ATTENTION),
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
# in the hires pass, by how often each is called before it: a model has 16 layers with 2 attentions
IN_HIRES = {
    f"{RUNNER}.before_hr": 0,
    **dict.fromkeys((DENOISER, UNET, f"{RUNNER}.process_before_every_sampling"), 1),
    LAYER: 16,
    ATTENTION: 32,
}
# those of our functions that are run in a callback, whose errors the host catches, and others
CAUGHT = {
    *(f"{GENERATION}:{name}" for name in ("begin", "before_sampling", "finish")),
    f"{LIBRARY}.hosts.webui.result:write",
    f"{LIBRARY}.report:Report.progress",
}
OWN = [
    *(f"{LIBRARY}.pooling:Pooling.take", f"{LIBRARY}.report:Report.count"),
    f"{LIBRARY}.hosts.webui.result:Series.update",
]
ERRORS = ("RuntimeError", "OutOfMemoryError")


class Case(NamedTuple):
    """One fault: where, what, with which ToDo, at which of the times that the place is reached."""

    place: str
    action: str
    shape: str = "plain"
    asked: str = "on"
    nth: int = 1


def thrown() -> list[Case]:
    """Each with an error of two kinds by turns, and with what is no error but an interrupt."""
    places: list[tuple[Any, ...]] = [(f"enter {name}",) for name in (*ONCE, *sorted(CAUGHT), *OWN)]
    places += [(f"leave {name}",) for name in ONCE]
    places += [(f"leave {GENERATION}:{name}",) for name in ("begin", "before_sampling")]
    places += [(f"enter {name}", "plain", "off") for name in (DENOISER, f"{RUNNER}.process")]
    places += [(f"enter {UNET}", "two batches", asked, 2) for asked in ("on", "off")]
    places += [
        (f"{side} {name}", "hires", asked, before + 1)
        for side, asked in (("enter", "on"), ("leave", "hires"), ("enter", "hires"))
        for name, before in IN_HIRES.items()
    ]
    errors = itertools.cycle(ERRORS)
    return [
        Case(place, action, *more)
        for place, *more in places
        for action in (next(errors), "KeyboardInterrupt")
    ]


CHECKPOINT_LOADS = [
    *(
        Case("enter modules.sd_models:load_model_weights", error, shape)
        for shape in ("refiner", "refiner, same object", "hires checkpoint")
        for error in ("RuntimeError", "KeyboardInterrupt")
    ),
    Case("enter modules.script_callbacks:model_loaded_callback", "OutOfMemoryError", "refiner"),
    Case("leave modules.sd_models:load_model", "OutOfMemoryError", "hires checkpoint"),
    *(Case(f"enter {UNET}", ERRORS[1], shape, nth=2) for shape in ("refiner", "hires checkpoint")),
]
# in the U-Net itself they are tested on every host, see test_off_is_off.py
STOPPED_IN = ("process", "process_before_every_sampling", "postprocess_image")
GENERATIONS, WARM_UP, SAMPLE_EVERY = 200, 40, 20
# each of them is one of these with one of those
CONFIGURATIONS: list[dict[str, Any]] = [
    PLAIN,
    PLAIN | {"width": 96, "height": 120, "sampler_name": "Heun"},
    PLAIN | {"batch_size": 2, "prompt": "two dogs"},
    PLAIN | {"n_iter": 2, "sampler_name": "LMS"},
    SMALL_HIRES,
]
SETTINGS: list[dict[str, Any]] = [
    {"threshold": 4},
    {"threshold": 4, "factor": 3, "method": "average"},
    {"threshold": 4, "passes": "hires"},
    {"threshold": 512},
]


class Faulty:
    """A host with the extension and the injector, and what is right on it.

    `bare_images` are those of CONFIGURATIONS on a host that never had the extension.
    """

    def __init__(self, host: Host, bare_images: list[list[bytes]]) -> None:
        self.host = host
        self.bare_images = bare_images
        host.post("/todo-faults/mark")
        for shape in SHAPES:
            self.without_fault(shape, "on")
        known = self.state()
        # what a result's later images may go on with
        self.threads, self.kept = known["threads"], set(known["kept"])

    @cache  # noqa: B019  there is one such object in the whole run
    def without_fault(self, shape: str, asked: str) -> tuple[list[str], str | None]:
        answer = self.host.txt2img(**SHAPES[shape], **ASKED[asked])
        return answer["images"], line(answer)

    def state(self) -> dict[str, Any]:
        return dict(self.host.post("/todo-faults/state"))

    def arm(self, place: str, action: str, nth: int = 1) -> None:
        self.host.post("/todo-faults/arm", {"place": place, "action": action, "nth": nth})

    def run(self, case: Case) -> dict[str, Any] | str:
        """The answer of a generation with this fault, or what ended it."""
        self.arm(case.place, case.action, case.nth)
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
            assert left["struck"], "the fault's place was never reached"
            assert self.kept.issuperset(left["kept"])
        assert {name: left[name] for name in expected} == expected
        assert self.host.probe_leftovers() == CLEAN
        assert all_pixels(self.host.txt2img(**PLAIN)) == self.bare_images[0]
        answer = self.host.txt2img(**PLAIN, **ASKED["on"])
        assert (answer["images"], line(answer)) == self.without_fault("plain", "on")
        assert self.host.probe_leftovers() == CLEAN


@pytest.fixture(scope="module")
def faulty(new_host: HostFactory) -> Iterator[Faulty]:
    with new_host(extensions=(), with_ui=False) as bare:
        images = [all_pixels(bare.txt2img(**asked)) for asked in CONFIGURATIONS]
    with new_host(extensions=(REPOSITORY, TEST_EXTENSIONS / "faults")) as host:
        host.tells_all = False
        yield Faulty(host, images)


@pytest.mark.parametrize("case", [*thrown(), *CHECKPOINT_LOADS], ids=str)
def test_an_exception(faulty: Faulty, case: Case) -> None:
    is_caught = case.place.split(" ")[1] in CAUGHT and case.action in ERRORS
    if is_caught:
        # before the fault is armed
        faulty.without_fault(case.shape, case.asked)
    answer = faulty.run(case)
    if not is_caught:
        assert answer == f"{case.action}: todo-faults: on purpose at {case.place}"
    else:
        # the host logs where ours failed, and makes the image pooled or plain
        allowed = [faulty.without_fault(case.shape, asked)[0] for asked in (case.asked, "off")]
        assert answer["images"] in allowed
    faulty.check_what_is_left_and_what_follows()
    # a checkpoint that the fault left behind has been replaced by now
    assert faulty.state()["models"] == 0


@pytest.mark.parametrize("action", ["interrupt", "skip"])
@pytest.mark.parametrize("name", STOPPED_IN)
def test_interrupt_and_skip(faulty: Faulty, name: str, action: str) -> None:
    answer = faulty.run(Case(f"leave {RUNNER}.{name}", action))
    # before the first step there is nothing to tell of; a skip is forgotten at the first batch
    assert (line(answer) is None) is (
        name == "process_before_every_sampling" or (name, action) == ("process", "interrupt")
    )
    faulty.check_what_is_left_and_what_follows()


def test_the_ui_is_reloaded_in_mid_generation(faulty: Faulty) -> None:
    host = faulty.host
    starts = host.log().count("Startup time:")
    body = SMALL | PLAIN | {"steps": 20} | ASKED["on"]
    faulty.arm(f"enter {UNET}", "request_restart", 3)
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(requests.post, f"{host.url}/sdapi/v1/txt2img", json=body, timeout=120)
        host.wait_for_start(starts)
        # the server that it came from may answer it or hang up; both are the host's to choose
        cut.exception()
    faulty.check_what_is_left_and_what_follows(is_reloaded=True)


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
            faulty.arm(f"enter {UNET}", draw.choice(("interrupt", "skip")))
            host.txt2img(**shape, **asked)
            assert faulty.state()["struck"]
        else:
            host.probe_reset()
            host.refusal(**host.body(**shape, **todo(factor=99)))
        if number in (1, WARM_UP):
            host.post("/todo-faults/mark")
        if number > WARM_UP and number % SAMPLE_EVERY == 0:
            host.probe_reset()  # it keeps what it has seen
            samples.append(faulty.state())
    # what piles up raises the least of the later samples above the least of the earlier ones; a
    # generation that is kept is dozens of objects, while the host's own come and go by hundreds
    objects = [sample["objects"] for sample in samples]
    half = len(objects) // 2
    between = half * SAMPLE_EVERY
    assert min(objects[half:]) - min(objects[:half]) < between, objects
    for what in ("callbacks", "processing", "models"):
        assert [sample[what] for sample in samples] == [samples[0][what]] * len(samples), what
    assert samples[-1]["processing"] == 0
    assert {kind for sample in samples for kind in sample["kept"]} <= faulty.kept
    assert host.probe_leftovers() == CLEAN


def test_two_clients_at_once_get_their_own_settings(faulty: Faulty) -> None:
    kinds = (todo(threshold=4), todo(threshold=4, factor=3, method="max"), {})
    bodies = [PLAIN | {"steps": 3} | asked for asked in kinds]

    def send(number: int) -> tuple[list[str], str | None]:
        answer = faulty.host.txt2img(**bodies[number])
        return answer["images"], line(answer)

    alone = [send(number) for number in range(3)]
    assert len({images[0] for images, _ in alone}) == 3
    orders = [(0, 1, 2, 0, 2), (2, 0, 1, 1, 0)]
    with ThreadPoolExecutor(len(orders)) as clients:
        together = list(clients.map(lambda order: [send(number) for number in order], orders))
    assert together == [[alone[number] for number in order] for order in orders]
