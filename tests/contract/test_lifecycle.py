"""A generation's lifecycle in a stand-in of the host: settings, scope, nesting, refusals."""

from __future__ import annotations

import contextlib
import copy
import gc
import sys
import threading
import types
import weakref
from typing import Any

import ldm_models
import pytest
import torch
from ldm.modules import attention
from stand_in import ON, Denoiser, Model, Processing, calls, process_images_inner, report_of

from lib_todo.interception import active


def clean() -> bool:
    classes = (attention.SpatialTransformer, attention.CrossAttention)
    return not any("__call__" in vars(cls) for cls in classes) and active.entered_run() is None


def test_off_touches_nothing(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle)
    before = dict(vars(p))
    lifecycle.begin(p, [False, "nonsense", None])
    lifecycle.before_sampling(p)
    assert vars(p) == before
    assert clean()


@pytest.mark.parametrize("is_api", [False, True])
def test_bad_value_ends_the_request_before_sampling(
    lifecycle: Any, model: Any, is_api: bool
) -> None:
    p = Processing(model, lifecycle, is_api=is_api)
    with pytest.raises(Exception, match="factor = 99 is not allowed") as caught:
        process_images_inner(p, {"factor": 99})
    assert caught.value.status_code == 422
    assert p.samples == p.inits == 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, torch.cuda.OutOfMemoryError])
def test_exception_in_sampling_leaves_nothing(
    lifecycle: Any, model: Any, error: type[BaseException]
) -> None:
    def failing(height: int, width: int) -> torch.Tensor:
        model(height, width)
        raise error("on purpose")

    p = Processing(failing, lifecycle)
    with pytest.raises(error):
        process_images_inner(p, *ON)
    assert clean()
    assert "sample" not in vars(p)
    assert lifecycle.running.get() is None


def test_nothing_keeps_the_processing_object_alive(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle)
    process_images_inner(p, *ON)
    gone = weakref.ref(p)
    del p
    gc.collect()
    assert gone() is None


def test_generation_inside_postprocess_keeps_the_outer_infotext(lifecycle: Any, model: Any) -> None:
    def inside(p: Processing) -> None:
        lifecycle.finish(copy.copy(p), None)
        inner = Processing(model, lifecycle)
        process_images_inner(inner, False)
        lifecycle.begin(copy.copy(p), [False])

    p = Processing(model, lifecycle, n_iter=2)
    processed = process_images_inner(p, *ON, inside=inside)
    assert p.extra_generation_params["ToDo threshold"] == "8"
    assert report_of(processed)["steps"] == {"pooled": 8, "seen": 8}


def test_generation_inside_sampling_has_its_own_settings(lifecycle: Any, model: Any) -> None:
    inner: list[Any] = []

    def nesting(height: int, width: int) -> torch.Tensor:
        made = model(height, width)
        if not inner:
            for args in ([False], [{"threshold": 4, "factor": 4}]):
                p = Processing(model, lifecycle, steps=1)
                inner.append(process_images_inner(p, *args))
        return made

    processed = process_images_inner(Processing(nesting, lifecycle), *ON)
    off, on = inner
    assert off.comments == ""
    assert calls(report_of(on)) == {(256, 16, None): 1}
    data = report_of(processed)
    assert calls(data) == {(256, 64, None): 4}
    assert data["steps"] == {"pooled": 4, "seen": 4}


def test_what_is_called_before_the_first_step_is_left_alone(lifecycle: Any, model: Any) -> None:
    """As by img2img alternative test, which turns the picture into noise."""
    p = Processing(model, lifecycle)
    p.sample = lambda: [model(16, 16), p._one_pass(p.width, p.height)]
    assert calls(report_of(process_images_inner(p, *ON))) == {(256, 64, None): 4}


@pytest.mark.parametrize("fails", ["get_sigmas", "evaluation"])
def test_other_code_that_fails_in_a_step_keeps_none_from_being_pooled(
    lifecycle: Any, model: Any, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """The host tells of an error in a callback, and goes on."""

    def failing(*_: Any) -> Any:
        raise ArithmeticError("on purpose")

    def call(params: Any) -> None:
        with contextlib.suppress(ArithmeticError):
            lifecycle.on_denoiser_call(params)
        monkeypatch.setattr(sampler, "get_sigmas", lambda p, steps: torch.zeros(5))

    sampler = types.SimpleNamespace(get_sigmas=failing)
    if fails == "evaluation":
        monkeypatch.setattr(lifecycle.step_times, fails, failing)
        sampler.get_sigmas = lambda p, steps: torch.zeros(5)
    callbacks = {**vars(lifecycle), "on_denoiser_call": call}
    p = Processing(model, types.SimpleNamespace(**callbacks), sampler=sampler)
    pooled = calls(report_of(process_images_inner(p, *ON)))[256, 64, None]
    assert pooled == (3 if fails == "get_sigmas" else 4)


def test_a_copy_made_before_its_originals_sampling_has_its_own(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle)
    lifecycle.begin(p, ON)
    lifecycle.before_sampling(p)
    inner = copy.copy(p)
    process_images_inner(inner, *ON)
    assert (p.samples, inner.samples) == (0, 1)
    p.sample()
    assert (p.samples, inner.samples) == (1, 1)


def test_another_threads_denoiser_leaves_ours_on(lifecycle: Any, model: Any) -> None:
    """A generation beside ours, which the host runs in a thread of its own."""

    def beside(height: int, width: int) -> torch.Tensor:
        stranger = Denoiser(Processing(model, lifecycle), 4)
        call = threading.Thread(
            target=lifecycle.on_denoiser_call, args=(stranger.params(1, 128, 128),)
        )
        call.start()
        call.join(60)
        return model(height, width)

    data = report_of(process_images_inner(Processing(beside, lifecycle), *ON))
    assert (calls(data), data["steps"]) == ({(256, 64, None): 4}, {"pooled": 4, "seen": 4})


def test_another_extension_may_copy_the_processing_object(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle)
    lifecycle.begin(p, ON)
    generation = lifecycle.generation_of(p)
    assert lifecycle.generation_of(copy.copy(p)) is None
    assert copy.deepcopy(generation) is generation is lifecycle.generation_of(p)


def test_what_another_extension_put_in_place_of_sample_comes_back(
    lifecycle: Any, model: Any
) -> None:
    p = Processing(model, lifecycle)
    sampled = []
    p.sample = others = lambda: sampled.append(True)
    for _ in range(2):
        lifecycle.begin(p, ON)
        lifecycle.before_sampling(p)
        p.sample()
        assert p.sample is others
    assert sampled == [True] * 2


def test_the_next_cell_of_a_plot_is_inside_none_that_failed(lifecycle: Any, model: Any) -> None:
    """The plot goes on after an exception, whether in the sampling or in what comes after."""
    base = Processing(model, lifecycle)

    def failing(*_: Any) -> None:
        raise RuntimeError("on purpose")

    for where in ({"model": failing}, {}):
        cell = copy.copy(base)
        vars(cell).update(where)
        with pytest.raises(RuntimeError):
            process_images_inner(cell, *ON, inside=failing)
        last = copy.copy(base)
        process_images_inner(last, *ON)
        assert last.extra_generation_params["ToDo used"] == "256 → 64"


def test_a_model_that_was_loaded_anew_has_the_same_layers(lifecycle: Any) -> None:
    """A plot over checkpoints that come back, each time as other modules."""
    base = None
    for name in ("a", "b", "a", "b", "a"):
        layer = ldm_models.spatial_transformer()

        def model(height: int, width: int, layer: Any = layer) -> torch.Tensor:
            return ldm_models.run(layer, ldm_models.image(height, width), ldm_models.text())

        base = base or Processing(model, lifecycle)
        cell = copy.copy(base)
        cell.model = model
        info = types.SimpleNamespace(name_for_extra=name)
        cell.sd_model = Model(**vars(base.sd_model), sd_checkpoint_info=info)
        processed = process_images_inner(cell, *ON)
    told = processed.extra_generation_params["ToDo report JSON"]["generations"]
    assert [(data["checkpoint"], data["layers"]) for data in told] == [("a", 1), ("b", 1)]
    lines = processed.extra_generation_params["ToDo report"].splitlines()
    assert [line.split("]")[0] for line in lines] == ["[checkpoint a", "[checkpoint b"]


@pytest.mark.parametrize("is_api", [False, True])
@pytest.mark.parametrize("keeps_exceptions", [False, True])
def test_bad_value_in_a_page_that_loses_errors(
    host: Any,
    lifecycle: Any,
    model: Any,
    monkeypatch: pytest.MonkeyPatch,
    is_api: bool,
    keeps_exceptions: bool,
) -> None:
    """reForge's: the text becomes a comment, and the host stops before the first image."""
    main_thread = types.SimpleNamespace(**({"last_exception": None} if keeps_exceptions else {}))
    monkeypatch.setitem(sys.modules, "modules_forge.main_thread", main_thread)
    stopped: list[bool] = []
    state = types.SimpleNamespace(interrupt=lambda: stopped.append(True))
    monkeypatch.setattr(host.shared, "state", state, raising=False)
    p = Processing(model, lifecycle, is_api=is_api)
    lifecycle.begin(p, [{"factor": 99}])
    if is_api or keeps_exceptions:
        with pytest.raises(Exception, match="factor = 99"):
            p.init()
        assert (stopped, p.comments) == ([], {})
    else:
        assert stopped == [True]
        (told,) = p.comments
        assert told.startswith("ToDo: factor = 99 is not allowed")
        assert "init" not in vars(p)


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
    sampler = types.SimpleNamespace(get_sigmas=lambda p, steps: torch.arange(steps, -1, -1.0))
    p = types.SimpleNamespace(sampler=sampler, steps=4, hr_second_pass_steps=2, is_hr_pass=is_hires)
    whole, run = known.steps_of(p, from_noise=not begins)
    assert run == steps
    assert known.levels_of(p, whole, run) == tuple(levels)
    p.sampler = object()
    assert known.levels_of(p, whole, run) == ()
