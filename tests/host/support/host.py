"""Start a real WebUI on the CPU, offline, and talk to it.

The WebUI's folder is only read: settings, extensions and outputs live in a data folder of our own.
"""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import requests
import told
from kinds import ARGUMENTS, CHECKPOINT, Kind
from program import HostError, Program

REPOSITORY = Path(__file__).resolve().parents[3]
TEST_EXTENSIONS = Path(__file__).resolve().parents[1] / "test_extensions"
PROBE, TINY_SHAPES = TEST_EXTENSIONS / "probe", TEST_EXTENSIONS / "tiny_shapes"
REQUEST_SECONDS = 600
STARTED = "Startup time:"

SMALL: dict[str, Any] = {
    "prompt": "a cat",
    "seed": 1,
    "steps": 4,
    "width": 256,
    "height": 256,
    "cfg_scale": 7,
    "sampler_name": "Euler",
    "do_not_save_samples": True,
    "do_not_save_grid": True,
}


class Host(Program):
    """One running WebUI; use it as a context manager."""

    # whether all that runs is told of: no generation inside another, no two clients at once
    tells_all = True
    # whether pictures may be larger than the last pass made them
    upscales_apart = False

    def __init__(
        self,
        kind: Kind,
        data: Path,
        *,
        extensions: Sequence[Path] = (REPOSITORY,),
        test_extensions: Sequence[Path] = (PROBE,),
        with_ui: bool = True,
        arguments: Sequence[str] = (),
    ) -> None:
        super().__init__(data)
        self.kind = kind
        self.name = kind.name
        self._folder = kind.folder()
        self.extensions = extensions
        self.test_extensions = (*test_extensions, *([TINY_SHAPES] if kind.family else []))
        self.with_ui = with_ui
        self.arguments = arguments

    def _lay_out_data(self) -> None:
        links = self.data / "extensions"
        links.mkdir(parents=True, exist_ok=True)
        for path in self.test_extensions:
            # first in the host's alphabetical order, so that the probe sees the bare host
            (links / f"00-todo-{path.name}").symlink_to(path)
        for path in self.extensions:
            (links / ("sd-webui-todo" if path == REPOSITORY else path.name)).symlink_to(path)
        (self.data / "styles.csv").write_text("name,prompt,negative_prompt\nfoggy,in fog,sun\n")
        models = self.data / "models"
        models.mkdir()
        (models / "VAE-approx").symlink_to(self._folder / "models" / "VAE-approx")

    def _command(self) -> list[str]:
        folder = self._folder / "models" / "Stable-diffusion"
        checkpoints = self.kind.checkpoints.format(folder=folder, file=folder / CHECKPOINT)
        command = [str(self.kind.python()), "launch.py", "--port", str(self.port)]
        command += f"{ARGUMENTS} {self.kind.arguments} {checkpoints}".split()
        command += ["--data-dir", str(self.data)]
        if self.kind.family:
            # gradio 4 serves no other files than those of the data folder
            for path in (self._folder, REPOSITORY):
                command += ["--gradio-allowed-path", str(path)]
        if not self.with_ui:
            command.append("--nowebui")
        return [*command, *(argument.format(data=self.data) for argument in self.arguments)]

    def _is_up(self) -> bool:
        """Not asked before the page is there: the first request starts the app, which grows on.

        A request while the first checkpoint is still loading makes the host load it twice at once,
        which breaks both.
        """
        if self.with_ui and STARTED not in self.log():
            return False
        answer = requests.get(f"{self.url}/todo-probe/ready", timeout=20)
        return bool(answer.ok and answer.json())

    def reload(self) -> None:
        """Reload the UI, as the button on the settings page does, and wait until it is back."""
        starts = self.log().count(STARTED)
        self.post("/todo-probe/reload")
        self.wait_for_start(starts)
        assert self.get("/todo-probe/ready")
        self.probe_reset()

    def wait_for_start(self, starts: int) -> None:
        """Until it has started once more than `starts` times."""
        deadline = time.monotonic() + self.most_start_seconds
        while self.log().count(STARTED) == starts:
            assert time.monotonic() < deadline, self.log_tail()
            time.sleep(0.2)

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """A request as it is, for tests that expect an error."""
        kwargs.setdefault("timeout", REQUEST_SECONDS)
        return requests.request(method, self.url + path, **kwargs)

    def get(self, path: str, **parameters: Any) -> Any:
        return self._answer(self.request("GET", path, params=parameters))

    def post(self, path: str, body: Any = None, **parameters: Any) -> Any:
        return self._answer(self.request("POST", path, json=body, params=parameters))

    def _answer(self, response: requests.Response) -> Any:
        if not response.ok:
            raise HostError(f"{response.status_code} {response.url}: {response.text[:2000]}")
        return response.json()

    def use(self, checkpoint: str) -> None:
        """Load a checkpoint; not by `override_settings`, which the host may load twice."""
        self.set_options(sd_model_checkpoint=checkpoint)
        self.probe_reset()

    def body(self, **changes: Any) -> dict[str, Any]:
        """SMALL changed, as this host takes it."""
        asked = {**SMALL, **self.kind.needs, **changes}
        if asked.get("hr_upscaler") == "Latent":
            asked["hr_upscaler"] = self.kind.upscaler
        return asked

    def takes(self, field: str) -> bool:
        """Whether txt2img takes a field, by the host's own description of its API."""
        described = self.get("/openapi.json")
        body = described["paths"]["/sdapi/v1/txt2img"]["post"]["requestBody"]["content"]
        name = body["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        return field in described["components"]["schemas"][name]["properties"]

    def needs_texts(self) -> None:
        """Skip the test where the API reads no infotext."""
        if not self.takes("infotext"):
            pytest.skip("before 1.8 the API reads no infotext")

    def body_of_text(self, text: str, **changes: Any) -> dict[str, Any]:
        """A request from an infotext; Forge fails at lists that it has to take from the text.

        And a host reads "the same" out of a text in words that its API then refuses.
        """
        self.needs_texts()
        same = {"hr_sampler_name": "Euler", "hr_scheduler": "Automatic"}
        quiet = {name: SMALL[name] for name in ("do_not_save_samples", "do_not_save_grid")}
        lists = {"styles": []} if self.kind.family else {}
        return {**self.kind.needs, **quiet, **same, **lists, "infotext": text, **changes}

    def txt2img(self, **body: Any) -> dict[str, Any]:
        """Generate from SMALL changed by `body`."""
        return self._generate("txt2img", self.body(**body))

    def img2img(self, image: bytes, **body: Any) -> dict[str, Any]:
        """Generate from an image file and SMALL changed by `body`."""
        return self._generate("img2img", self.img2img_body(image, **body))

    def img2img_body(self, image: bytes, **changes: Any) -> dict[str, Any]:
        return self.body(init_images=[base64.b64encode(image).decode()], **changes)

    def from_text(self, text: str, **changes: Any) -> dict[str, Any]:
        """Generate what an image's text says."""
        return self._generate("txt2img", self.body_of_text(text, **changes))

    def refusal(self, kind: str = "txt2img", **body: Any) -> str:
        """What a request that must be refused is answered: no image is made, no layer called."""
        response = self.request("POST", f"/sdapi/v1/{kind}", json=body)
        assert response.status_code == 422, response.text[:500]
        assert "images" not in response.json()
        assert self.probe_counts()["unet_calls"] == 0
        return str(response.json()["detail"])

    def _generate(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Generate; what is told of it has to be what the probe saw."""
        scripts = body.get("alwayson_scripts", {})
        held = self.tells_all and ("ToDo" in scripts or "infotext" in body)
        before = told.seen_calls(self.probe_counts()["rows"]) if held else Counter()
        answer = dict(self.post(f"/sdapi/v1/{kind}", body))
        if held:
            seen = told.seen_calls(self.probe_counts()["rows"])
            plain = set(scripts) <= {"ToDo"} and not body.keys() & {"script_name", "mask"}
            pictures = images(answer) if plain else None
            told.check(told.info(answer), seen - before, pictures, self.upscales_apart)
        return answer

    def text_of(self, image: bytes) -> str:
        """What the host reads out of an image's file."""
        answer = self.post("/sdapi/v1/png-info", {"image": base64.b64encode(image).decode()})
        return str(answer["info"])

    def options(self) -> dict[str, Any]:
        return dict(self.get("/sdapi/v1/options"))

    def set_options(self, **options: Any) -> None:
        self.post("/sdapi/v1/options", options)

    @contextmanager
    def options_set(
        self, extension_defaults: Mapping[str, Any] = MappingProxyType({}), /, **options: Any
    ) -> Iterator[None]:
        """Have these options inside the `with` block and the ones before it afterwards.

        Not by `override_settings`: the host does not take back a key that it never saved. It does
        not tell the values of extensions' options either: name those in `extension_defaults`.
        """
        known = {**self.options(), **extension_defaults}
        before = {name: known[name] for name in options}
        self.set_options(**options)
        try:
            yield
        finally:
            self.set_options(**before)

    def script_info(self, name: str, is_img2img: bool = False) -> dict[str, Any]:
        """What script-info lists of the one script with this title, in small letters."""
        (found,) = [
            script
            for script in self.get("/sdapi/v1/script-info")
            if (script["name"], script["is_img2img"]) == (name, is_img2img)
        ]
        return dict(found)

    def probe_reset(self) -> None:
        self.post("/todo-probe/reset")

    def probe_counts(self) -> dict[str, Any]:
        """`unet_calls`, and `rows` with generation, in_pass, step, grid, tokens, layer, calls."""
        return dict(self.get("/todo-probe/counts"))

    def watch_positions(self) -> None:
        """From now to the next reset, have the probe find which tokens pooled layers are given."""
        self.post("/todo-probe/watch_positions")

    def probe_positions(self) -> list[dict[str, Any]]:
        """Each pooled call's `step`, `grid` and which tokens it was given."""
        return list(self.get("/todo-probe/positions")["calls"])

    def probe_leftovers(self) -> dict[str, list[str]]:
        """`classes`, `instances` and `hooks`: what the bare host does not have."""
        return dict(self.get("/todo-probe/leftovers"))

    def probe_fault(self, action: str, call: int) -> None:
        """Reset; then in that call of the U-Net interrupt, skip, or raise what `action` names."""
        self.probe_reset()
        self.post("/todo-probe/fault", action=action, call=call)

    def probe_lattice(self, factor: float, threshold: int) -> None:
        """Reset the probe, and have it pool by itself until the next reset, to compare with."""
        self.probe_reset()
        self.post("/todo-probe/lattice", factor=factor, threshold=threshold)


def images(answer: dict[str, Any]) -> list[bytes]:
    """The images of an answer, as PNG files."""
    return [base64.b64decode(image) for image in answer["images"]]


HostFactory = Callable[..., Host]
