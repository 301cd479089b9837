"""The calls that are intercepted: a model's, a spatial transformer's, an attention's.

A model's call tells the step. A transformer's tells the grid, and decides for all its layers. An
attention's is met only once a transformer has pooled: until then, layers cost nothing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from ..schedulers import Schedule, scheduler_classes
from . import active, graphs
from .active import here
from .classes import in_use, replace, restore_all, restore_stale
from .families import FAMILIES, Family, classes, family_of, import_what_loads_later, timestep_place

# who has installed, and not uninstalled yet
users: list[object] = []
# how many modules were imported when classes were last searched
_modules = 0
_attention_is_met = False


def install(user: object) -> None:
    """Intercept the calls of every family that is imported, until `user` uninstalls."""
    with active.lock:
        users.append(user)
        try:
            restore_stale()
            import_what_loads_later()
            _replace_all()
        except BaseException:
            uninstall(user)
            raise


def uninstall(user: object) -> None:
    """Say that `user` is done; with the last user the classes are restored."""
    with active.lock:
        # it is not there any more after undo_all
        if user in users:
            users.remove(user)
        if not users:
            undo_all()


def undo_all() -> None:
    """Restore every class at once, even in a pass of a generation, which goes on unpooled."""
    global _attention_is_met
    with active.lock:
        users.clear()
        _attention_is_met = False
        restore_all()


def meet_attention() -> None:
    """Intercept the attention's calls too, since a transformer pools now."""
    global _attention_is_met
    if not _attention_is_met:
        with active.lock:
            _replace_all(with_attention=True)
            # last: another thread that sees it goes on at once
            _attention_is_met = bool(users)


def _replace_all(with_attention: bool = False) -> None:
    """Intercept the classes imported by now, as long as there is a user."""
    global _modules
    with active.lock:
        if not users:
            return
        _modules = len(sys.modules)
        for scheduler in scheduler_classes():
            replace(scheduler, "set_timesteps", _schedule)
        for wrapper in graphs.wrapper_classes():
            replace(wrapper, "__call__", functools.partial(_model, family=None))
        for family in FAMILIES:
            wraps: dict[Callable, Any] = {
                _model: family.models,
                _time_embedding: family.time_embedding,
                _transformer: family.transformers,
            }
            if with_attention or _attention_is_met:
                wraps[_attention] = family.attentions
            for wrap, places in wraps.items():
                for cls in classes(places):
                    replace(cls, "__call__", functools.partial(wrap, family=family))


def _schedule(original: Callable) -> Callable:
    @functools.wraps(original)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        entered = active.entered_run()
        # a scheduler belongs to no model: it applies to the bound ones that this thread calls next
        for run in active.bound_runs() if entered is None else [entered]:
            if run.enabled:
                run.begin_sampling(Schedule(self))
        return result

    return set_timesteps


def _model(original: Callable, family: Family | None) -> Callable:
    """For a whole model; without a family, for what `torch.compile(model)` returns."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if graphs.is_tracing() or __call__ not in in_use:
            return original(self, *args, **kwargs)
        model = self if family else self._orig_mod
        its = family or family_of(model)
        place = timestep_place(type(model), its.timestep) if its else None
        if its is None or place is None:
            return original(self, *args, **kwargs)
        if len(sys.modules) != _modules:
            # such as a scheduler that a bound pipeline got
            _replace_all()
        run = active.run_of(model)
        outer, own, call, ended = vars(here).copy(), None, None, False
        here.call = here.cut = here.plans = here.pooling = None
        try:
            if run is not None:
                own = graphs.enter_own()
                timestep = args[place] if len(args) > place else kwargs.get(its.timestep)
                latent = args[0] if args else next(iter(kwargs.values()), None)
                call = here.call = run.call(model, timestep, latent, in_graph=family is None)
            result = original(self, *args, **kwargs)
            ended = True
            return result
        finally:
            graphs.leave_own(own)
            vars(here).update(outer)
            if call is not None:
                call.end(ended)

    return __call__


def _time_embedding(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        # inside a model's call the timestep is known
        if here.call is None and args and not graphs.is_tracing() and __call__ in in_use:
            run = active.entered_run()
            if run is not None and run.enabled:
                run.see_timestep(args[0])
        return original(self, *args, **kwargs)

    return __call__


def _transformer(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        x: Any = args[0] if args else kwargs.get(family.parameters[0])
        if graphs.is_tracing():
            return graphs.call_transformer(original, self, x, args, kwargs)
        if __call__ not in in_use:
            return original(self, *args, **kwargs)
        call, own = here.call, None
        if call is None:
            run = active.entered_run()
            if run is None or not run.enabled:
                return original(self, *args, **kwargs)
            call = run.loose_call(self)
            # a model's call has done so
            own = graphs.enter_own()
        outer, pooling = here.cut, here.pooling
        cut, ended = None, False
        try:
            cut = here.cut = call.cut(self, x.shape, x.device, family)
            result = original(self, *args, **kwargs)
            ended = True
            return result
        finally:
            graphs.leave_own(own)
            here.cut, here.pooling = outer, pooling
            call.end_transformer(cut, ended)

    return __call__


def _attention(original: Callable, family: Family) -> Callable:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if graphs.is_tracing():
            return graphs.call_attention(original, family, self, args, kwargs)
        cut = here.cut
        # half of all calls look at the prompt
        if cut is None or id(self) not in cut.numbers:
            return original(self, *args, **kwargs)
        return cut.call(original, self, args, kwargs)

    return __call__
