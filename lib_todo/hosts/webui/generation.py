"""One generation in the WebUI, callback by callback: settings, sampling, and the report."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...downsampling import token_downsampling
from ...interception import active
from ...plan import PIXELS_PER_LATENT
from ...report import Report
from ...samplers import rule_for
from ...settings import Settings, SettingsError
from . import host, result
from .hint import machine, step_times
from .request import read_settings

# the attribute of the host's processing object that holds its Generation
GENERATION = "todo_generation"


class _Here(threading.local):
    """By thread, since another thread's denoiser calls do not concern it."""

    def __init__(self) -> None:
        # the generations that are sampling, the innermost last
        self.running: list[Generation] = []
        # the processing object that began last
        self.latest: Callable[[], Any] = lambda: None


here = _Here()


class Generation:
    """What one processing object asked for, from `process` to `postprocess`."""

    def __init__(
        self, p: Any, settings: Settings, is_inside: bool, make: result.Downsampling
    ) -> None:
        self.owner = weakref.ref(p)
        self.settings = settings
        # a generation inside another one (ADetailer) is not part of the outer result
        self.is_inside = is_inside
        self.series = result.Series(p.extra_generation_params) if is_inside else result.series_of(p)
        self.told = self.series.told(p, settings, make)
        self.finished = False
        # a number before those of its samplings: the report may tell of earlier images too
        self.since = 0
        self.steps: SamplerSteps | None = None
        # what SD.Next leaves when a batch ends
        self.entered = contextlib.ExitStack()
        # by pass: the size in pixels, as seen from the latent
        self.seen: dict[str, host.Size] = {}

    def __deepcopy__(self, memo: Any) -> Generation:
        """Another extension may copy the processing object deeply: this stays its original's."""
        return self

    @property
    def report(self) -> Report:
        """What was pooled so far."""
        return self.told.downsampling.report

    def write_infotext(self, p: Any, done: Report | None = None) -> None:
        """Write the settings to the infotext, and what was done.

        A generation inside another one (ADetailer) shares the outer one's and writes nothing.
        """
        if self.settings.enabled and not self.is_inside:
            result.write_infotext(p, self.settings, done, self.since)


def begin(p: Any, args: Sequence[Any], make: result.Downsampling = token_downsampling) -> None:
    """Read and check the settings of `p`, in the host's `process` callback; may be called again.

    `args` are the values of the script's controls; `make` makes the downsampling of settings.
    """
    here.latest = weakref.ref(p)
    # undo what an earlier `begin` left on `p` or on objects that copies of it share
    host.take_back(p)
    is_inside = is_inside_another(p)
    if not is_inside:
        result.write_infotext(p, None)
        vars(p).pop(GENERATION, None)
    try:
        settings = read_settings(p, args)
    except SettingsError as error:
        host.refuse(p, error)
        return
    # inside another generation's sampling, off is entered too, to mask the outer settings
    if settings.enabled or active.entered_run() is not None:
        setattr(p, GENERATION, Generation(p, settings, is_inside, make))
    if settings.enabled:
        machine.here().measure_once()


def generation_of(p: Any) -> Generation | None:
    """The generation of `p` itself; a copy of `p` would have its original's."""
    generation = getattr(p, GENERATION, None)
    return generation if generation is not None and generation.owner() is p else None


def is_inside_another(p: Any) -> bool:
    """Whether `p` belongs to a generation that it runs inside of, and shares its parameters.

    It is a copy of one that has not finished (ADetailer, in the middle of an image's
    postprocessing), or runs while that one is sampling. A plot's cells are copies of an object that
    never begins.
    """
    copied = getattr(p, GENERATION, None)
    if copied is not None and copied.owner() is not p:
        return copied.owner() is not None and not copied.finished
    outer = [generation.owner() for generation in here.running]
    shared = p.extra_generation_params
    return any(o is not None and o is not p and o.extra_generation_params is shared for o in outer)


def before_sampling(p: Any) -> None:
    """Make the next `p.sample` run with pooling on (the host's `process_batch` callback).

    Both passes of hires fix happen inside of it.
    """
    generation = generation_of(p)
    if generation is None:
        return
    generation.write_infotext(p)
    settings = generation.settings
    # what another extension put there, which comes back
    original, others = p.sample, {"sample": p.sample} if "sample" in vars(p) else {}

    def sample(*args: Any, **kwargs: Any) -> Any:
        vars(p).pop("sample", None)
        vars(p).update(others)
        with sampling(p, generation):
            position = generation.report.position
            position.sampler = host.sampler_of(p, host.pass_of(p))
            if (settings.start, settings.end) != (0, 1):
                # a script may call the model before sampling (img2img alternative test), in no
                # step; without a window such calls are pooled, by the sampler's rule
                position.pause()
            samples = original(*args, **kwargs)
        report_on(p, generation)
        return samples

    p.sample = sample


@contextlib.contextmanager
def sampling(p: Any, generation: Generation) -> Iterator[None]:
    """Have pooling on, until the sampling ends in whatever way.

    Where it is known that nothing will be pooled, nothing is intercepted; but a generation inside
    another one always masks the outer one's settings.
    """
    generation.told.expect_model(p.sd_model)
    nothing = {} if active.entered_run() else result.left_alone(p, generation.settings)
    for name, levels in nothing.items():
        generation.report.leave_alone(name, levels)
    generation.since = next(generation.report.samplings)
    here.running.append(generation)
    try:
        with contextlib.nullcontext() if nothing else generation.told.downsampling:
            yield
            if host.stopped():
                generation.report.pass_now.stopped = True
    finally:
        here.running.remove(generation)


def on_denoiser_call(params: Any) -> None:
    """Time the sampler's step and report it (the host's `on_cfg_denoiser` callback).

    `params.sampling_step` lags by one from the second step on; the denoiser's own count is exact.
    """
    generation = here.running[-1] if here.running else None
    p = here.latest() if generation is None else generation.owner()
    denoiser = getattr(params, "denoiser", None)
    if denoiser is None:
        if p is None:
            return
        # before 1.8 the parameters do not name it
        denoiser = p.sampler.model_wrap_cfg
    ours = generation if denoiser.p is p else None
    pass_name = host.pass_of(denoiser.p)
    settings = ours.settings if ours is not None and ours.settings.enabled else None
    # every generation's steps: those without ToDo are what others are compared with
    step_times.times.evaluation(denoiser, params, pass_name, settings)
    if generation is None:
        return
    if ours is None:
        generation.report.position.pause()
        return
    if generation.steps is None or denoiser.step == 0 or pass_name not in generation.seen:
        position = generation.report.position
        position.sampler = host.sampler_of(p, pass_name)
        levels = host.schedule_of(p, denoiser)
        position.sigmas = () if levels is None else tuple(levels.tolist())
        height, width = params.x.shape[-2:]
        generation.seen[pass_name] = width * PIXELS_PER_LATENT, height * PIXELS_PER_LATENT
        generation.steps = SamplerSteps(denoiser, position.sampler)
    done = generation.steps.done(denoiser, params.sigma)
    generation.report.progress(done, denoiser.total_steps, pass_name, denoiser.steps)


def report_on(p: Any, generation: Generation) -> None:
    """Write what happened to the infotext, the line under the image and the API's info."""
    settings, told, series = generation.settings, generation.told, generation.series
    if not settings.enabled:
        return
    generation.write_infotext(p, generation.report)
    for line in series.shown:
        p.comments.pop(line, None)
    for name, size in (generation.seen or host.sizes(p)).items():
        seconds = step_times.times.seconds_a_step(p, name, settings)
        told.sizes.setdefault(name, {})[size] = seconds
    told.line, told.data = result.line(p, told), result.data(told)
    series.shown[:] = series.lines
    if host.show_line():
        for line in series.shown:
            p.comment(line)
        if host.asks_values() and not generation.is_inside:
            series.write_info(p.extra_generation_params)


def finish(p: Any, processed: Any) -> None:
    """Make a result's info report on the whole series (the host's `postprocess`).

    A plot keeps the parameters of its first cell's result. So these are an object of our own, which
    is updated for the later cells. Its comments are a text, of which it has a copy: they tell of
    the first cell.
    """
    generation = generation_of(p)
    if generation is None:
        return
    generation.finished = True
    series = generation.series
    # an inner generation, or one with ToDo off, has nothing to report
    if generation.is_inside or not series.reported or not host.show_line():
        return
    processed.extra_generation_params = {**processed.extra_generation_params}
    series.results.append(processed.extra_generation_params)
    for params in series.results:
        series.write_info(params)
    series.first = series.first or weakref.ref(processed)
    if (first := series.first()) is not None:
        first.comments = processed.comments


class SamplerSteps:
    """Counts a pass's steps, where the host counts the denoiser's calls.

    The SMEA samplers and others that extensions add look at one noise level two or three times.
    The host takes each such call for a step, so its count would end a window too early.
    """

    def __init__(self, denoiser: Any, sampler: str | None) -> None:
        rule = rule_for(sampler, reported=True)
        # where a step takes several, or a sampler has a rule of its own (PLMS)
        self._as_it_is = denoiser.total_steps != denoiser.steps or rule.hold != 1 or rule.rests()
        self._repeated = 0
        self._level: float | None = None

    def done(self, denoiser: Any, sigma: Any) -> int:
        """How many evaluations are behind, of the denoiser's `total_steps`.

        `sigma` has the noise levels of the call that is about to come, one for each latent.
        """
        if not self._as_it_is:
            level = float(sigma.max())
            self._repeated += level == self._level
            self._level = level
        return int(denoiser.step) - self._repeated
