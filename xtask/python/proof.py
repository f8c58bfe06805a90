"""What the proofs that run beside a server share: the server, an even flow of requests, a question to the lake."""

import collections
import http.client
import json
import subprocess
import sys
import threading
import time


class Server:
    """`uncia serve` on a free port, and what it says."""

    def __init__(self, binary, config, data, noted=""):
        """`noted`: lines with this text are kept in `notes`."""
        self.process = subprocess.Popen(
            [binary, "--config", config, "--data-dir", data, "serve", "--listen", "127.0.0.1:0"],
            stderr=subprocess.PIPE, text=True, errors="replace",
        )
        self.port = None
        self.noted, self.notes = noted, []
        self.lines = collections.deque(maxlen=40)
        self.changed = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()
        self.wait("the server did not start", lambda: self.port)

    def _listen(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.rstrip())
                if "listening on" in line:
                    self.port = int(line.strip().rstrip("/").rsplit(":", 1)[1])
                if self.noted and self.noted in line:
                    self.notes.append(line.strip())
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait(self, what, holds, timeout=90):
        with self.changed:
            alive = lambda: self.process.poll() is None
            if not self.changed.wait_for(lambda: holds() or not alive(), timeout) or not holds():
                sys.exit(f"{what}; the server said:\n" + "\n".join(self.lines))


class Flow(threading.Thread):
    """Sends requests of `size` events at an even pace to the source `flow` until told to stop."""

    def __init__(self, port, rate, size):
        super().__init__(daemon=True)
        self.port, self.pause = port, size / rate
        self.stop = threading.Event()
        self.late = 0.0
        self.begun = self.ended = None

    def body(self):
        """The next request's."""
        raise NotImplementedError

    def answered(self, status):
        """Hears of the request that was sent last."""
        raise NotImplementedError

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.begun = due = time.monotonic()
        while not self.stop.is_set():
            connection.request("POST", "/http/flow", self.body(), {"content-type": "application/x-ndjson"})
            answer = connection.getresponse()
            answer.read()
            self.answered(answer.status)
            due += self.pause
            rest = due - time.monotonic()
            if rest > 0:
                time.sleep(rest)
            else:
                self.late = max(self.late, -rest)
        self.ended = time.monotonic()


def query(binary, data, sql):
    out = subprocess.run(
        [binary, "--data-dir", data, "query", "--format", "ndjson", sql], check=True, stdout=subprocess.PIPE
    ).stdout
    return [json.loads(line) for line in out.splitlines()]
