"""A generation's lifecycle against a stand-in of the host: settings, scope, infotext, the line."""

from __future__ import annotations

import copy
import gc
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from stand_in import Processing, host_modules, process_images_inner

from lib_todo import Settings, SettingsError
from lib_todo.interception import active

attention = pytest.importorskip("ldm.modules.attention")
# by hand, so that the automatic rule does not matter here
BY_TWO = {"factor": 2, "deep_factor": 1}
ON = [{"threshold": 8, **BY_TWO}]


@pytest.fixture(scope="module")
def host() -> Iterator[Any]:
    with host_modules() as host:
        yield host


@pytest.fixture
def lifecycle(host: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """No seconds are told, which differ from run to run."""
    from lib_todo.hosts.webui import lifecycle

    monkeypatch.setattr(lifecycle.telling, "in_words", lambda *seconds: "")
    return lifecycle


@pytest.fixture(scope="module")
def model() -> Any:
    """One spatial transformer; called with a grid, it returns what it makes of fixed noise."""
    torch.manual_seed(0)
    layer = attention.SpatialTransformer(32, 2, 16, depth=1, context_dim=8).eval()
    torch.nn.init.normal_(layer.proj_out.weight)

    @torch.no_grad()
    def call(height: int, width: int) -> torch.Tensor:
        noise = torch.randn(1, 32, height, width, generator=torch.Generator().manual_seed(1))
        return layer(noise, torch.ones(1, 3, 8))

    return call


def clean() -> bool:
    classes = (attention.SpatialTransformer, attention.CrossAttention)
    return not any("__call__" in vars(cls) for cls in classes) and active.current() is None


def test_pools_writes_infotext_and_line(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle)
    processed = process_images_inner(p, *ON)
    assert (
        processed.comments
        == "ToDo (128×128): 256 → 64 keys in 1 of 1 self-attention layers, 4 of 4 steps\n"
    )
    assert processed.extra_generation_params["ToDo report"] + "\n" == processed.comments
    assert p.extra_generation_params == {
        "ToDo preset": "custom",
        "ToDo factor": "2",
        "ToDo deep factor": "1",
        "ToDo threshold": "8",
        "ToDo used": "first 16×16 tokens by 2",
    }
    assert clean()


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
    assert isinstance(caught.value, SettingsError) is not is_api
    assert getattr(caught.value, "status_code", None) == (422 if is_api else None)
    assert p.samples == p.inits == 0
    process_images_inner(p, *ON)
    assert (p.samples, p.inits) == (1, 1)


def test_page_with_the_box_off_is_never_refused_but_a_request_is(
    lifecycle: Any, model: Any
) -> None:
    process_images_inner(Processing(model, lifecycle), False, "nonsense")
    with pytest.raises(Exception, match="factor = 'nonsense'"):
        process_images_inner(Processing(model, lifecycle, is_api=True), False, "nonsense")


def test_both_passes_count_and_each_can_be_chosen(lifecycle: Any, model: Any) -> None:
    for passes in ("both", "first", "hires"):
        p = Processing(model, lifecycle, enable_hr=True, hr_upscale_to_x=256, hr_upscale_to_y=256)
        processed = process_images_inner(p, {"threshold": 8, **BY_TWO, "passes": passes})
        first, hires = processed.comments.split("; ")
        assert first.startswith("ToDo: first pass (128×128): ")
        assert hires.startswith("hires pass (256×256): ")
        assert ("256 → 64 keys in 1 of 1 self-attention layers, 4 of 4 steps" in first) == (
            passes != "hires"
        )
        assert ("1024 → 256 keys in 1 of 1 self-attention layers, 4 of 4 steps" in hires) == (
            passes != "first"
        )


def test_two_evaluations_a_step_count_as_one_step(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle, calls_per_step=2)
    assert (
        "2 of 4 steps" in process_images_inner(p, {"threshold": 8, **BY_TWO, "end": 0.5}).comments
    )


def test_batches_add_up_and_leave_one_line(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle, n_iter=3)
    assert process_images_inner(p, *ON).comments.count("ToDo") == 1
    assert next(iter(p.comments)).endswith("12 of 12 steps")


def test_nothing_pooled_says_why_and_what_would_help(lifecycle: Any, model: Any) -> None:
    """The image's text says that ToDo was on: pasted for hires fix, it must not be unticked."""
    p = Processing(model, lifecycle)
    processed = process_images_inner(p, True)
    assert processed.comments == (
        "ToDo (128×128): nothing was pooled: no layer has more than 64×64 tokens. "
        "A larger image or a lower threshold would be pooled\n"
    )
    assert p.extra_generation_params == {
        "ToDo preset": "balanced",
        "ToDo factor": "automatic",
        "ToDo used": "first nothing",
    }


def test_the_line_can_be_turned_off(
    host: Any, lifecycle: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib_todo.hosts.webui import options

    options.register()
    assert options.show_line()
    monkeypatch.setitem(host.shared.opts.data, options.SHOW_LINE, False)
    processed = process_images_inner(Processing(model, lifecycle), *ON)
    assert processed.comments == ""
    assert "ToDo report" not in processed.extra_generation_params


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
    assert lifecycle._running == []


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
    assert "8 of 8 steps" in processed.comments


def test_generation_inside_sampling_has_its_own_settings(lifecycle: Any, model: Any) -> None:
    inner_lines = []

    def nesting(height: int, width: int) -> torch.Tensor:
        if not inner_lines:
            inner_lines.append("")
            for args in ([False], [{"threshold": 4, "factor": 4}]):
                inner = Processing(model, lifecycle, steps=1)
                inner_lines.append(process_images_inner(inner, *args).comments)
        return model(height, width)

    processed = process_images_inner(Processing(nesting, lifecycle), *ON)
    assert inner_lines[1] == ""
    assert "256 → 16 keys" in inner_lines[2]
    assert "256 → 64 keys in 1 of 1 self-attention layers, 4 of 4 steps" in processed.comments


def test_sampling_by_others_inside_ours_is_left_alone(lifecycle: Any, model: Any) -> None:
    plain = model(16, 16)
    seen = []

    def others_inside(height: int, width: int) -> torch.Tensor:
        stranger = Processing(model, lifecycle, steps=1)
        seen.append(torch.equal(stranger.sample(), plain))
        return torch.empty(0)

    process_images_inner(Processing(others_inside, lifecycle), *ON)
    assert seen == [True] * 4


def test_axes_override_and_cells_do_not_share_infotext(lifecycle: Any, model: Any) -> None:
    from lib_todo.hosts.webui.arguments import OVERRIDES

    base = Processing(model, lifecycle)
    texts = []
    for values in (
        {**BY_TWO, "threshold": 8},
        {"enabled": False},
        {**BY_TWO, "threshold": 4, "factor": 4},
    ):
        cell = copy.copy(base)
        setattr(cell, OVERRIDES, values)
        process_images_inner(cell, False)
        texts.append(dict(cell.extra_generation_params))
    assert texts[0] == {
        "ToDo preset": "custom",
        "ToDo factor": "2",
        "ToDo deep factor": "1",
        "ToDo threshold": "8",
        "ToDo used": "first 16×16 tokens by 2",
    }
    assert texts[1] == {}
    assert texts[2] == {
        "ToDo preset": "custom",
        "ToDo factor": "4",
        "ToDo deep factor": "1",
        "ToDo threshold": "4",
        "ToDo used": "first 16×16 tokens by 4",
    }


def test_tiles_of_one_image_are_told_in_one_line(lifecycle: Any, model: Any) -> None:
    """SD upscale and Loopback process one object again and again, and build their own result."""
    p = Processing(model, lifecycle)
    for _ in range(3):
        processed = process_images_inner(p, *ON)
    told = "ToDo (128×128): 256 → 64 keys in 1 of 1 self-attention layers, 12 of 12 steps"
    assert processed.extra_generation_params["ToDo report"] == told
    (data,) = processed.extra_generation_params["ToDo report JSON"]["generations"]
    assert (data["steps"], data["settings"]["threshold"]) == ({"pooled": 12, "seen": 12}, 8)
    assert list(p.comments) == [told]


def test_a_plots_first_result_tells_of_every_cell(lifecycle: Any, model: Any) -> None:
    from lib_todo.hosts.webui.arguments import OVERRIDES

    base = Processing(model, lifecycle)
    results = []
    for factor in (2, 4):
        cell = copy.copy(base)
        setattr(cell, OVERRIDES, {**BY_TWO, "threshold": 4, "factor": factor})
        results.append(process_images_inner(cell, False))
    first, second = results[0].extra_generation_params["ToDo report"].splitlines()
    assert first.startswith("[factor 2] ToDo (128×128): 256 → 64 keys")
    assert second.startswith("[factor 4] ToDo (128×128): 256 → 16 keys")
    assert len(results[0].extra_generation_params["ToDo report JSON"]["generations"]) == 2


def test_a_host_that_asks_values_has_the_report_outside_of_images(
    lifecycle: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a script builds from the processing object has it; an image's own text has not."""

    def create_infotext() -> None:
        """Values may be callable."""

    processing = types.SimpleNamespace(create_infotext=create_infotext)
    monkeypatch.setitem(sys.modules, "modules.processing", processing)
    p = Processing(model, lifecycle)
    process_images_inner(p, *ON)
    report = p.extra_generation_params["ToDo report"]
    assert report.startswith("ToDo (128×128): 256 → 64 keys")
    data = p.extra_generation_params["ToDo report JSON"]
    # of a list, the host would write one item without asking
    assert not isinstance(data, list)
    assert report() is data() is None


def test_seconds_a_step_and_the_gain_over_an_earlier_generation_without(
    host: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lib_todo.hosts.webui import lifecycle, pace

    now = [0.0]
    monkeypatch.setattr(lifecycle, "_pace", pace.Pace(lambda: now[0]))

    def taking(seconds: float) -> Any:
        def call(height: int, width: int) -> torch.Tensor:
            now[0] += seconds
            return model(height, width)

        return call

    first = process_images_inner(Processing(taking(2), lifecycle), *ON).comments
    assert first.startswith("ToDo (128×128, 2 s a step): ")
    process_images_inner(Processing(taking(3), lifecycle), False)
    other = process_images_inner(Processing(taking(2), lifecycle, cfg_scale=1), *ON).comments
    assert "without ToDo" not in other
    p = Processing(taking(1), lifecycle, calls_per_step=2)
    processed = process_images_inner(p, *ON)
    assert processed.comments.startswith(
        "ToDo (128×128, 2 s a step, 3 times as fast as without ToDo): "
    )
    (data,) = processed.extra_generation_params["ToDo report JSON"]["generations"]
    assert data["seconds_a_step"] == {"first": {"with_todo": 2, "without_todo": 6}}


def test_calls_before_the_sampler_are_in_no_step(lifecycle: Any, model: Any) -> None:
    """The img2img alternative test inverts the image first, inside `p.sample`."""
    for window, expected in (({}, 5), ({"end": 0.5}, 2), ({"start": 0.5}, 2)):
        p = Processing(model, lifecycle)
        ordinary = p.sample

        def inverting(ordinary: Any = ordinary) -> torch.Tensor:
            model(16, 16)
            return ordinary()

        p.sample = inverting
        processed = process_images_inner(p, {"threshold": 8, **BY_TWO, **window})
        (data,) = processed.extra_generation_params["ToDo report JSON"]["generations"]
        pooled = sum(grid["calls"] for grid in data["grids"] if grid["reason"] is None)
        assert pooled == expected


@pytest.mark.parametrize("args", [ON, [False], [{"threshold": 64}]])
def test_what_the_older_extension_wrote_stays(lifecycle: Any, model: Any, args: list[Any]) -> None:
    """It has a `ToDo factor` too; that it was written by another shows in no other way."""
    p = Processing(model, lifecycle, extra_generation_params={"ToDo factor": 2.0})
    process_images_inner(p, *args)
    assert p.extra_generation_params["ToDo factor"] == 2.0
    assert p.extra_generation_params.get("ToDo threshold") == ("8" if args is ON else None)


def test_a_kept_wrapper_does_nothing_a_second_time(lifecycle: Any, model: Any) -> None:
    p = Processing(model, lifecycle)
    lifecycle.begin(p, ON)
    lifecycle.before_sampling(p)
    kept = p.sample
    kept()
    plain = model(16, 16)
    assert torch.equal(kept(), plain)


def test_one_too_many_values_is_refused(lifecycle: Any, model: Any) -> None:
    from lib_todo.hosts.webui.arguments import END_OF_ARGS, read_settings

    p = Processing(model, lifecycle, is_api=True)
    every = list(vars(Settings(factor=2, deep_factor=1)).values())
    assert read_settings(p, [*every, END_OF_ARGS]) == Settings(factor=2, deep_factor=1)
    with pytest.raises(SettingsError, match=f"at most {len(every)} values"):
        read_settings(p, [*every, 9])


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
