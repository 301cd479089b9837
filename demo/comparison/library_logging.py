"""Silences diffusers and transformers, whose output would disturb the demo's progress bar."""

from __future__ import annotations

import os
import warnings


def silence_libraries() -> None:
    """Show errors only, and no progress bars. Call it before diffusers is imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    # tomesd and single-file loading use features that newer libraries deprecate
    warnings.filterwarnings("ignore", category=FutureWarning)
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
