"""Start a real SD.Next on the CPU and talk to it; its folder is only read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
from host import PROBE, REPOSITORY, Host
from launching import environment

# what tiny_models.py makes
MODELS = ("tiny15", "wide15", "tinyxl")
ARGUMENTS = ("--skip-all", "--no-half")
# the probe sorts first and sees the bare host
EXTENSIONS = {"00-todo-probe": PROBE, "sd-webui-todo": REPOSITORY}
SMALL: dict[str, Any] = {
    "prompt": "a cat",
    "seed": 1,
    "steps": 4,
    "width": 256,
    "height": 256,
    "cfg_scale": 7,
    "sampler_name": "Euler",
}
# two passes of 4 steps each, over 128×128 and 256×256
HIRES: dict[str, Any] = {
    "width": 128,
    "height": 128,
    "enable_hr": True,
    "hr_force": True,
    "hr_resize_mode": 1,
    "hr_scale": 2,
    "hr_upscaler": "Latent Nearest",
    "hr_second_pass_steps": 4,
    "denoising_strength": 0.7,
}


class SdNextHost(Host):
    """One running SD.Next with its page and the probe."""

    name = "SD.Next"
    test_extensions = ()
    small = SMALL
    upscales_apart = True

    def __init__(
        self,
        folder: Path,
        python: Path,
        data: Path,
        *,
        with_todo: bool = True,
        theme: str = "Standard",
        arguments: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, python, data, extensions=(), arguments=arguments)
        self.with_todo = with_todo
        self.theme = theme

    def _lay_out_data(self) -> None:
        extensions = self.data / "extensions"
        extensions.mkdir(parents=True)
        for name, path in EXTENSIONS.items():
            if self.with_todo or path == PROBE:
                (extensions / name).symlink_to(path)
        options = {
            "sd_model_checkpoint": "Diffusers/tiny15",
            "diffusers_dir": str(self.webui / "models" / "Diffusers"),
            "samples_save": False,
            "grid_save": False,
            "theme_type": self.theme,
        }
        (self.data / "config.json").write_text(json.dumps(options))

    def _command(self) -> list[str]:
        where = ["--data-dir", str(self.data), "--models-dir", str(self.data / "models")]
        where += ["--port", str(self.port)]
        return [str(self.python), "launch.py", *ARGUMENTS, *where, *self.arguments]

    def _environment(self) -> dict[str, str]:
        # what a user's shell sets for SD.Next must not reach the host under test
        env = environment(self.webui, self.data)
        theirs = {name for name in env if name.startswith("SD_") and "WEBUI" not in name}
        return {name: env[name] for name in env.keys() - theirs} | {"CUDA_VISIBLE_DEVICES": ""}

    def _is_up(self) -> bool:
        if "Startup time:" not in self.log():
            return False
        return bool(requests.get(f"{self.url}/todo-probe/ready", timeout=20).json())

    def options(self) -> dict[str, Any]:
        """With the defaults: by itself the host tells only what was ever set."""
        known = self.get("/sdapi/v1/options-info")["options"]
        defaults = {name: option["default"] for name, option in known.items()}
        return defaults | super().options()

    def use(self, checkpoint: str) -> None:
        """Load one of MODELS."""
        self.set_options(sd_model_checkpoint=f"Diffusers/{checkpoint.removesuffix('_a')}")
        self.probe_reset()


def why_not() -> str | None:
    """Why the tests cannot run here, or None."""
    folder = os.environ.get("SD_NEXT_DIR")
    if not folder:
        return "SD_NEXT_DIR does not name an SD.Next"
    if not (Path(folder) / "modules" / "processing_diffusers.py").is_file():
        return f"SD_NEXT_DIR={folder} is no SD.Next: it has no modules/processing_diffusers.py"
    for name in MODELS:
        if not (Path(folder) / "models" / "Diffusers" / name / "model_index.json").is_file():
            return f"the SD.Next in {folder} has no models/Diffusers/{name}: see tiny_models.py"
    return None
