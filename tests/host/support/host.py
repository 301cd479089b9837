"""Start a real WebUI on the CPU, offline, and talk to it.

The WebUI's folder is only read: settings, extensions and outputs live in a data folder of our own.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests
from launching import environment
from program import HostError, Program
from told import check, seen_calls

REPOSITORY = Path(__file__).resolve().parents[3]
TEST_EXTENSIONS = Path(__file__).resolve().parents[1] / "test_extensions"
PROBE = TEST_EXTENSIONS / "probe"
CHECKPOINT = "tiny15_a.safetensors"
START_SECONDS = 400
REQUEST_SECONDS = 600

ARGUMENTS = (
    "--skip-prepare-environment --skip-torch-cuda-test --skip-version-check "
    "--skip-python-version-check --use-cpu all --opt-sdp-attention --no-half --precision full "
    "--disable-nan-check --api --server-name 127.0.0.1 --do-not-download-clip "
    "--no-download-sd-model --disable-console-progressbars"
).split()

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
    """One running WebUI; use it as a context manager, or call `start` and `stop`."""

    name = "the WebUI"
    most_start_seconds = START_SECONDS
    host_arguments: Sequence[str] = ARGUMENTS
    # First in the host's alphabetical order, so that the probe sees the bare host.
    test_extensions: Sequence[Path] = (PROBE,)
    # what every request asks for unless it says otherwise
    small: Mapping[str, Any] = SMALL
    # whether all that runs is told of: no generation inside another, no two clients at once
    tells_all = True
    # whether pictures may be larger than the last pass made them
    upscales_apart = False

    def __init__(
        self,
        webui: Path,
        python: Path,
        data: Path,
        *,
        extensions: Sequence[Path] = (REPOSITORY,),
        with_ui: bool = False,
        arguments: Sequence[str] = (),
    ) -> None:
        super().__init__(data)
        self.webui = webui
        self.python = python
        self.extensions = extensions
        self.with_ui = with_ui
        self.arguments = arguments

    def _lay_out_data(self) -> None:
        links = self.data / "extensions"
        links.mkdir(parents=True, exist_ok=True)
        for name, path in self._named_extensions():
            (links / name).symlink_to(path)
        models = self.data / "models"
        models.mkdir()
        (models / "VAE-approx").symlink_to(self.webui / "models" / "VAE-approx")

    def _named_extensions(self) -> Iterator[tuple[str, Path]]:
        for path in self.test_extensions:
            yield f"00-todo-{path.name}", path
        for path in self.extensions:
            yield "sd-webui-todo" if path == REPOSITORY else path.name, path

    def _command(self) -> list[str]:
        checkpoints = self.webui / "models" / "Stable-diffusion"
        command = [str(self.python), "launch.py", *self.host_arguments, "--port", str(self.port)]
        command += ["--data-dir", str(self.data), *self._checkpoint_arguments(checkpoints)]
        if not self.with_ui:
            command.append("--nowebui")
        return [*command, *self.arguments]

    def _checkpoint_arguments(self, folder: Path) -> list[str]:
        return ["--ckpt-dir", str(folder), "--ckpt", str(folder / CHECKPOINT)]

    def _environment(self) -> dict[str, str]:
        return environment(self.webui, self.data)

    def _folder(self) -> Path:
        return self.webui

    def _is_up(self) -> bool:
        """Not asked before the page is there: the first request starts the app, which grows on.

        A request while the first checkpoint is still loading makes the host load it twice at once,
        which breaks both.
        """
        if self.with_ui and "Startup time:" not in self.log():
            return False
        answer = requests.get(f"{self.url}/todo-probe/ready", timeout=5)
        return bool(answer.ok and answer.json())

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

    @classmethod
    def body(cls, **changes: Any) -> dict[str, Any]:
        """`small` changed, for a request of one's own."""
        return {**cls.small, **changes}

    @classmethod
    def img2img_body(cls, image: bytes, **changes: Any) -> dict[str, Any]:
        """The same with an image file to start from."""
        return {**cls.small, "init_images": [base64.b64encode(image).decode()], **changes}

    def txt2img(self, **body: Any) -> dict[str, Any]:
        """Generate from `small` changed by `body`."""
        return self._generate("/sdapi/v1/txt2img", {**self.small, **body})

    def img2img(self, image: bytes, **body: Any) -> dict[str, Any]:
        """Generate from an image file and `small` changed by `body`."""
        return self._generate("/sdapi/v1/img2img", self.img2img_body(image, **body))

    def _generate(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Generate; what is told of it has to be what the probe saw."""
        held = self.tells_all and "ToDo" in body.get("alwayson_scripts", {})
        before = seen_calls(self.probe_counts()["rows"]) if held else Counter()
        answer = dict(self.post(path, body))
        if held:
            seen = seen_calls(self.probe_counts()["rows"])
            alone = body["alwayson_scripts"].keys() == {"ToDo"}
            plain = alone and not body.keys() & {"script_name", "mask"}
            pictures = images(answer) if plain else None
            check(json.loads(answer["info"]), seen - before, pictures, self.upscales_apart)
        return answer

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

    def script_info(self) -> list[dict[str, Any]]:
        return list(self.get("/sdapi/v1/script-info"))

    def progress(self) -> dict[str, Any]:
        return dict(self.get("/sdapi/v1/progress", skip_current_image=True))

    def interrupt(self) -> None:
        self.post("/sdapi/v1/interrupt")

    def skip(self) -> None:
        self.post("/sdapi/v1/skip")

    def probe_reset(self) -> None:
        self.post("/todo-probe/reset")

    def probe_counts(self) -> dict[str, Any]:
        """`unet_calls`, and `rows` with generation, in_pass, step, grid, tokens, layer, calls."""
        return dict(self.get("/todo-probe/counts"))

    def probe_positions(self) -> list[dict[str, Any]]:
        """Each pooled call's `step`, `grid`, `layer` and which tokens it was given."""
        return list(self.get("/todo-probe/positions")["calls"])

    def probe_leftovers(self) -> dict[str, list[dict[str, str]]]:
        """`classes`, `instances` and `hooks`: what the bare host does not have."""
        return dict(self.get("/todo-probe/leftovers"))

    def probe_fault(self, action: str, **parameters: Any) -> None:
        """Arm `raise`, `interrupt` or `skip`; see the probe's `fault` for the parameters."""
        self.post("/todo-probe/fault", action=action, **parameters)

    def probe_lattice(self, factor: int, threshold: int) -> None:
        """Have the probe pool by itself until the next reset, to compare images with."""
        self.post("/todo-probe/lattice", factor=factor, threshold=threshold)


def images(answer: dict[str, Any]) -> list[bytes]:
    """The images of an answer, as PNG files."""
    return [base64.b64decode(image) for image in answer["images"]]


HostFactory = Callable[..., Host]
