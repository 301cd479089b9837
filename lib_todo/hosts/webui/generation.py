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
    """The generations that are sampling in this thread, the innermost last.

    `latest` is the processing object that began last.
    """

    def __init__(self) -> None:
        self.running: list[Generation] = []
        self.latest: Callable[[], Any] = lambda: None


# by thread, since another thread's denoiser calls do not concern it
_here = _Here()


class Generation:
    """What one processing object asked for, from `process` to `postprocess`."""

    def __init__(self, p: Any, settings: Settings, make: result.Downsampling) -> None:
        self.owner = weakref.ref(p)
        self.settings = settings
        # a generation inside another one (ADetailer) is not part of the outer result
        self.series = None if is_inside_another(p) else result.series_of(p)
        self.finished = False
        self.told_of = result.Told(settings, host.checkpoint_of(p))
        self.downsampling = self.series.run(self.told_of, make) if self.series else make(settings)
        self.steps = SamplerSteps()
        # by pass: the size in pixels, as seen from the latent
        self.seen: dict[str, result.Size] = {}
        # by pass: what its step times can be compared with, and evaluations per step
        self.kinds: dict[str, tuple[step_times.Kind, float]] = {}
        self.sizes: result.Sizes = self.series.sizes(self.told_of) if self.series else {}
        # the lines under the image; later tiles of the same image replace them
        self.shown: list[str] = self.series.shown if self.series else []

    def __deepcopy__(self, memo: Any) -> Generation:
        """Another extension may copy the processing object deeply: this stays its original's."""
        return self

    @property
    def report(self) -> Report:
        """What was pooled so far."""
        return self.downsampling.report


def begin(p: Any, args: Sequence[Any], make: result.Downsampling = token_downsampling) -> None:
    """Read and check the settings of `p`, in the host's `process` callback; may be called again.

    Args:
        p: the host's processing object.
        args: the values of the script's controls.
        make: makes the downsampling of these settings.
    """
    _here.latest = weakref.ref(p)
    # undo what an earlier `begin` left on `p` or on objects that copies of it share
    host.take_back(p)
    if not is_inside_another(p):
        result.write_infotext(p, None)
        vars(p).pop(GENERATION, None)
    try:
        settings = read_settings(p, args)
    except SettingsError as error:
        host.refuse(p, error)
        return
    # inside another generation's sampling, off is entered too, to mask the outer settings
    if settings.enabled or active.entered_run() is not None:
        setattr(p, GENERATION, Generation(p, settings, make))
    if settings.enabled:
        machine.measure_once()


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
    outer = [generation.owner() for generation in _here.running]
    shared = p.extra_generation_params
    return any(o is not None and o is not p and o.extra_generation_params is shared for o in outer)


def write_infotext(p: Any, generation: Generation, done: Report | None = None) -> None:
    """Write the settings to the infotext of `p`, with what was done, or else with what is planned.

    A generation inside another one (ADetailer) shares the outer one's and writes nothing.
    """
    if generation.series is not None and generation.settings.enabled:
        result.write_infotext(p, generation.settings, done)


def before_sampling(p: Any) -> None:
    """Make the next `p.sample` run with pooling on (the host's `process_batch` callback).

    Both passes of hires fix happen inside of it.
    """
    generation = generation_of(p)
    if generation is None:
        return
    write_infotext(p, generation)
    # what another extension put there, which comes back
    original, others = p.sample, vars(p).get("sample")

    def sample(*args: Any, **kwargs: Any) -> Any:
        if others is None:
            vars(p).pop("sample", None)
        else:
            p.sample = others
        with sampling(p, generation):
            _expect_the_sampler(p, generation)
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
    if generation.series is not None:
        generation.series.expect_model(generation.told_of, p.sd_model)
    nothing = {} if active.entered_run() else result.left_alone(p, generation.settings)
    for name, levels in nothing.items():
        for level in levels:
            generation.report.leave_alone(name, *level)
    _here.running.append(generation)
    try:
        with contextlib.nullcontext() if nothing else generation.downsampling:
            yield
            if host.stopped():
                generation.report.stopped()
    finally:
        _here.running.remove(generation)


def _expect_the_sampler(p: Any, generation: Generation) -> None:
    """Name the sampler, and leave calls before its first step alone if there is a window.

    A script may call the model before sampling (img2img alternative test). Such calls belong to no
    step; without a window they are pooled, by the sampler's rule.
    """
    settings, position = generation.settings, generation.report.position
    position.sampler = host.sampler_of(p, _pass(p))
    if (settings.start, settings.end) != (0, 1):
        position.pause()


def on_denoiser_call(params: Any) -> None:
    """Report the sampler's step (the host's `on_cfg_denoiser` callback).

    `params.sampling_step` lags by one from the second step on; the denoiser's own count is exact.
    """
    running = _here.running[-1].owner if _here.running else _here.latest
    denoiser = host.denoiser_of(params, running())
    if denoiser is None:
        return
    _note_step_time(denoiser, params)
    if not _here.running:
        return
    generation = _here.running[-1]
    p = generation.owner()
    if denoiser.p is not p:
        generation.report.position.pause()
        return
    sampler = host.sampler_of(p, _pass(p))
    position = generation.report.position
    if denoiser.step == 0:
        levels = host.schedule_of(p, denoiser)
        position.sigmas = () if levels is None else tuple(levels.tolist())
        height, width = params.x.shape[-2:]
        generation.seen[_pass(p)] = width * PIXELS_PER_LATENT, height * PIXELS_PER_LATENT
    position.sampler = sampler
    done = generation.steps.done(denoiser, params.sigma, sampler)
    generation.report.progress(done, denoiser.total_steps, _pass(p), denoiser.steps)


def _pass(p: Any) -> str:
    return "hires" if getattr(p, "is_hr_pass", False) else "first"


def _note_step_time(denoiser: Any, params: Any) -> None:
    """Time every generation's steps; those without ToDo are what others are compared with."""
    p = denoiser.p
    mine = _here.running[-1] if _here.running and _here.running[-1].owner() is p else None
    sampler = host.sampler_of(p, _pass(p))
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
    write_infotext(p, generation, done)
    for line in generation.shown:
        p.comments.pop(line, None)
    for name, size in (generation.seen or host.sizes(p)).items():
        generation.sizes.setdefault(name, {})[size] = _seconds_of(p, generation, name)
    told = (
        result.line(p, done, generation.sizes),
        result.data(generation.told_of, done, generation.sizes),
    )
    if generation.series is None:
        generation.shown[:] = [told[0]]
    else:
        generation.series.reports[generation.told_of] = told
        generation.shown[:] = generation.series.lines
    if host.show_line():
        for line in generation.shown:
            p.comment(line)
        if host.asks_values() and generation.series is not None:
            generation.series.write_info(p.extra_generation_params)


def _seconds_of(p: Any, generation: Generation, pass_name: str) -> result.SecondsPerStep:
    """Seconds per step of that pass, and of a pass like it without ToDo."""
    if pass_name not in generation.kinds:
        return None, None
    kind, evaluations = generation.kinds[pass_name]
    times = step_times.times
    found = times.seconds(p, pass_name, kind, generation.settings), times.without(kind)
    ours, without = (seconds and seconds * evaluations for seconds in found)
    return ours, without


def finish(p: Any, processed: Any) -> None:
    """Make a result's info report on the whole series (the host's `postprocess`).

    A plot keeps the parameters of its first cell's result. So these are an object of our own, which
    is updated for the later cells. Its comments are a text: they tell of the first cell.
    """
    generation = generation_of(p)
    if generation is None:
        return
    generation.finished = True
    series = generation.series
    # an inner generation, or one with ToDo off, has nothing to report
    if series is None or not series.reports or not host.show_line():
        return
    processed.extra_generation_params = {**processed.extra_generation_params}
    series.results.append(processed.extra_generation_params)
    for params in series.results:
        series.write_info(params)


class SamplerSteps:
    """Counts a pass's steps, where the host counts the denoiser's calls.

    The SMEA samplers and others that extensions add look at one noise level two or three times.
    The host takes each such call for a step, so its count would end a window too early.
    """

    def __init__(self) -> None:
        self._repeated = 0
        self._level: float | None = None

    def done(self, denoiser: Any, sigma: Any, sampler: str | None) -> int:
        """How many evaluations are behind, of the denoiser's `total_steps`.

        Args:
            denoiser: the host's, which is about to be called.
            sigma: the noise levels that it is called with, one for each latent.
            sampler: the sampler's name; one with a rule of its own (PLMS) is counted as it is.
        """
        rule = rule_for(sampler, reported=True)
        of_its_own = rule.hold != 1 or rule.rests(None)
        if denoiser.total_steps != denoiser.steps or of_its_own:
            return int(denoiser.step)
        level = float(sigma.max())
        if denoiser.step == 0:
            self._repeated = 0
        elif level == self._level:
            self._repeated += 1
        self._level = level
        return int(denoiser.step) - self._repeated
