"""A generation in a stand-in of SD.Next: where pooling is on, passes, and what is left behind."""

from __future__ import annotations

import contextlib
import sys
import types
from typing import Any

import pytest
import stand_in

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")
pytest.importorskip("fastapi")

import diffusers_models as models
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from stand_in import report_of
from told import pooled, sizes

from lib_todo import Settings
from lib_todo.interception import active
from lib_todo.report import Report

STEPS = 4
# pixels: latents of 16×16 and of 32×32
SMALL, LARGE = (128, 128), (256, 256)


class Processing(stand_in.Processing):
    """SD.Next's processing object, as far as a script sees it."""

    def __init__(self, unet: Any, **given: Any) -> None:
        self.hr_resize_mode, self.hr_upscaler = 1, "Latent Nearest"
        self.is_refiner_pass = False
        self.scripts = types.SimpleNamespace(name="txt2img")
        self.ops: list[str] = []
        hires = dict(zip(("hr_upscale_to_x", "hr_upscale_to_y"), LARGE))
        model = stand_in.Model(unet=unet)
        super().__init__(None, None, sampler_name="DDIM", sd_model=model, **hires, **given)


class Host:
    """Runs generations. `fail` is called before each U-Net call with the number of calls so far."""

    def __init__(self, script: Any, callbacks: Any) -> None:
        self.script, self.callbacks = script, callbacks
        self.fail: Any = lambda calls: None
        self.interrupted = False
        self.calls = 0

    def process_images(self, p: Any, *args: Any) -> Any:
        """One request: what SD.Next calls in any case comes in its `finally`."""
        self.interrupted, self.calls = False, 0
        try:
            return process_images_inner(self, p, *args)
        finally:
            self.script.leave(p)

    def sample(self, p: Any) -> None:
        self._one_pass(p, SMALL)
        if p.enable_hr:
            p.is_hr_pass = True
            p.ops.append("hires")
            self._one_pass(p, LARGE)
            p.is_hr_pass = False

    def _one_pass(self, p: Any, size: tuple[int, int]) -> None:
        self.callbacks.p = p
        scheduler = DDIMScheduler()
        scheduler.set_timesteps(STEPS)
        latent = torch.zeros(1, 4, size[1] // 8, size[0] // 8)
        for timestep in scheduler.timesteps:
            self.fail(self.calls)
            if self.interrupted:
                return
            self.calls += 1
            p.sd_model.unet(latent, timestep, torch.zeros(1, 5, models.TEXT_WIDTH))


class Processed(types.SimpleNamespace):
    """A result; a plain namespace cannot be referred to weakly."""


def process_images_inner(host: Host, p: Any, *args: Any) -> Any:
    """Its order of callbacks."""
    host.script.generations.begin(p, args)
    p.init()
    for _ in range(p.n_iter):
        host.script.before_sampling(p)
        host.sample(p)
        if host.interrupted:
            break
        host.script.after_sampling(p)
    processed = Processed(comments="", extra_generation_params=p.extra_generation_params)
    if not host.interrupted:
        host.script.finish(p, processed)
    return processed


ON = {"threshold": 8, "factor": 2, "deep_factor": 1}
# the first level's keys before and after, in each pass
FIRST, HIRES = (256, 64), (1024, 256)


@pytest.fixture
def sdnext(host: Any, monkeypatch: pytest.MonkeyPatch) -> Host:
    from lib_todo.hosts.webui import sdnext

    callbacks = types.ModuleType("modules.processing_callbacks")
    monkeypatch.setitem(sys.modules, callbacks.__name__, callbacks)
    return Host(sdnext, callbacks)


def clean(sdnext: Host) -> bool:
    running = sdnext.script.generations.running.get()
    nothing_entered = active.entered_run() is None and not running
    return nothing_entered and "__call__" not in vars(UNet2DConditionModel)


def test_a_generation(sdnext: Host, unet: Any) -> None:
    p = Processing(unet, n_iter=2)
    processed = sdnext.process_images(p, ON)
    told = report_of(processed)
    assert set(pooled(told)) == {FIRST}
    assert told["steps"] == {"pooled": 2 * STEPS, "seen": 2 * STEPS}
    assert sizes(told) == {"first": [SMALL]}
    assert processed.comments == processed.extra_generation_params["ToDo report"] + "\n"
    assert p.extra_generation_params["ToDo used"] == "256 → 64"
    # its later texts would have the report
    assert "ToDo report" not in p.extra_generation_params
    assert clean(sdnext)


@pytest.mark.parametrize("passes", ["both", "first", "hires"])
def test_passes_by_the_hosts_flag(sdnext: Host, unet: Any, passes: str) -> None:
    p = Processing(unet, enable_hr=True)
    told = report_of(sdnext.process_images(p, {**ON, "passes": passes}))
    assert sizes(told) == {"first": [SMALL], "hires": [LARGE]}
    expected = {"first": {FIRST}, "hires": {HIRES}}
    if passes != "both":
        expected["hires" if passes == "first" else "first"] = set()
    assert {name: set(pooled(counts)) for name, counts in told["passes"].items()} == expected


def test_a_refiner_belongs_to_the_pass_that_it_goes_over(sdnext: Host, unet: Any) -> None:
    from lib_todo.hosts.webui.result import Summary

    for enable_hr, name in ((False, "first"), (True, "hires")):
        sdnext.callbacks.p = Processing(unet, is_refiner_pass=True, enable_hr=enable_hr)
        assert Summary(Settings(), "").pass_now() == name


def test_off_and_bad_values_touch_nothing(sdnext: Host, unet: Any) -> None:
    p = Processing(unet)
    before = set(vars(p))
    processed = sdnext.process_images(p, False, "nonsense")
    assert set(vars(p)) == before and p.extra_generation_params == {}
    assert processed.comments == ""
    with pytest.raises(Exception, match="factor = 99") as caught:
        sdnext.process_images(p, {"factor": 99})
    assert getattr(caught.value, "status_code", None) == 422
    assert sdnext.calls == 0 and clean(sdnext)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, None])
def test_an_exception_or_an_interrupt_leaves_nothing(sdnext: Host, unet: Any, error: Any) -> None:
    def fail(calls: int) -> None:
        if calls == 2 and error:
            raise error("on purpose")
        sdnext.interrupted = calls == 2

    sdnext.fail = fail
    with pytest.raises(error) if error else contextlib.nullcontext():
        sdnext.process_images(Processing(unet), ON)
    assert sdnext.calls == 2 and clean(sdnext)


def test_a_generation_inside_another_ends_its_own_alone(sdnext: Host, unet: Any) -> None:
    p = Processing(unet)
    inner = []

    def fail(calls: int) -> None:
        if calls == 2 and not inner:
            inner.append(Processing(unet))
            with pytest.raises(Exception, match="factor = 99"):
                sdnext.process_images(inner[0], {"factor": 99})
            inner.append(active.entered_run())
            sdnext.calls = 3

    sdnext.fail = fail
    told = report_of(sdnext.process_images(p, ON))
    assert isinstance(inner[1].report, Report)
    assert told["steps"] == {"pooled": STEPS, "seen": STEPS}
    assert clean(sdnext)
