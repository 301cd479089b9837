"""What SD.Next's layers are given: factors, samplers, windows, batches, passes, positions."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from expect import Pass, Pooling, check, info, infotext, picture, todo
from requests_shared import THRESHOLDS, check_factor
from sdnext_host import HIRES, SdNextHost
from todo_report import pooled, reasons, report_of, sizes, steps

BY_TWO = Pooling(factor=2, deep_factor=1, threshold=12)


@pytest.mark.parametrize("family", THRESHOLDS)
@pytest.mark.parametrize("factor", [0, 2, 3, 2.5])
def test_factor(sdnext: SdNextHost, family: str, factor: float) -> None:
    check_factor(sdnext, family, factor)


# the second-order ones evaluate twice in each step but the last, at the next step's timestep
@pytest.mark.parametrize(
    ("sampler", "evaluations"),
    [("Euler a", 4), ("DPM++ 2M", 4), ("UniPC", 4), ("DDIM", 4), ("LMSD", 4)],
)
def test_sampler(sdnext: SdNextHost, sampler: str, evaluations: int) -> None:
    answer = sdnext.txt2img(sampler_name=sampler, **BY_TWO.asked())
    check(sdnext, "tiny15", first=Pass(256, 256, evaluations, BY_TWO))
    assert steps(report_of(answer)) == (4, 4)


def test_the_models_own_scheduler(sdnext: SdNextHost) -> None:
    """PNDM goes through the second timestep twice: five evaluations in four steps."""
    answer = sdnext.txt2img(sampler_name="Default", **BY_TWO.asked())
    assert sdnext.probe_counts()["unet_calls"] == 5
    assert pooled(report_of(answer)) == {(1024, 256): 5}
    assert steps(report_of(answer)) == (4, 4)


def test_a_scheduler_of_the_hosts_own(sdnext: SdNextHost) -> None:
    """It announces no timesteps, so the number of steps is not known, and nobody claims it."""
    answer = sdnext.txt2img(sampler_name="RES-Multistep 2M", **BY_TWO.asked())
    seen = sdnext.probe_counts()["rows"]
    assert {row["keys"] for row in seen if row["queries"] == 1024} == {256}
    assert steps(report_of(answer)) == (0, 0)


@pytest.mark.parametrize(
    ("window", "pooled_in"),
    [({"start": 0.5}, {2, 3}), ({"end": 0.5}, {0, 1}), ({"start": 0.25, "end": 0.75}, {1, 2})],
)
def test_window(sdnext: SdNextHost, window: dict[str, float], pooled_in: set[int]) -> None:
    answer = sdnext.txt2img(**BY_TWO.asked(**window))
    check(sdnext, "tiny15", first=Pass(256, 256, 4, BY_TWO, pooled_in))
    assert steps(report_of(answer)) == (len(pooled_in), 4)


def test_batches(sdnext: SdNextHost) -> None:
    answer = sdnext.txt2img(batch_size=2, n_iter=2, **BY_TWO.asked())
    check(sdnext, "tiny15", first=Pass(256, 256, 4, BY_TWO, calls=2))
    assert steps(report_of(answer)) == (8, 8)
    assert len(answer["images"]) == 4
    assert all("ToDo factor: 2" in text for text in info(answer)["infotexts"])


def test_img2img(sdnext: SdNextHost) -> None:
    """Half the strength is half the steps, and Start counts in those."""
    answer = sdnext.img2img(
        picture(256, 256), denoising_strength=0.5, steps=8, **BY_TWO.asked(start=0.5)
    )
    told = report_of(answer)
    ran = told["steps"]["seen"]
    assert 4 <= ran <= 8
    check(sdnext, "tiny15", first=Pass(256, 256, ran, BY_TWO, range(ran // 2, ran)))


@pytest.mark.parametrize("passes", ["both", "first", "hires"])
def test_hires_pass_by_pass(sdnext: SdNextHost, passes: str) -> None:
    asked = Pooling(factor=2, deep_factor=1, threshold=8)
    answer = sdnext.txt2img(**HIRES, **asked.asked(passes=passes))
    check(
        sdnext,
        "tiny15",
        first=Pass(128, 128, 4, asked if passes != "hires" else None),
        hires=Pass(256, 256, 4, asked if passes != "first" else None),
    )
    told = report_of(answer)
    assert sizes(told) == {"first": [(128, 128)], "hires": [(256, 256)]}
    by_pass = told["passes"]
    assert pooled(by_pass["first"]) == ({} if passes == "hires" else {(256, 64): 5})
    assert pooled(by_pass["hires"]) == ({} if passes == "first" else {(1024, 256): 5})
    left_out = {"first": "hires", "hires": "first"}.get(passes)
    assert all(("other_pass" in reasons(by_pass[name])) == (name == left_out) for name in by_pass)


def test_an_upscaler_without_a_pass_of_its_own(sdnext: SdNextHost) -> None:
    unforced = {**HIRES, "hr_force": False, "hr_upscaler": "Resize Nearest"}
    told = report_of(sdnext.txt2img(**unforced, **Pooling(2, 1, 8).asked()))
    assert set(told["passes"]) == set(told["sizes"]) == {"first"}


def test_the_moving_lattice_takes_every_token_once(sdnext: SdNextHost) -> None:
    sdnext.post("/todo-probe/watch_positions")
    sdnext.txt2img(steps=5, **todo(factor=2, deep_factor=1, threshold=12, scale=1, deep_scale=0))
    taken: dict[str, list[list[int]]] = {}
    for call in sdnext.probe_positions():
        taken.setdefault(call["layer"], []).append(call["first"])
    assert len(taken) == 5
    for rounds in taken.values():
        assert len(rounds) == 5
        assert sorted(itertools.chain(*rounds[:4])) == list(range(1024))
        assert rounds[4] == rounds[0]


def test_the_images_text_tells_the_settings_and_the_factors(sdnext: SdNextHost) -> None:
    answer = sdnext.txt2img(**BY_TWO.asked())
    text = infotext(answer)
    assert "ToDo factor: 2, ToDo deep factor: 1, ToDo threshold: 12" in text
    assert "ToDo used: first pass 32×32 tokens by 2" in text
    json.dumps(report_of(answer))


def test_off_tells_nothing(sdnext: SdNextHost) -> None:
    answer: dict[str, Any] = sdnext.txt2img()
    assert "ToDo" not in answer["info"]
    check(sdnext, "tiny15", first=Pass(256, 256, 4, None))
