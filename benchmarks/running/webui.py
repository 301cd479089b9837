"""A client for the API of a running WebUI."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import Any

import requests
from PIL import Image

REQUEST_SECONDS = 1800


@dataclasses.dataclass(frozen=True)
class WebUI:
    """A WebUI at `url` that runs with --api and this extension."""

    url: str

    def checkpoint(self) -> str:
        """Its name and the short form of its hash, as the WebUI writes them."""
        return self._get("options")["sd_model_checkpoint"]

    def samplers(self) -> list[str]:
        """The names of all its samplers."""
        return [sampler["name"] for sampler in self._get("samplers")]

    def generate(
        self,
        todo: dict[str, Any] | None,
        options: dict[str, Any] | None = None,
        start: Image.Image | None = None,
        **request: Any,
    ) -> Image.Image:
        """One image.

        Args:
            todo: ToDo's settings; None switches it off.
            options: the WebUI's own settings, for this request.
            start: the initial image of image to image; without it, text to image.
            request: the other fields of the request.

        Raises:
            requests.HTTPError: the WebUI refused or failed.
        """
        asked = {"enabled": False} if todo is None else {**todo, "enabled": True}
        # the host does not restore an option that was never saved, so each request sets all of them
        plain = {"token_merging_ratio": 0, "hypertile_enable_unet": False}
        body = {
            "do_not_save_samples": True,
            "do_not_save_grid": True,
            "override_settings": {**plain, **(options or {})},
            "alwayson_scripts": {"ToDo": {"args": [asked]}},
            **request,
        }
        if start is not None:
            body["init_images"] = [_as_text(start)]
        path = "txt2img" if start is None else "img2img"
        answer = requests.post(f"{self.url}/sdapi/v1/{path}", json=body, timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        return Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0])))

    def _get(self, what: str) -> Any:
        answer = requests.get(f"{self.url}/sdapi/v1/{what}", timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        return answer.json()


def _as_text(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "png")
    return base64.b64encode(data.getvalue()).decode()
