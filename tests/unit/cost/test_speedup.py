"""The speed-up to expect of a step: a range for any machine, one figure for a measured one."""

from __future__ import annotations

import pytest

from lib_todo.cost.architectures import SHAPES, UNetShape
from lib_todo.cost.rates import Rates
from lib_todo.cost.speedup import speedup, speedup_of_pass
from lib_todo.hosts.webui import parts
from lib_todo.hosts.webui.hint import lines
from lib_todo.plan import latent_grid
from lib_todo.settings import Settings

SD15, SDXL = SHAPES["SD 1.x"], SHAPES["SDXL"]


@pytest.mark.parametrize("shape", [SD15, SDXL], ids=["SD 1.x", "SDXL"])
def test_larger_images_gain_more_and_nothing_pooled_gains_nothing(shape: UNetShape) -> None:
    gains = [speedup(shape, (side, side), Settings(factor=2)) for side in (160, 192, 256, 512)]
    assert all(1 < least <= most for least, most in gains)
    assert gains == sorted(gains)
    assert speedup(shape, (256, 256), Settings(factor=1, deep_factor=1)) == (1, 1)


# docs/performance.md: the paper's rule on a U-Net call of SD 1.x, by processor time
MEASURED = {768: 1.38, 1024: 1.52, 1536: 2.53, 2048: 3.79}


@pytest.mark.parametrize(("pixels", "measured"), list(MEASURED.items()))
def test_what_was_measured_lies_in_the_range(pixels: int, measured: float) -> None:
    settings = Settings.from_preset("paper")
    least, most = speedup(SD15, latent_grid(pixels, pixels), settings)
    assert least <= measured <= most


def test_a_measured_machine_gives_one_figure() -> None:
    latent, settings = (128, 128), Settings(factor=2, deep_factor=1)
    least, most = speedup(SD15, latent, settings, Rates(3e11, 1e11, 1e11, 1e10, 4))
    assert least == most
    slower = speedup(SD15, latent, settings, Rates(3e11, 0.5e11, 0.5e11, 1e10, 4))
    assert slower > (least, most)
    told = lines(parts.of({"first": SD15}, 1024, 1024), {}, Rates(3e11, 1e11, 1e11, 1e10, 4))
    assert " about " in told[0]


def test_a_pass_of_which_only_some_steps_are_faster() -> None:
    assert speedup_of_pass([(1, 2)]) == 2
    assert speedup_of_pass([(0.5, 2)]) == pytest.approx(1 / 0.75)
    assert speedup_of_pass([(0.5, 2), (0.5, 4)]) == pytest.approx(1 / 0.375)
    assert speedup_of_pass([]) == 1
