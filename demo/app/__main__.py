"""The app: `python -m demo.app` shows the baseline and other methods side by side in a browser."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from comparison.loading import (
    BUILT_IN,
    Source,
    choose_device,
    choose_dtype,
    load,
    silence_libraries,
)
from comparison.recipe import OptionError
from demo.options import OF_BUILT_IN, OF_OTHERS, add_model

MOST_WAITING = 16


def main(argv: Sequence[str] | None = None) -> int:
    """Load the model and serve the app until it is stopped; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo.app", description=__doc__)
    add_model(parser)
    where = "address to listen on (default: this machine only)"
    parser.add_argument("--host", default="127.0.0.1", help=where)
    parser.add_argument("--port", type=int, default=7860, help="default: 7860")
    args = parser.parse_args(argv)
    try:
        source, device = Source(args.model, args.config), choose_device(args.device)
    except OptionError as error:
        parser.error(str(error))
    # gradio and diffusers take seconds to import, so the options are checked first
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    silence_libraries()
    from comparison.sampling import Sampler
    from demo.app.page import build_page

    print(f"Loading {source.model} on {device}", flush=True)
    try:
        pipe = load(source, device, choose_dtype(args.dtype, device))
    except OptionError as error:
        parser.exit(1, f"error: {error}\n")
    initial = OF_BUILT_IN if source.model == BUILT_IN else OF_OTHERS
    page = build_page(Sampler(pipe), source.model, initial)
    # gradio runs one generation at a time by default
    page.queue(max_size=MOST_WAITING)
    page.launch(server_name=args.host, server_port=args.port, share=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
