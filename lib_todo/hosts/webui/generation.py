"""One generation in the WebUI, callback by callback: settings, sampling, and the report."""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from ...outlook import Outlook
from ...plan import PIXELS_PER_LATENT, Grid
from ...samplers import rule_for
from ...settings import Settings, SettingsError
from . import host, request, result, step_times

# the attribute of the host's processing object that holds its Generation
GENERATION = "todo_generation"
# the innermost generation that is sampling in this thread
running: ContextVar[Generation | None] = ContextVar("running", default=None)


class Generation:
    """What one processing object asked for with ToDo on, from `process` to `postprocess`."""

    def __init__(self, p: Any, settings: Settings) -> None:
        self.owner = weakref.ref(p)
        self.settings = settings
        self.series = result.series_of(p) or result.Series(p.extra_generation_params)
        self.summary = self.series.summary(p, settings)
        self.report = self.summary.report
        self.outlook = Outlook(self.report, settings)
        # a number before those of its samplings: the report may tell of earlier images too
        self.since = 0
        self.sample: Any = None  # our `p.sample`
        # what SD.Next leaves when a batch ends
        self.entered = contextlib.ExitStack()
        # by pass: the size in pixels, as seen from the latent
        self.seen: dict[str, host.Size] = {}
        # of the present pass, see SamplerRule
        self.lead_in = 0.0
        # in the present pass: the step and the noise level of the last call, and how many calls
        # the host counted at the level of the one before; None where such calls are own steps
        self._last: tuple[int, float] | None = None
        self._repeated = 0
        # in the present pass: how many layers there are at 1/n of the latent; empty: not known
        self._layers: dict[int, int] = {}

    def __deepcopy__(self, memo: Any) -> Generation:
        """Another extension may copy the processing object deeply: this stays its original's."""
        return self

    def evaluation(self, params: Any, denoiser: Any, pass_name: str) -> None:
        """Report the sampler's step, before the model is called.

        The SMEA samplers and others that extensions add look at one noise level two or three times.
        The host takes each such call for a step, so its count would end a window too early.
        """
        latent = tuple(params.x.shape[-2:])
        begins = denoiser.step == 0 or pass_name != self.outlook.pass_name
        if begins:
            self._begin_pass(denoiser, pass_name, latent)
        # SMEA samplers look at other sizes in between
        if begins or latent != self.outlook.latent:
            self.outlook.begin(self._layers, latent, pass_name)
        step = int(denoiser.step)
        if self._last is not None:
            last, self._last = self._last, (step, float(params.sigma.max()))
            self._repeated += step > last[0] and self._last[1] == last[1]
        self.summary.enable(self.outlook.can_pool)
        self.report.progress(step - self._repeated, denoiser.total_steps, pass_name, denoiser.steps)

    def _begin_pass(self, denoiser: Any, pass_name: str, latent: Grid) -> None:
        self.seen[pass_name] = latent[1] * PIXELS_PER_LATENT, latent[0] * PIXELS_PER_LATENT
        p, position = denoiser.p, self.report.position
        position.sampler = host.chosen(p, pass_name, "sampler_name")
        whole, steps = host.steps_of(p, from_noise=denoiser.init_latent is None)
        position.sigmas = host.levels_of(p, whole, steps)
        self.lead_in = rule_for(position.sampler, True, position.sigmas).lead_in
        rule = rule_for(position.sampler, reported=True)
        # not where a step takes several calls, or a sampler has a rule of its own (PLMS)
        compares = denoiser.total_steps == denoiser.steps and rule.hold == 1 and rule.rest_from > 0
        self._last, self._repeated = (0, math.nan) if compares else None, 0
        # a refiner takes over in the middle, and has levels of its own
        is_refined = getattr(p, "refiner_checkpoint_info", None)
        self._layers = {} if is_refined else host.shape_of(p.sd_model).known_levels


def begin(p: Any, args: Sequence[Any]) -> None:
    """Read and check the values of the controls (the host's `process`); may be called again."""
    if is_copy(p):
        if vars(p).get("sample") is getattr(p, GENERATION).sample:
            # made before its original's sampling, which it would do instead of its own
            del p.sample
        return
    # an earlier generation's, such as a plot's cell, which shares the infotext
    result.write(p, {})
    vars(p).pop(GENERATION, None)
    try:
        settings = request.read_settings(p, args)
    except SettingsError as error:
        host.refuse(p, error)
        return
    if settings.enabled:
        setattr(p, GENERATION, Generation(p, settings))
        host.machine().measure_once()


def generation_of(p: Any) -> Generation | None:
    """The generation of `p` itself; a copy of `p` would have its original's."""
    generation = getattr(p, GENERATION, None)
    return generation if generation is not None and generation.owner() is p else None


def is_copy(p: Any) -> bool:
    """Whether `p` is a copy in the middle of a generation (ADetailer), whose infotext it shares."""
    generation = getattr(p, GENERATION, None)
    return generation is not None and generation.owner() is not None and not generation_of(p)


def before_sampling(p: Any) -> None:
    """Let the steps of the next `p.sample` switch pooling on (the host's `process_batch`).

    Both passes of hires fix happen inside of it.
    """
    generation = generation_of(p)
    if generation is None:
        return
    result.write(p, request.to_infotext(generation.settings))
    # what another extension put there, which comes back
    original, others = p.sample, {"sample": p.sample} if "sample" in vars(p) else {}

    def sample(*args: Any, **kwargs: Any) -> Any:
        vars(p).pop("sample", None)
        vars(p).update(others)
        # what a script calls before the first step (img2img alternative test) is left alone
        with sampling(p, generation, enabled=False):
            samples = original(*args, **kwargs)
        report_on(p, generation)
        return samples

    p.sample = generation.sample = sample


@contextlib.contextmanager
def sampling(p: Any, generation: Generation, enabled: bool = True) -> Iterator[None]:
    """Until the sampling ends, have pooling on, or to be enabled by its steps."""
    generation.summary.expect_model(p.sd_model)
    generation.summary.enable(enabled)
    generation.since = next(generation.report.samplings)
    outer = running.get()
    running.set(generation)
    try:
        with generation.summary:
            yield
    finally:
        running.set(outer)


def on_denoiser_call(params: Any) -> None:
    """Time the sampler's step and report it (the host's `on_cfg_denoiser` callback).

    `params.sampling_step` lags by one from the second step on; the denoiser's own count is exact.
    """
    generation = running.get()
    p = generation.owner() if generation is not None else None
    denoiser = getattr(params, "denoiser", None)
    if denoiser is None and p is not None:
        # before 1.8 the parameters do not name it
        denoiser = p.sampler.model_wrap_cfg
    if denoiser is None:
        return
    ours = generation if denoiser.p is p else None
    pass_name = host.pass_of(denoiser.p)
    if ours is not None:
        ours.evaluation(params, denoiser, pass_name)
    elif generation is not None:
        # another generation's call, such as of a copy of `p`
        generation.summary.enable(False)
    # every generation's steps: those without ToDo are what others are compared with
    step_times.evaluation(denoiser, params, pass_name, ours)


def report_on(p: Any, generation: Generation) -> None:
    """Write what happened to the infotext and the line under the image."""
    summary, series, settings = generation.summary, generation.series, generation.settings
    used = {result.USED_KEY: result.used(generation.report, generation.since)}
    result.write(p, request.to_infotext(settings) | used)
    for name, size in generation.seen.items():
        seconds = step_times.seconds_a_step(p, name)
        summary.sizes.setdefault(name, {})[size] = seconds
    # a later tile of the same image replaces the lines of the earlier ones
    for line in series.lines:
        p.comments.pop(line, None)
    series.update()
    if host.show_line():
        for line in series.lines:
            p.comment(line)


def finish(p: Any, processed: Any) -> None:
    """Make a result's info report on its series (the host's `postprocess`).

    Also that of a plot's cell that was made without ToDo, which shares the others' info.
    """
    if is_copy(p):
        return
    vars(p).pop(GENERATION, None)
    series = result.series_of(p)
    if series is not None and series.lines and host.show_line():
        series.write_result(processed)
