"""A real browser: Chromium without a window, spoken to over a pipe (Chrome DevTools Protocol)."""

import base64
import contextlib
import fcntl
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time

from .verdict import Failed, give_up_after, patient

# DevTools reads from 3 and writes to 4 with --remote-debugging-pipe: this puts our ends, which have other numbers, there.
_PLACE = """import os, sys
for end, place in zip(map(int, sys.argv[1:3]), (3, 4)):
    os.dup2(end, place)
    os.close(end)
os.execv(sys.argv[3], sys.argv[3:])
"""
_ABOVE = 10  # numbers that are in nobody's way
_FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
          "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
          "--force-color-profile=srgb", "--remote-debugging-pipe"]


def _pipe():
    """Its ends, far above 3 and 4."""
    low = os.pipe()
    ends = tuple(fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for each in low)
    for each in low:
        os.close(each)
    return ends


class Browser:
    """Chromium with one page. `events` is all that it told: (method, parameters)."""

    def __init__(self, s, size=(1280, 900)):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise Failed("there is no chromium (Debian package: chromium)")
        profile = s.path("browser")
        os.makedirs(profile, exist_ok=True)
        (reads, self._to), (self._from, writes) = _pipe(), _pipe()
        arguments = [program, *_FLAGS, f"--user-data-dir={profile}", "--window-size={},{}".format(*size), "about:blank"]
        self._log_path = s.path("browser.log")
        with open(self._log_path, "wb") as log:
            self._child = subprocess.Popen(  # pylint: disable=consider-using-with
                [sys.executable, "-c", _PLACE, str(reads), str(writes), *arguments], pass_fds=(reads, writes),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "HOME": profile}, start_new_session=True)
        os.close(reads)
        os.close(writes)
        fcntl.fcntl(self._from, fcntl.F_SETFL, os.O_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._from, selectors.EVENT_READ)
        self._bytes, self._number, self._answers, self.events, self._session = b"", 0, {}, [], None
        self.name = "browser"
        s.add(self)
        self._open_page()

    def _open_page(self):
        targets = self._ask("Target.getTargets", {}, patient(40))["targetInfos"]
        page = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def stop(self):
        """End it, with all that it has started."""
        with contextlib.suppress(Failed, OSError):
            self._session = None
            self.ask("Browser.close")
        try:
            self._child.wait(patient(10))
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        self._selector.close()
        for each in (self._from, self._to):
            os.close(each)

    def log_tail(self, lines):
        with open(self._log_path, errors="replace") as log:
            return log.read().splitlines()[-lines:]

    def ask(self, method, **parameters):
        """The answer to a DevTools command, sent to the page."""
        return self._ask(method, parameters, patient(20))

    def _ask(self, method, parameters, within):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + give_up_after(within)
        while self._number not in self._answers:
            self._read(until, method)
        answer = self._answers.pop(self._number)
        if "error" in answer:
            raise Failed(f"browser: {method}: {answer['error'].get('message')}")
        return answer["result"]

    def _read(self, until, why):
        if not self._selector.select(max(until - time.monotonic(), 0)):
            raise Failed(f"browser: no answer to {why}")
        piece = os.read(self._from, 1 << 20)
        if not piece:
            raise Failed(f"browser: it has ended ({self._child.wait()}) at {why}")
        *messages, self._bytes = (self._bytes + piece).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self.events.append((message["method"], message["params"]))

    # ---- the page

    def open(self, url):
        fault = self.ask("Page.navigate", url=url).get("errorText")
        if fault:
            raise Failed(f"browser: {url}: {fault}")

    def run(self, script):
        """The value of a JavaScript expression in the page; a promise is awaited."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failed(f"browser: {details.get('exception', {}).get('description', details['text'])}")
        return answer["result"].get("value")

    def texts(self, selector):
        """What is to be read in each element that the selector finds."""
        return self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.textContent)")

    def press(self, key, code=0, text=""):
        """Press and release a key, such as "Tab"."""
        codes = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}
        parameters = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, code)}
        text = text or {"Enter": "\r", " ": " "}.get(key, "")
        self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **parameters)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **parameters)

    def look(self, width, height, dark=False, phone=False):
        """The size of the window, and what the user prefers."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def picture(self, path):
        """Save what is seen as a PNG file."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def asked_for(self):
        """The addresses of all requests so far."""
        return [parameters["request"]["url"] for method, parameters in self.events if method == "Network.requestWillBeSent"]

    def complaints(self):
        """What the console and the log say: errors, warnings, exceptions, violations of the Content-Security-Policy."""
        found = []
        for method, parameters in self.events:
            if method == "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                found.append(" ".join(str(each.get("value")) for each in parameters["args"]))
        return found
