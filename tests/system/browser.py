"""A headless Chromium, steered by W3C WebDriver, as far as the tests need it: https://www.w3.org/TR/webdriver2/."""

from __future__ import annotations

import base64
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processes import eventually, http, running

#: The name by which the protocol hands out elements.
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

#: Nothing but what the test asks for: no reports, no updates, no sandbox, which root cannot have.
_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--window-size=900,900",
)  # fmt: skip


class Browser:
    """One window. What is looked for is named by a CSS selector."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        self._post("url", url=url)

    def type(self, selector: str, text: str) -> None:
        """Put *text* in the place of what stands in a field."""
        element = self._element(selector)
        self._post(f"{element}/clear")
        if text:
            self._post(f"{element}/value", text=text)

    def click(self, selector: str) -> None:
        self._post(f"{self._element(selector)}/click")

    def press(self, *keys: str) -> None:
        """Press *keys*, one after the other, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._post("actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def run(self, script: str) -> Any:
        return self._post("execute/sync", script=script, args=[])

    def text(self, selector: str) -> str:
        """Return what a reader sees of an element."""
        return str(self._get(f"{self._element(selector)}/text"))

    def role(self, selector: str) -> tuple[str, str]:
        """Return what assistive technology is told of an element: its role and its name."""
        element = self._element(selector)
        return self._get(f"{element}/computedrole"), self._get(f"{element}/computedlabel")

    def complaints(self) -> list[str]:
        """Return what Chromium has written into its console since it was asked last."""
        return [entry["message"] for entry in self._post("se/log", type="browser")]

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self._get("screenshot")))

    def _element(self, selector: str) -> str:
        return f"element/{self._post('element', using='css selector', value=selector)[_ELEMENT]}"

    def _get(self, path: str) -> Any:
        return _value("GET", f"{self._session}/{path}")

    def _post(self, path: str, **parameters: Any) -> Any:
        return _value("POST", f"{self._session}/{path}", json=parameters)


@contextmanager
def chromium(directory: Path) -> Iterator[Browser]:
    """Run a Chromium that keeps what it writes in *directory*."""
    driver = shutil.which("chromedriver")
    assert driver is not None, "there is no chromedriver (apt-get install chromium chromium-driver)"
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "TMPDIR": str(directory)}
    with running([driver, f"--port={port}", "--log-level=SEVERE"], env=environment):
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: _is_ready(address))
        options = {"args": [*_ARGUMENTS, f"--user-data-dir={directory / 'profile'}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = _value("POST", f"{address}/session", json={"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        try:
            yield Browser(f"{address}/session/{session}")
        finally:
            _value("DELETE", f"{address}/session/{session}")


def _is_ready(address: str) -> bool:
    try:
        return bool(_value("GET", f"{address}/status")["ready"])
    except OSError:
        return False


def _value(method: str, url: str, **options: Any) -> Any:
    answer = http(method, url, **options).json()["value"]
    assert not (isinstance(answer, dict) and "error" in answer), answer
    return answer
