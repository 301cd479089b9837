"""What is known of the host that runs: its release, its model, its state, and our option in it."""

from __future__ import annotations

import sys
from typing import Any

from modules import shared

SHOW_LINE = "todo_show_line"


def register_option() -> None:
    """Add our section to the settings page, and to what `/sdapi/v1/options` knows.

    Called when the script is loaded, since with --nowebui `on_ui_settings` never comes. With a page
    it is called again then, which changes nothing.
    """
    option = shared.OptionInfo(
        True,
        "Show what was pooled, or why nothing was, in a line under the image",
        section=("todo", "ToDo"),
    )
    # not an argument of 1.6, which has no categories
    option.category_id = "sd"
    shared.opts.add_option(SHOW_LINE, option)


def show_line() -> bool:
    """Whether the line is wanted."""
    return bool(shared.opts.data.get(SHOW_LINE, True))


def stopped() -> bool:
    """Whether the user interrupted the generation, or skipped the rest of this picture."""
    state = getattr(shared, "state", None)
    return any(getattr(state, name, False) for name in ("interrupted", "skipped"))


def asks_values() -> bool:
    """Whether the host calls callable values among an image's parameters.

    It does since 1.10, as do its forks with the callback that came with that release.
    """
    script = getattr(sys.modules.get("modules.scripts"), "Script", None)
    return hasattr(script, "process_before_every_sampling")


def pastes_one_by_one() -> bool:
    """Whether an exception in one control's paste leaves the others alone.

    It does since 1.9, the first release with this class. Before, and in SD.Next, it ends the whole
    paste.
    """
    return hasattr(sys.modules.get("modules.extensions"), "ExtensionMetadata")


def denoiser_of(params: Any, p: Any) -> Any:
    """The denoiser that is about to be called; `p` is the processing object that runs.

    Before 1.8 the parameters of `on_cfg_denoiser` do not name it.
    """
    found = getattr(params, "denoiser", None)
    if found is None and p is not None:
        found = p.sampler.model_wrap_cfg
    return found


def checkpoint_of(p: Any) -> str:
    """The name of the checkpoint that `p` samples with; empty where the host names none."""
    info = getattr(getattr(p, "sd_model", None), "sd_checkpoint_info", None)
    return str(getattr(info, "name_for_extra", ""))


def schedule_of(p: Any, denoiser: Any) -> Any:
    """The noise levels of the sampler of `p` from its first step on; None where it has none.

    The host computes them by the same method, but keeps them nowhere.
    """
    levels = getattr(getattr(p, "sampler", None), "get_sigmas", None)
    if levels is None:
        return None
    steps = p.steps
    if denoiser.init_latent is not None:
        # img2img and the hires pass begin in the middle of a longer schedule
        from modules.sd_samplers_common import setup_img2img_steps

        asked = (p.hr_second_pass_steps or p.steps) if getattr(p, "is_hr_pass", False) else None
        steps, _ = setup_img2img_steps(p, asked)
    return levels(p, steps)[-(denoiser.steps + 1) :]
