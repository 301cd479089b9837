"""Hundreds of generations in a row, and two clients at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from expect import CLEAN, all_pixels, todo
from host import REPOSITORY, TEST_EXTENSIONS, Host, HostFactory
from told import line, pooled, report_of

UNET = "ldm.modules.diffusionmodules.openaimodel:UNetModel.forward"
SEED = 13573
GENERATIONS, WARM_UP, SAMPLE_EVERY = 300, 60, 20
# one for each: a generation that is kept is dozens
MOST_OBJECTS = GENERATIONS
SQUARE: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
CONFIGURATIONS: tuple[dict[str, Any], ...] = (
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


@pytest.fixture(scope="module")
def expected(new_host: HostFactory) -> list[list[bytes]]:
    """Each configuration's images on a host that never had the extension."""
    with new_host(extensions=(), with_ui=False) as bare:
        return [all_pixels(bare.txt2img(**configuration)) for configuration in CONFIGURATIONS]


@pytest.fixture(scope="module")
def loaded(new_host: HostFactory, expected: list[list[bytes]]) -> Iterator[Host]:
    """A host with the extension and the injector; the bare one has stopped by then."""
    with new_host(extensions=(REPOSITORY, TEST_EXTENSIONS / "faults"), with_ui=False) as host:
        host.tells_all = False
        yield host


def growth(samples: list[int]) -> float:
    """How much a straight line through the samples rises from the first to the last."""
    count = len(samples)
    middle, mean = (count - 1) / 2, sum(samples) / count
    above = sum((index - middle) * (sample - mean) for index, sample in enumerate(samples))
    return above / sum((index - middle) ** 2 for index in range(count)) * (count - 1)


def test_three_hundred_generations(loaded: Host, expected: list[list[bytes]]) -> None:
    """At random off, on, broken off and refused: each is right, and nothing piles up."""
    draw = random.Random(SEED)
    made: dict[tuple[int, int], Any] = {}
    samples = []
    for number in range(1, GENERATIONS + 1):
        which, chosen = draw.randrange(len(CONFIGURATIONS)), draw.randrange(len(SETTINGS))
        shape, settings = CONFIGURATIONS[which], todo(**SETTINGS[chosen])
        kind = draw.choices(("off", "on", "stopped", "bad"), (9, 9, 2, 2))[0]
        if kind == "off":
            off = draw.choice(({}, todo(enabled=False, factor=2)))
            assert all_pixels(loaded.txt2img(**shape, **off)) == expected[which]
        elif kind == "on":
            answer = loaded.txt2img(**shape, **settings)
            result = all_pixels(answer), line(answer)
            assert made.setdefault((which, chosen), result) == result
            assert bool(pooled(report_of(answer))) is (result[0] != expected[which])
        elif kind == "stopped":
            fault = {"place": f"enter {UNET}", "action": draw.choice(("interrupt", "skip"))}
            loaded.post("/todo-faults/arm", fault)
            loaded.txt2img(**shape, **settings)
            assert loaded.post("/todo-faults/state")["seen"]["struck"]
        else:
            body = loaded.body(**shape, **todo(factor=99))
            assert loaded.request("POST", "/sdapi/v1/txt2img", json=body).status_code == 422
        if number in (1, WARM_UP):
            loaded.post("/todo-faults/mark")
        if number >= WARM_UP and number % SAMPLE_EVERY == 0:
            loaded.probe_reset()  # it keeps what it has seen
            samples.append(loaded.post("/todo-faults/state"))
    assert growth([sample["objects"] for sample in samples]) < MOST_OBJECTS
    for what in ("callbacks", "attributes", "kept", "processing", "models"):
        assert [sample[what] for sample in samples] == [samples[0][what]] * len(samples), what
    assert (samples[-1]["processing"], samples[-1]["kept"]) == (0, [])
    assert loaded.probe_leftovers() == CLEAN


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
