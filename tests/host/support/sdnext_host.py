"""Start a real SD.Next on the CPU and talk to it; its folder is only read."""

from __future__ import annotations

import json
from typing import Any

from host import STARTED, Host


class SdNextHost(Host):
    """One running SD.Next with its page and the probe."""

    upscales_apart = True

    def _lay_out_data(self) -> None:
        super()._lay_out_data()
        options = {
            "sd_model_checkpoint": "Diffusers/tiny15",
            "diffusers_dir": str(self._folder / "models" / "Diffusers"),
            "samples_save": False,
            "grid_save": False,
            "theme_type": "Standard",
        }
        (self.data / "config.json").write_text(json.dumps(options))

    def _command(self) -> list[str]:
        command = [str(self.kind.python()), "launch.py", "--skip-all", "--no-half"]
        command += ["--data-dir", str(self.data), "--models-dir", str(self.data / "models")]
        return [*command, "--port", str(self.port)]

    def _environment(self) -> dict[str, str]:
        # what a user's shell sets for SD.Next must not reach the host under test
        env = super()._environment()
        theirs = {name for name in env if name.startswith("SD_") and "WEBUI" not in name}
        # it writes a set into an image's text, in an order that each process has for itself
        ours = {"CUDA_VISIBLE_DEVICES": "", "PYTHONHASHSEED": "0"}
        return {name: env[name] for name in env.keys() - theirs} | ours

    def _is_up(self) -> bool:
        return STARTED in self.log() and bool(self.get("/todo-probe/ready"))

    def body(self, **changes: Any) -> dict[str, Any]:
        body = super().body(**changes)
        return {name: body[name] for name in body if not name.startswith("do_not_save_")}

    def options(self) -> dict[str, Any]:
        """With the defaults: by itself the host tells only what was ever set."""
        known = self.get("/sdapi/v1/options-info")["options"]
        defaults = {name: option["default"] for name, option in known.items()}
        return defaults | super().options()

    def use(self, checkpoint: str) -> None:
        """Load one of the tiny models; there is one of each kind."""
        super().use(f"Diffusers/{checkpoint.removesuffix('_a')}")
