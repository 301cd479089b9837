"""Samplers that look at one noise level several times: their steps, window and phases."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
import torch
from stand_in import BY_TWO, Denoiser, Processing, calls, process_images_inner, report_of


class Repeating(Processing):
    """Its sampler calls the denoiser `calls_at[i]` times in step i, which the host cannot know."""

    calls_at = (3, 3, 1, 1)

    def _one_pass(self, width: int, height: int) -> torch.Tensor:
        denoiser = Denoiser(self, self.steps)
        out = torch.empty(0)
        for step, times in enumerate(self.calls_at):
            for _ in range(times):
                self.lifecycle.on_denoiser_call(denoiser.params(14.6 - step, width, height))
                out = self.model(height // 8, width // 8)
                denoiser.step += 1
        return out


@pytest.mark.parametrize(
    ("window", "pooled", "steps"),
    [({}, 8, 4), ({"end": 0.5}, 6, 2), ({"start": 0.5}, 2, 2), ({"start": 0.25}, 5, 3)],
    ids=str,
)
def test_window_and_steps_go_by_the_noise_level(
    lifecycle: Any, model: Any, window: dict[str, float], pooled: int, steps: int
) -> None:
    p = Repeating(model, lifecycle, sampler_name="Euler SMEA Dy")
    data = report_of(process_images_inner(p, {"threshold": 8, **BY_TWO, **window}))
    assert calls(data)[256, 64, None] == pooled
    assert data["steps"] == {"pooled": steps, "seen": 4}


def test_each_pass_and_batch_counts_anew(lifecycle: Any, model: Any) -> None:
    """The last level of one is the first of the next here."""
    p = Repeating(model, lifecycle, n_iter=2, steps=2)
    p.calls_at = (1, 1)
    data = report_of(process_images_inner(p, {"threshold": 8, **BY_TWO, "end": 0.5}))
    assert (calls(data)[256, 64, None], data["steps"]) == (2, {"pooled": 2, "seen": 4})


def test_a_sampler_with_a_rule_of_its_own_is_counted_by_calls(lifecycle: Any, model: Any) -> None:
    """PLMS looks at its second level twice, and its rule counts on that."""
    p = Repeating(model, lifecycle, sampler_name="PLMS")
    p.calls_at = (1, 2, 1, 1)
    data = report_of(process_images_inner(p, {"threshold": 8, **BY_TWO, "end": 0.5}))
    assert calls(data)[256, 64, None] == 2


class Sampler:
    """The host's, for a schedule of so many steps."""

    def get_sigmas(self, p: Any, steps: int) -> torch.Tensor:
        return torch.arange(steps, -1, -1.0)


@pytest.mark.parametrize(
    ("begins", "is_hires", "steps", "levels"),
    [
        (False, False, 4, [4, 3, 2, 1, 0]),
        # img2img with a strength of 0.5: half of 4 steps and the next one
        (True, False, 3, [3, 2, 1, 0]),
        # hires fix: as many steps as were asked for, of a longer schedule
        (True, True, 2, [2, 1, 0]),
    ],
)
def test_the_schedule_is_the_samplers(
    host: Any,
    monkeypatch: pytest.MonkeyPatch,
    begins: bool,
    is_hires: bool,
    steps: int,
    levels: list[float],
) -> None:
    from lib_todo.hosts.webui import host as known

    def setup_img2img_steps(p: Any, steps: int | None) -> tuple[int, int]:
        return (steps * 2, steps - 1) if steps else (p.steps, p.steps // 2)

    common = types.SimpleNamespace(setup_img2img_steps=setup_img2img_steps)
    monkeypatch.setitem(sys.modules, "modules.sd_samplers_common", common)
    monkeypatch.setattr(sys.modules["modules"], "sd_samplers_common", common, raising=False)
    denoiser = types.SimpleNamespace(steps=steps, init_latent=torch.zeros(1) if begins else None)
    p = types.SimpleNamespace(
        sampler=Sampler(), steps=4, hr_second_pass_steps=2, is_hr_pass=is_hires
    )
    assert known.schedule_of(p, denoiser).tolist() == levels
    p.sampler = object()
    assert known.schedule_of(p, denoiser) is None
