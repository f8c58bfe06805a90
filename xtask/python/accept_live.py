"""Looks at how long alerts take while `uncia replay` runs beside the server, and while it does not.

Events come in at an even pace; one of each request matches a rule under a dedup string of its own. Its time is from the
moment its request was answered until its alert can be read from the store. Quiet phases and phases with a replay over the
history, again and again, take turns, so that what else happens on the machine meets both.

    every request's alert came        none is missing, none is there twice
    the 99th percentile with replay   within a tenth of that without

    accept_live.py BINARY [--rate EVENTS_PER_SECOND] [--seconds PER_PHASE] [--turns N] [--history EVENTS]
"""

import argparse
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import proof

LINES_PER_REQUEST = 100
WITHIN = 1.10

CONFIG = """
[detections]
bundled = false
folders = ["{content}"]

[[sources.http]]
id = "flow"
log_types = ["Zeek.DNS"]
auth = {{ method = "none" }}
"""

# Python all the way, so that both sides have something to do.
RULE = '''
import hashlib


def rule(event):
    for _ in range(5):
        hashlib.sha256(event.get("query").encode()).hexdigest()
    return event.get("query").startswith("marker")


def title(event):
    return event.get("query")


def dedup(event):
    return event.get("query")
'''
RULE_YAML = """
AnalysisType: rule
RuleID: Accept.Live
Enabled: true
Filename: live.py
LogTypes: [Zeek.DNS]
Severity: Low
"""
LINE = (
    '{"_path":"dns","ts":"2018-03-24T17:15:20.865716Z","uid":"C%d","id.orig_h":"10.47.1.100","id.orig_p":41772,'
    '"id.resp_h":"10.0.0.100","id.resp_p":53,"proto":"udp","query":"%s%d.example"}\n'
)


class Flow(proof.Flow):
    """Each request holds one event that matches; `times` says when it was answered, by the alert's title."""

    def __init__(self, port, rate):
        super().__init__(port, rate, LINES_PER_REQUEST)
        self.times = {}

    def body(self):
        number = len(self.times)
        start = number * LINES_PER_REQUEST
        rest = (LINE % (n, "host", n) for n in range(start + 1, start + LINES_PER_REQUEST))
        return LINE % (start, "marker", number) + "".join(rest)

    def answered(self, status):
        if status != 200:
            sys.exit(f"a request was refused: {status}")
        self.times[f"marker{len(self.times)}.example"] = time.monotonic()


class Alerts(threading.Thread):
    """Notes when each alert can be read."""

    def __init__(self, store):
        super().__init__(daemon=True)
        self.store = store
        self.stop = threading.Event()
        self.seen = {}

    def run(self):
        connection = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10)
        last = 0
        while not self.stop.is_set():
            rows = connection.execute("SELECT rowid, title FROM alerts WHERE rowid > ? ORDER BY rowid", (last,)).fetchall()
            now = time.monotonic()
            for rowid, title in rows:
                last = rowid
                if title in self.seen:
                    sys.exit(f"{title} has two alerts")
                self.seen[title] = now
            time.sleep(0.004)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def replays(command, stop):
    """Replays the history until told to stop; how many events were judged."""
    judged = 0
    while not stop.is_set():
        process = subprocess.Popen(
            [*command, "replay", "--from", "2018-01-01", "--to", "2019-01-01"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        while process.poll() is None and not stop.wait(0.05):
            pass
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            continue
        said = process.stderr.read()
        if process.returncode:
            sys.exit(f"replay failed: {said}")
        judged += int(said.strip().splitlines()[-1].split()[0])
    return judged


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--history", type=int, default=300_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        run(arguments, pathlib.Path(home))


def run(arguments, home):
    content, config, data = home / "content", home / "uncia.toml", home / "data"
    content.mkdir()
    config.write_text(CONFIG.format(content=content))
    (content / "live.py").write_text(RULE)
    (content / "live.yml").write_text(RULE_YAML)
    history = home / "history.ndjson"
    history.write_text("".join(LINE % (n, "host", n) for n in range(arguments.history)))
    command = [arguments.binary, "--config", config, "--data-dir", data]
    subprocess.run([*command, "ingest", history], check=True, stdout=subprocess.DEVNULL)

    server = proof.Server(arguments.binary, config, data)
    flow = Flow(server.port, arguments.rate)
    alerts = Alerts(data / "store.sqlite")
    flow.start()
    alerts.start()
    time.sleep(5)
    phases, judged = [], 0
    for turn in range(2 * arguments.turns):
        beside = turn % 2 == 1
        stop, done = threading.Event(), []
        replaying = threading.Thread(target=lambda: done.append(replays(command, stop)), daemon=True)
        if beside:
            replaying.start()
            time.sleep(2)
        begun = time.monotonic()
        time.sleep(arguments.seconds)
        phases.append((beside, begun, time.monotonic()))
        stop.set()
        if beside:
            replaying.join()
            judged += sum(done)
        time.sleep(2)
    flow.stop.set()
    flow.join()
    deadline = time.monotonic() + 60
    while len(alerts.seen) < len(flow.times) and time.monotonic() < deadline:
        time.sleep(0.1)
    alerts.stop.set()
    alerts.join()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=300)

    missing = [title for title in flow.times if title not in alerts.seen]
    times = {False: [], True: []}
    for title, answered in flow.times.items():
        for beside, begun, ended in phases:
            if begun <= answered < ended and title in alerts.seen:
                times[beside].append(alerts.seen[title] - answered)
    events = len(flow.times) * LINES_PER_REQUEST
    print(f"{events} events at {arguments.rate}/s, never more than {flow.late:.2f} s late; "
          f"{len(flow.times)} alerts due, {len(missing)} missing")
    print(f"{'answer to alert, ms':<24}{'p50':>8}{'p90':>8}{'p99':>8}{'samples':>9}")
    figures = {}
    for beside, name in ((False, "alone"), (True, "beside a replay")):
        figures[beside] = [percentile(times[beside], share) for share in (0.5, 0.9, 0.99)]
        print(f"{name:<24}" + "".join(f"{1e3 * value:>8.0f}" for value in figures[beside]) + f"{len(times[beside]):>9}")
    ratio = [with_replay / alone for alone, with_replay in zip(figures[False], figures[True])]
    print(f"{'ratio':<24}" + "".join(f"{value:>8.2f}" for value in ratio) + f"   whole replays meanwhile: {judged} events")
    checks = {
        "every request's alert came": not missing,
        "a replay was at work": judged > 0,
        f"the 99th percentile is within {WITHIN:.2f} of that without": ratio[2] <= WITHIN,
    }
    for what, holds in checks.items():
        print(f"{'ok ' if holds else 'BAD'} {what}")
    if not all(checks.values()):
        sys.exit(1)


main()
