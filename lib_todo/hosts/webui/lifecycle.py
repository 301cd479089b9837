"""One generation in the WebUI: its settings, when pooling is on, and what the user is told."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import HTTPException
from modules import shared

from ...downsampling import token_downsampling
from ...interception import active
from ...report import Report
from ...settings import Settings, SettingsError
from ...wording import nothing_pooled
from . import options, prediction
from .arguments import read_settings
from .infotext import REPORT_KEY, Written, to_infotext

# the attribute of the host's processing object that holds its Generation
GENERATION = "todo_generation"

_running: list[Generation] = []


class Generation:
    """What one processing object asked for, from `process` to `postprocess`."""

    def __init__(self, p: Any, settings: Settings) -> None:
        self.owner = weakref.ref(p)
        self.settings = settings
        self.downsampling = token_downsampling(settings)
        self.line = ""

    @property
    def report(self) -> Report:
        return self.downsampling.report


def begin(p: Any, args: Sequence[Any]) -> None:
    """Read and check the settings of `p` (the host's `process` callback); may be called again.

    A bad value ends the request: the host only logs what a callback raises, but it calls `p.init`
    bare, right after, so that is where the error is thrown.
    """
    _forget(p)
    try:
        settings = read_settings(p, args)
    except SettingsError as error:
        is_api = bool(getattr(p, "is_api", False))
        if not is_api and _page_loses_errors():
            p.comment(str(error))
            shared.state.interrupt()
        else:
            p.init = functools.partial(_refuse, error, is_api)
        return
    # inside another generation's sampling, off must be said: the outer settings must not leak in
    if settings.enabled or active.current() is not None:
        setattr(p, GENERATION, Generation(p, settings))


class SettingsRefused(HTTPException):
    """A bad value in an API request; the host answers with its status, detail and text."""

    def __init__(self, error: SettingsError) -> None:
        super().__init__(status_code=422, detail=str(error))

    def __str__(self) -> str:
        return self.detail


def _refuse(error: SettingsError, is_api: bool, *args: Any, **kwargs: Any) -> None:
    if is_api:
        raise SettingsRefused(error)
    raise error


def _page_loses_errors() -> bool:
    """Whether this is reForge, whose page shows nothing of an exception but a TypeError of its own.

    It runs what the page asks for in its main thread, which (unlike Forge's) keeps no exception.
    There the text is left where the line goes, and the generation ends as by Interrupt.
    """
    main_thread = sys.modules.get("modules_forge.main_thread")
    return main_thread is not None and not hasattr(main_thread, "last_exception")


def _forget(p: Any) -> None:
    """Take back whatever an earlier `begin` left on `p` or on what copies of it share."""
    _write_infotext(p, None)
    p.__dict__.pop(GENERATION, None)
    if getattr(p.__dict__.get("init"), "func", None) is _refuse:
        del p.__dict__["init"]


def _write_infotext(p: Any, settings: Settings | None) -> None:
    """Make the infotext of `p` tell these settings, or none.

    The cells of an X/Y/Z plot share one dict, hence the removal first. So do copies that others
    make of `p` inside its own generation (ADetailer): there it is the outer one's to write. What
    another extension wrote under the same key stays.
    """
    if any(outer.extra_generation_params is p.extra_generation_params for outer in _outer(p)):
        return
    params = p.extra_generation_params
    for key in [key for key, value in params.items() if isinstance(value, Written)]:
        del params[key]
    if settings is not None:
        for key, text in to_infotext(settings).items():
            params.setdefault(key, Written(text))


def _outer(p: Any) -> Iterator[Any]:
    """The processing objects whose generation this one runs inside of, by the call stack.

    What others note down may outlive an exception; the stack cannot be wrong.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "process_images_inner":
            outer = frame.f_locals.get("p")
            if outer is not None and outer is not p:
                yield outer
        frame = frame.f_back


def _generation(p: Any) -> Generation | None:
    """The generation of this very object; a copy of `p` carries its original's."""
    generation = getattr(p, GENERATION, None)
    return generation if generation is not None and generation.owner() is p else None


def before_sampling(p: Any) -> None:
    """Have the next `p.sample` run with pooling on (the host's `process_batch` callback)."""
    generation = _generation(p)
    if generation is None:
        return
    if generation.settings.enabled and prediction.can_pool(p, generation.settings):
        _write_infotext(p, generation.settings)
    p.sample = _SampleOnce(p, generation)


class _SampleOnce:
    """Stands in for `p.sample` for one call, which it runs with pooling on.

    Both passes of hires fix happen inside `p.sample`, and every way out of it, an exception too,
    passes through the `with`. It takes itself off `p` when called, so that nothing of it is there
    when others copy or reuse `p` afterwards; one that somebody kept does nothing a second time.
    """

    def __init__(self, p: Any, generation: Generation) -> None:
        self._owner = weakref.ref(p)
        self._generation = generation
        self._before = p.__dict__.get("sample")
        self._spent = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        p = self._owner()
        original = self._before or functools.partial(type(p).sample, p)
        if self._spent:
            return original(*args, **kwargs)
        self._spent = True
        self._take_off(p)
        _running.append(self._generation)
        try:
            with self._generation.downsampling:
                samples = original(*args, **kwargs)
        finally:
            _running.remove(self._generation)
        _after_sampling(p, self._generation)
        return samples

    def _take_off(self, p: Any) -> None:
        if p.__dict__.get("sample") is not self:
            return
        if self._before is None:
            del p.__dict__["sample"]
        else:
            p.sample = self._before


def on_denoiser_call(params: Any) -> None:
    """Tell the report where the sampler is (the host's `on_cfg_denoiser` callback).

    `params.sampling_step` lags by one from the second step on; the denoiser's own count is exact.
    """
    if not _running:
        return
    generation, denoiser = _running[-1], params.denoiser
    p = generation.owner()
    if denoiser.p is not p:
        generation.report.position.pause()
        return
    pass_name = "hires" if getattr(p, "is_hr_pass", False) else "first"
    generation.report.progress(denoiser.step, denoiser.total_steps, pass_name, denoiser.steps)


def _after_sampling(p: Any, generation: Generation) -> None:
    """Make the infotext and the line under the image say what happened."""
    settings, done = generation.settings, generation.report
    if not settings.enabled:
        return
    _write_infotext(p, settings if done.pooled else None)
    p.comments.pop(generation.line, None)
    generation.line = _line(p, settings, done)
    if options.show_line():
        p.comment(generation.line)


def _line(p: Any, settings: Settings, done: Report) -> str:
    if not done.tallies and not done.steps[1]:
        return nothing_pooled("no step was run")
    if not done.tallies:
        return nothing_pooled(prediction.why_no_layer(p))
    where = "at " + " and ".join(
        f"{width}×{height}" for width, height in prediction.sizes(p).values()
    )
    return done.line(settings.threshold, where)


def finish(p: Any, processed: Any) -> None:
    """Add the line to the API's info, after the images got theirs (the host's `postprocess`)."""
    generation = _generation(p)
    if generation is not None and generation.line and options.show_line():
        # a dict of its own: the host's is shared by the cells of an X/Y/Z plot
        processed.extra_generation_params = {
            **processed.extra_generation_params,
            REPORT_KEY: Written(generation.line),
        }
