"""A server that stands for the WebUI and reads requests as the extension does."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from PIL import Image

from lib_todo import Settings, SettingsError

PATHS = ("/sdapi/v1/txt2img", "/sdapi/v1/img2img")


class WebuiStandIn(HTTPServer):
    """Answers a generation request with an image; `accepted` holds the settings of each."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accepted: list[Settings] = []

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: WebuiStandIn

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            if self.path not in PATHS or list(request["alwayson_scripts"]) != ["ToDo"]:
                raise LookupError(f"{self.path}: {list(request)}")
            settings = Settings.from_args(request["alwayson_scripts"]["ToDo"]["args"])
        except (LookupError, SettingsError) as error:
            self._answer(422, {"detail": str(error)})
            return
        self.server.accepted.append(settings)
        info = {"extra_generation_params": {"ToDo report": "{}"}}
        into = io.BytesIO()
        Image.new("RGB", (request.get("width", 512), request.get("height", 512))).save(into, "png")
        image = base64.b64encode(into.getvalue()).decode()
        self._answer(200, {"images": [image], "info": json.dumps(info)})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""


@contextmanager
def webui() -> Iterator[WebuiStandIn]:
    """The server, answering until the `with` is left."""
    with WebuiStandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
