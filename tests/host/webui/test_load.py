"""Hundreds of generations in a row, two clients at once, and the cost of the unticked box."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from expect import CLEAN, all_pixels, info, todo
from host import REPOSITORY, TEST_EXTENSIONS, Host, HostFactory
from todo_report import generations, line, pooled

FAULTS = TEST_EXTENSIONS / "faults"
SEED = 13573
GENERATIONS = 300
WARM_UP = 60
SAMPLE_EVERY = 10
MEGABYTE = 2**20
# the host's allocator is told to give nothing back, so that its peaks stay
MOST_MEGABYTES = 48
# one for each: a generation that is kept is dozens
MOST_OBJECTS = GENERATIONS
MOST_IMPORT_SECONDS = 0.5

SQUARE: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    SQUARE,
    SQUARE | {"sampler_name": "Euler a", "steps": 2, "seed": 7},
    SQUARE | {"width": 96, "sampler_name": "DPM++ 2M", "steps": 2},
    SQUARE | {"height": 120, "sampler_name": "Heun"},
    SQUARE | {"batch_size": 2, "prompt": "two dogs"},
    SQUARE | {"n_iter": 2, "sampler_name": "LMS"},
    SQUARE | {"width": 128, "height": 128},
    SQUARE | {"enable_hr": True, "hr_scale": 2, "hr_upscaler": "Latent", "denoising_strength": 0.7},
)
SETTINGS: tuple[dict[str, Any], ...] = (
    {"threshold": 4},
    {"threshold": 4, "factor": 3, "method": "average"},
    {"threshold": 2, "deep_factor": 1.5, "method": "bilinear"},
    {"threshold": 4, "passes": "hires"},
    {"threshold": 512},
)
BAD: tuple[dict[str, Any], ...] = (
    {"factor": 99},
    {"method": "<b>"},
    {"threshold": None},
    {"factors": 2},
)


@pytest.fixture(scope="module")
def expected(start_host: HostFactory) -> list[list[bytes]]:
    """Each configuration's images on a host that never had the extension."""
    bare = start_host(extensions=())
    made = [all_pixels(bare.txt2img(**configuration)) for configuration in CONFIGURATIONS]
    bare.stop()
    return made


@pytest.fixture(scope="module")
def loaded(start_host: HostFactory, expected: list[list[bytes]]) -> Iterator[Host]:
    """A host with the extension and the injector; the bare one has stopped by then."""
    host = start_host(extensions=(REPOSITORY, FAULTS))
    host.tells_all = False
    yield host
    host.stop()


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")


class Load:
    """Requests at random, each held to what is right for it."""

    def __init__(self, host: Host, expected: list[list[bytes]]) -> None:
        self.host = host
        self.expected = expected
        self.draw = random.Random(SEED)
        self.made: dict[tuple[int, int], tuple[list[bytes], str | None]] = {}
        self.counted: Counter[str] = Counter()

    def generation(self) -> None:
        kind = self.draw.choices(("off", "on", "interrupted"), (9, 9, 2))[0]
        number = self.draw.randrange(len(CONFIGURATIONS))
        self.counted[kind] += 1
        getattr(self, kind)(number)

    def off(self, number: int) -> None:
        off = self.draw.choice(({}, todo(enabled=False, factor=2)))
        answer = self.host.txt2img(**CONFIGURATIONS[number], **off)
        assert all_pixels(answer) == self.expected[number]

    def on(self, number: int) -> None:
        chosen = self.draw.randrange(len(SETTINGS))
        answer = self.host.txt2img(**CONFIGURATIONS[number], **todo(**SETTINGS[chosen]))
        made = all_pixels(answer), line(answer)
        assert self.made.setdefault((number, chosen), made) == made
        (data,) = generations(info(answer))
        assert bool(pooled(data)) is (made[0] != self.expected[number])

    def interrupted(self, number: int) -> None:
        fault = {"place": "enter UNetModel", "action": self.draw.choice(("interrupt", "skip"))}
        self.host.post("/todo-faults/arm", {"fault": fault})
        on = self.draw.choice(({}, todo(threshold=4)))
        self.host.txt2img(**CONFIGURATIONS[number], **on)
        assert self.host.get("/todo-faults/state")["struck"]

    def bad(self) -> None:
        self.counted["bad"] += 1
        body = self.host.body(**SQUARE, **todo(**self.draw.choice(BAD)))
        assert self.host.request("POST", "/sdapi/v1/txt2img", json=body).status_code == 422


def growth(samples: list[int]) -> float:
    """How much a straight line through the samples rises from the first to the last."""
    count = len(samples)
    middle, mean = (count - 1) / 2, sum(samples) / count
    above = sum((index - middle) * (sample - mean) for index, sample in enumerate(samples))
    return above / sum((index - middle) ** 2 for index in range(count)) * (count - 1)


def test_three_hundred_generations(
    loaded: Host, expected: list[list[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    load = Load(loaded, expected)
    samples = []
    loaded.post("/todo-faults/mark")
    for number in range(GENERATIONS):
        load.generation()
        if load.draw.random() < 0.15:
            load.bad()
        if number + 1 == WARM_UP:
            loaded.post("/todo-faults/mark")
        if number + 1 >= WARM_UP and (number + 1) % SAMPLE_EVERY == 0:
            loaded.probe_reset()  # it keeps what it has seen
            samples.append(loaded.get("/todo-faults/resources"))
    counts = [
        {name: value for name, value in sample.items() if name not in ("rss", "objects")}
        for sample in samples
    ]
    assert counts == [counts[0]] * len(counts)
    assert loaded.probe_leftovers() == CLEAN
    left = loaded.get("/todo-faults/state")
    assert (left["processing"], left["kept"]) == (0, [])

    rss = [sample["rss"] for sample in samples]
    objects = [sample["objects"] for sample in samples]
    grown = growth(rss) / MEGABYTE
    tell(
        capsys,
        f"load: {dict(load.counted)} in {time.monotonic() - began:.0f} s; after {WARM_UP} "
        f"generations {rss[0] / MEGABYTE:.0f} MB, growth to the end {grown:+.1f} MB by the fitted "
        f"line, from {min(rss) / MEGABYTE:.0f} to {max(rss) / MEGABYTE:.0f} MB; Python objects "
        f"{objects[0]} to {objects[-1]}",
    )
    assert grown < MOST_MEGABYTES
    assert growth(objects) < MOST_OBJECTS


def test_two_clients_at_once_get_their_own_settings(loaded: Host) -> None:
    bodies = [
        SQUARE | {"steps": 3} | asked
        for asked in (todo(threshold=4), todo(threshold=4, factor=3, method="max"), {})
    ]

    def send(body: dict[str, Any]) -> tuple[list[str], str | None]:
        answer = loaded.txt2img(**body)
        return answer["images"], line(answer)

    alone = [send(body) for body in bodies]
    assert len({images[0] for images, _ in alone}) == len(bodies)
    orders = [(0, 1, 2, 0, 2), (2, 0, 1, 1, 0)]
    with ThreadPoolExecutor(len(orders)) as clients:
        together = list(
            clients.map(lambda order: [send(bodies[number]) for number in order], orders)
        )
    assert together == [[alone[number] for number in order] for order in orders]


@pytest.mark.parametrize("configuration", [SQUARE, CONFIGURATIONS[-1]], ids=["plain", "hires"])
def test_while_the_box_is_off_no_class_is_touched(
    loaded: Host, configuration: dict[str, Any]
) -> None:
    loaded.txt2img(**configuration, **todo(threshold=4))
    seen = loaded.get("/todo-faults/in_sampling")
    assert seen["replaced"]
    assert seen["kept"]
    loaded.get("/todo-faults/state")  # collects what is only garbage
    for off in ({}, todo(enabled=False)):
        loaded.txt2img(**configuration, **off)
        assert loaded.get("/todo-faults/in_sampling") == {"replaced": [], "kept": []}


def test_loading_the_extension_takes_no_time(
    loaded: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    """The processor's time of its script's load, imports included: it hardly depends on others."""
    took = loaded.get("/todo-faults/loading")
    (ours,) = (seconds for path, seconds in took.items() if Path(path).name == "todo.py")
    tell(
        capsys,
        f"import: {ours['own']:.3f} s of processor time, and {ours['registering']:.3f} s in which "
        "the host registers the callbacks",
    )
    assert ours["own"] < MOST_IMPORT_SECONDS
