"""Kills a serving Uncia with SIGKILL again and again, and counts what became of every event.

Real log lines are sent over HTTP in requests that carry their own name and the attempt's number in an extra field. The
server is killed in four windows, told apart by what it said last on stderr (debug lines of the walk):

    before ack      a request is on its way and not answered
    ack -> file     answered, nothing staged since
    file -> commit  staged, not committed
    commit -> next  committed, nothing accepted since

After the last restart every acknowledged attempt must be in the lake exactly once, every unacknowledged one either not
at all or once, and the alerts must count each match once.

The same is done to `uncia ingest` of the same lines in files, which is simply started again: there every line must be a
row once, and the windows are those after the last one's commit, after staging, and between.

    accept_kill.py BINARY LINES.gz... [--kills N] [--events N]
"""

import argparse
import collections
import gzip
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

WINDOWS = ["before ack", "ack -> file", "file -> commit", "commit -> next"]
LINES_PER_REQUEST = 250

CONFIG = """
[batch]
max_wait_ms = 20

[detections]
bundled = false
folders = ["{rules}"]
workers = 1

[[sources.http]]
id = "zeek"
auth = {{ method = "none" }}
"""

RULE = '''
def rule(event):
    return event.get("kill_line") == 0


def dedup(event):
    return event.get("kill_request", "")


def title(event):
    return f"request {event.get('kill_request')}"
'''

RULE_YAML = """
AnalysisType: rule
RuleID: Accept.Kill
Enabled: true
Filename: accept_kill.py
LogTypes: [Zeek.DNS, Zeek.Ssl, Zeek.Weird, Zeek.RDP, Zeek.SMTP, Zeek.Software, Zeek.X509, Zeek.Notice, Zeek.Ssh]
Severity: Low
DedupPeriodMinutes: 1440
"""


class Server:
    """One life of `uncia serve`: says what window it is in, and dies on request."""

    def __init__(self, binary, config, data):
        environment = dict(os.environ, UNCIA_LOG="warn,uncia_pipeline=debug")
        self.process = subprocess.Popen(
            [binary, "--config", config, "--data-dir", data, "serve", "--listen", "127.0.0.1:0"],
            stderr=subprocess.PIPE, env=environment, text=True, errors="replace",
        )
        self.window = "commit -> next"
        self.port = None
        self.lines = collections.deque(maxlen=30)
        self.changed = threading.Condition()
        self.target = None
        self.killed_in = None
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            with self.changed:
                if "listening on" in line:
                    self.port = int(line.split("listening on")[1].strip().rstrip("/").rsplit(":", 1)[1])
                for word, window in ((" accepted", "ack -> file"), (" staged", "file -> commit"), (" committed", "commit -> next")):
                    if word in line:
                        self.window = window
                if self.target and self.window == self.target and self.killed_in is None:
                    self._kill(self.window)
                self.changed.notify_all()

    def _kill(self, window):
        self.killed_in = window
        self.process.send_signal(signal.SIGKILL)

    def kill(self, window):
        with self.changed:
            if self.killed_in is None:
                self._kill(window)

    def wait_ready(self):
        with self.changed:
            if not self.changed.wait_for(lambda: self.port or self.process.poll() is not None, timeout=60) or not self.port:
                sys.exit("the server did not start:\n" + "\n".join(self.lines))


def send(port, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/http/zeek", body, {"content-type": "application/x-ndjson"})
        answer = connection.getresponse()
        answer.read()
        return answer.status // 100 == 2
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def query(binary, data, sql):
    out = subprocess.run([binary, "--data-dir", data, "query", "--format", "ndjson", sql], check=True, stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in out.splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("logs", nargs="+")
    parser.add_argument("--kills", type=int, default=10, help="in each window")
    parser.add_argument("--events", type=int, default=130_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)

    lines = []
    for path in arguments.logs:
        with gzip.open(path, "rt") as log:
            lines.extend(log)
    lines = (lines * (arguments.events // len(lines) + 1))[: arguments.events]
    requests = [lines[at : at + LINES_PER_REQUEST] for at in range(0, len(lines), LINES_PER_REQUEST)]

    with tempfile.TemporaryDirectory() as home:
        print("over HTTP")
        run(arguments, chance, requests, pathlib.Path(home))
    with tempfile.TemporaryDirectory() as home:
        print("from files")
        run_files(arguments, chance, lines, pathlib.Path(home))


def run(arguments, chance, requests, home):
    rules = home / "rules"
    rules.mkdir()
    (rules / "accept_kill.py").write_text(RULE)
    (rules / "accept_kill.yml").write_text(RULE_YAML)
    config = home / "uncia.toml"
    config.write_text(CONFIG.format(rules=home))
    data = home / "data"

    acknowledged, unanswered, histogram = {}, {}, collections.Counter()
    left = {window: arguments.kills for window in WINDOWS}
    pending = list(range(len(requests)))
    attempts = collections.Counter()
    every = max(1, len(requests) // (len(WINDOWS) * arguments.kills + 1))
    server = Server(arguments.binary, config, data)
    server.wait_ready()
    sent_in_life = 0
    while pending:
        name = pending[0]
        attempts[name] += 1
        attempt = f"{name}-{attempts[name]}"
        body = "".join(
            line.rstrip()[:-1] + f',"kill_request":"{attempt}","kill_line":{number}}}\n'
            for number, line in enumerate(requests[name])
        ).encode()
        open_windows = [window for window in WINDOWS if left[window] > 0]
        due = open_windows and sent_in_life >= chance.randint(1, 2 * every)
        if due:
            target = max(open_windows, key=lambda window: (left[window], chance.random()))
            if target == "before ack":
                timer = threading.Timer(chance.uniform(0, 0.008), server.kill, [target])
                timer.start()
            else:
                with server.changed:
                    server.target = target
        ok = send(server.port, body)
        (acknowledged if ok else unanswered)[attempt] = len(requests[name])
        if ok:
            pending.pop(0)
        sent_in_life += 1
        if due:
            server.process.wait(timeout=30)
            window = server.killed_in
            # A kill meant for a request on its way may come after its answer: it counts where it fell.
            if window == "before ack" and ok:
                window = server.window
            histogram[window] += 1
            left[window] = max(0, left[window] - 1)
            server = Server(arguments.binary, config, data)
            server.wait_ready()
            sent_in_life = 0
    # Everything accepted is committed within seconds of the last request; then a graceful stop.
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=120)

    print("kills by window:")
    for window in WINDOWS:
        print(f"  {window:<16}{histogram[window]:>4}  {'#' * histogram[window]}")
    judge(arguments.binary, data, acknowledged, unanswered)


FILE_WINDOWS = ["read -> file", "file -> commit", "commit -> next"]


def run_files(arguments, chance, lines, home):
    (home / "accept_kill.py").write_text(RULE)
    (home / "accept_kill.yml").write_text(RULE_YAML)
    logs = home / "logs"
    logs.mkdir()
    per_file = max(1, len(lines) // 7)
    for number, at in enumerate(range(0, len(lines), per_file)):
        body = "".join(
            line.rstrip()[:-1] + f',"kill_request":"{(at + place) // 1000}","kill_line":{(at + place) % 1000}}}\n'
            for place, line in enumerate(lines[at : at + per_file])
        )
        (logs / f"{number}.ndjson.gz").write_bytes(gzip.compress(body.encode(), 1))
    data = home / "data"
    environment = dict(
        os.environ, UNCIA_LOG="warn,uncia_pipeline=debug", UNCIA__BATCH__MAX_RECORDS="1500",
        UNCIA__DETECTIONS__BUNDLED="false", UNCIA__DETECTIONS__WORKERS="1",
    )
    command = [arguments.binary, "--data-dir", data, "ingest", "--detections", home, logs]
    histogram = collections.Counter()
    left = {window: arguments.kills for window in FILE_WINDOWS}
    while any(left.values()):
        target = max(left, key=lambda window: (left[window], chance.random()))
        window = kill_once(command, environment, target, chance)
        if window is None:
            break
        histogram[window] += 1
        left[window] = max(0, left[window] - 1)
    print("kills by window:")
    for window in FILE_WINDOWS:
        print(f"  {window:<16}{histogram[window]:>4}  {'#' * histogram[window]}")
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if any(left.values()):
        print("the files were done before all kills: give more --events")
    judge(arguments.binary, data, collections.Counter(str(at // 1000) for at in range(len(lines))), {})


def kill_once(command, environment, target, chance):
    """Starts the command and kills it in the window; returns the window it fell in, None if the command ended before."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    word = " staged" if target == "file -> commit" else " committed"
    wait = chance.randint(1, 2)
    window = "read -> file"
    for line in process.stderr:
        if " staged" in line:
            window = "file -> commit"
        elif " committed" in line:
            window = "commit -> next"
        else:
            continue
        wait -= word in line
        if wait <= 0:
            if target == "read -> file":
                # The next batch is being read, judged or written by now.
                time.sleep(chance.uniform(0.002, 0.02))
                window = target
            process.send_signal(signal.SIGKILL)
            break
    rest = process.stderr.read()
    process.wait()
    if process.returncode == 0:
        return None
    # What it still said before it died tells where it really fell.
    for line in rest.splitlines():
        window = "file -> commit" if " staged" in line else "commit -> next" if " committed" in line else window
    return window


def judge(binary, data, acknowledged, unanswered):
    rows = collections.Counter()
    distinct = collections.Counter()
    tables = json.loads(subprocess.run([binary, "--data-dir", data, "tables", "--json"], check=True, stdout=subprocess.PIPE).stdout)
    for table in sorted(row["table"] for row in tables if row["table"].startswith("logs.")):
        for row in query(binary, data, f"SELECT p_extra:kill_request::string AS request, count(*) AS n, count(DISTINCT p_row_id) AS ids FROM {table} GROUP BY 1"):
            rows[row["request"]] += row["n"]
            distinct[row["request"]] += row["ids"]
    lost = {name: count - rows[name] for name, count in acknowledged.items() if rows[name] < count}
    doubled = {name: rows[name] - count for name, count in {**acknowledged, **unanswered}.items() if rows[name] > count}
    partial = [name for name, count in unanswered.items() if 0 < rows[name] < count]
    strangers = [name for name in rows if name not in acknowledged and name not in unanswered]
    doubled_ids = sum(rows.values()) - sum(distinct.values())
    alerts = json.loads(subprocess.run([binary, "--data-dir", data, "alerts", "list", "--limit", "100000", "--json"], check=True, stdout=subprocess.PIPE).stdout)
    alerts_of = collections.Counter(alert["dedup"] for alert in alerts)
    present = [name for name in rows if rows[name]]
    alerts_wrong = [name for name in present if alerts_of[name] != 1] + [a["dedup"] for a in alerts if a["events"] != 1]
    print(f"acknowledged requests {len(acknowledged)} with {sum(acknowledged.values())} events; unanswered attempts {len(unanswered)}, of which {sum(1 for name in unanswered if rows[name])} were durable")
    print(f"rows {sum(rows.values())}: lost {sum(lost.values())}, doubled {sum(doubled.values())}, with a doubled row id {doubled_ids}, half requests {len(partial)}, strangers {len(strangers)}")
    print(f"alerts {len(alerts)}: missing or doubled {len(alerts_wrong)}")
    if lost or doubled or partial or strangers or doubled_ids or alerts_wrong:
        sys.exit(f"FAILED: {lost=} {doubled=} {partial=} {strangers=} {alerts_wrong[:5]=}")
    print("ok: every acknowledged event is in the lake once, no alert is doubled")


if __name__ == "__main__":
    main()
