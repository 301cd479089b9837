"""One generation in the WebUI, callback by callback: settings, sampling, and the report."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Sequence
from typing import Any

from ...downsampling import token_downsampling
from ...interception import active
from ...report import Report
from ...settings import Settings, SettingsError
from . import (
    machine,
    older_hosts,
    options,
    prediction,
    refusal,
    result_texts,
    series,
    step_times,
)
from .arguments import read_settings
from .sampler_sigmas import SamplerSigmas
from .sampler_steps import SamplerSteps

# the attribute of the host's processing object that holds its Generation
GENERATION = "todo_generation"


class _Here(threading.local):
    """The generations that are sampling in this thread, the innermost last."""

    def __init__(self) -> None:
        self.running: list[Generation] = []


# by thread, since another thread's denoiser calls do not concern it
_here = _Here()


class Generation:
    """What one processing object asked for, from `process` to `postprocess`."""

    def __init__(self, p: Any, settings: Settings, make: series.Downsampling) -> None:
        self.owner = weakref.ref(p)
        self.settings = settings
        # a generation inside another one (ADetailer) is not part of the outer result
        self.series = None if result_texts.is_inside_another(p) else series.of(p)
        self.downsampling = self.series.run(settings, make) if self.series else make(settings)
        self.steps = SamplerSteps()
        self.sigmas = SamplerSigmas()
        # by pass: what its step times can be compared with, and evaluations per step
        self.kinds: dict[str, tuple[step_times.Kind, float]] = {}
        self.sizes: result_texts.Sizes = self.series.sizes(settings) if self.series else {}
        # the lines under the image; later tiles of the same image replace them
        self.shown: list[str] = self.series.shown if self.series else []

    @property
    def report(self) -> Report:
        """What was pooled so far."""
        return self.downsampling.report


def begin(p: Any, args: Sequence[Any], make: series.Downsampling = token_downsampling) -> None:
    """Read and check the settings of `p`, in the host's `process` callback; may be called again.

    Args:
        p: the host's processing object.
        args: the values of the script's controls.
        make: makes the downsampling of these settings.
    """
    _forget(p)
    try:
        settings = read_settings(p, args)
    except SettingsError as error:
        refusal.refuse(p, error)
        return
    # inside another generation's sampling, off is entered too, to mask the outer settings
    if settings.enabled or active.entered_run() is not None:
        setattr(p, GENERATION, Generation(p, settings, make))
    if settings.enabled:
        machine.measure_once()


def _forget(p: Any) -> None:
    """Undo what an earlier `begin` left on `p` or on objects that copies of it share."""
    result_texts.write_infotext(p, None)
    p.__dict__.pop(GENERATION, None)
    refusal.take_back(p)


def generation_of(p: Any) -> Generation | None:
    """The generation of `p` itself; a copy of `p` would have its original's."""
    generation = getattr(p, GENERATION, None)
    return generation if generation is not None and generation.owner() is p else None


def before_sampling(p: Any) -> None:
    """Make the next `p.sample` run with pooling on (the host's `process_batch` callback)."""
    generation = generation_of(p)
    if generation is None:
        return
    if generation.settings.enabled:
        result_texts.write_infotext(p, generation.settings)
    p.sample = _SampleOnce(p, generation)


class _SampleOnce:
    """Replaces `p.sample` for one call, which it runs with pooling on.

    Both passes of hires fix happen inside `p.sample`, and leaving it in any way, also by an
    exception, leaves the `with`. When called, it removes itself from `p`, so that nothing remains
    when other extensions copy or reuse `p`. Called a second time, it only samples.
    """

    def __init__(self, p: Any, generation: Generation) -> None:
        self._owner = weakref.ref(p)
        self._generation = generation
        self._before = p.__dict__.get("sample")
        self._spent = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        p: Any = self._owner()
        original = self._before or functools.partial(type(p).sample, p)
        if self._spent:
            return original(*args, **kwargs)
        self._spent = True
        self._take_off(p)
        _here.running.append(self._generation)
        try:
            with self._generation.downsampling:
                self._expect_the_sampler(p)
                samples = original(*args, **kwargs)
        finally:
            _here.running.remove(self._generation)
        report_on(p, self._generation)
        return samples

    def _expect_the_sampler(self, p: Any) -> None:
        """Name the sampler, and leave calls before its first step alone if there is a window.

        A script may call the model before sampling (img2img alternative test). Such calls belong to
        no step; without a window they are pooled, by the sampler's rule.
        """
        settings, position = self._generation.settings, self._generation.report.position
        position.sampler = prediction.sampler_of(p, _pass(p))
        if (settings.start, settings.end) != (0, 1):
            position.pause()

    def _take_off(self, p: Any) -> None:
        if p.__dict__.get("sample") is not self:
            return
        if self._before is None:
            del p.__dict__["sample"]
        else:
            p.sample = self._before


def on_denoiser_call(params: Any) -> None:
    """Report the sampler's step (the host's `on_cfg_denoiser` callback).

    `params.sampling_step` lags by one from the second step on; the denoiser's own count is exact.
    """
    denoiser = older_hosts.denoiser_of(params)
    _note_step_time(denoiser, params)
    if not _here.running:
        return
    generation = _here.running[-1]
    p = generation.owner()
    if denoiser.p is not p:
        generation.report.position.pause()
        return
    sampler = prediction.sampler_of(p, _pass(p))
    generation.report.position.sampler = sampler
    generation.report.position.rest_from = generation.sigmas.rest_from()
    done = generation.steps.done(denoiser, params.sigma, sampler)
    generation.report.progress(done, denoiser.total_steps, _pass(p), denoiser.steps)


def _pass(p: Any) -> str:
    return "hires" if getattr(p, "is_hr_pass", False) else "first"


def _note_step_time(denoiser: Any, params: Any) -> None:
    """Time every generation's steps; those without ToDo are what others are compared with."""
    p = denoiser.p
    mine = _here.running[-1] if _here.running and _here.running[-1].owner() is p else None
    sampler = prediction.sampler_of(p, _pass(p))
    kind = step_times.kind_of(p, params, sampler, machine.attention())
    settings = mine.settings if mine is not None and mine.settings.enabled else None
    step_times.times.evaluation(p, denoiser.step, denoiser.total_steps, _pass(p), kind, settings)
    if mine is not None:
        mine.kinds[_pass(p)] = kind, step_times.evaluations_a_step(denoiser)


def report_on(p: Any, generation: Generation) -> None:
    """Write what happened to the infotext, the line under the image and the API's info."""
    settings, done = generation.settings, generation.report
    if not settings.enabled:
        return
    result_texts.write_infotext(p, settings, done)
    for line in generation.shown:
        p.comments.pop(line, None)
    for name, size in prediction.sizes(p).items():
        generation.sizes.setdefault(name, {})[size] = _seconds_of(p, generation, name)
    told = (
        result_texts.line(p, settings, done, generation.sizes),
        result_texts.data(settings, done, generation.sizes),
    )
    if generation.series is None:
        generation.shown[:] = [told[0]]
    else:
        generation.series.reports[settings] = told
        generation.shown[:] = generation.series.lines
    if options.show_line():
        for line in generation.shown:
            p.comment(line)
        if result_texts.host_asks_values():
            _write_info(p.extra_generation_params, generation)


def _seconds_of(p: Any, generation: Generation, pass_name: str) -> result_texts.SecondsPerStep:
    """Seconds per step of that pass, and of a pass like it without ToDo."""
    if pass_name not in generation.kinds:
        return None, None
    kind, evaluations = generation.kinds[pass_name]
    times = step_times.times
    found = times.seconds(p, pass_name, kind, generation.settings), times.without(kind)
    ours, without = (seconds and seconds * evaluations for seconds in found)
    return ours, without


def _write_info(params: dict[str, Any], generation: Generation) -> None:
    if generation.series is not None:
        result_texts.write_info(params, generation.series.lines, generation.series.data)


def finish(p: Any, processed: Any) -> None:
    """Make a result's info report on the whole series (the host's `postprocess`).

    A plot keeps the parameters and the comments of its first cell. So these are objects of our own,
    which are updated for the later cells.
    """
    generation = generation_of(p)
    series = generation.series if generation else None
    # an inner generation, or one with ToDo off, has nothing to report
    if generation is None or series is None or not series.reports or not options.show_line():
        return
    processed.extra_generation_params = {**processed.extra_generation_params}
    series.results.append(processed.extra_generation_params)
    for params in series.results:
        _write_info(params, generation)
    processed.comments = series.comments(processed.comments)
