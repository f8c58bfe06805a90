"""Kills `uncia failures replay` again and again, and looks after each kill where every record is.

Records fail for want of their schema; then the schema comes, and the replay that moves them is killed: at random moments,
right after a batch was staged, and right after one was committed. After each kill every record must be a failure or an
event, never both and never neither, under the row id that its failure had. At the end all of them are events, each has its
match, and the alerts count each match once.

    accept_replay.py BINARY [--kills N] [--records N]
"""

import argparse
import collections
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

BATCH = 200

CONFIG = f"""
[batch]
max_records = {BATCH}

[schemas]
folders = ["{{schemas}}"]

[detections]
bundled = false
folders = ["{{rules}}"]
workers = 1
"""

SCHEMA = """
schema: Custom.Gate
fields:
  - {name: gate, type: string, required: true}
  - {name: n, type: bigint, required: true}
"""

RULE = '''
def rule(event):
    return event.get("n") % 10 == 0


def dedup(event):
    return event.get("gate")
'''

RULE_YAML = """
AnalysisType: rule
RuleID: Accept.Replay
Enabled: true
Filename: gate.py
LogTypes: [Custom.Gate]
Severity: Low
DedupPeriodMinutes: 1440
"""

# What the walk says at debug, and the window that begins with it.
WINDOWS = {"staged": " staged", "committed": " committed", "any": None}


class Ground:
    def __init__(self, binary, home):
        self.binary, self.home, self.data = binary, home, home / "data"
        for name, text in (("rules/gate.py", RULE), ("rules/gate.yml", RULE_YAML)):
            path = home / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.schemas = home / "schemas"
        self.schemas.mkdir()
        (home / "uncia.toml").write_text(CONFIG.format(schemas=self.schemas, rules=home / "rules"))

    def command(self, *arguments):
        return [self.binary, "--config", self.home / "uncia.toml", "--data-dir", self.data, *arguments]

    def run(self, *arguments):
        done = subprocess.run(self.command("--json", *arguments), capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{arguments}: {done.stderr}")
        return json.loads(done.stdout)

    def query(self, sql):
        done = subprocess.run(self.command("query", "--format", "ndjson", sql), capture_output=True, text=True)
        if done.returncode:
            # Before the first commit there is no table.
            if "unknown table logs.custom_gate" in done.stderr:
                return []
            sys.exit(f"{sql}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def places(self):
        """Row id to what the record is and says."""
        found = collections.defaultdict(list)
        for row in self.query("SELECT p_row_id, payload FROM monitor.classification_failures"):
            found[row["p_row_id"]].append(("failure", json.loads(row["payload"])["n"]))
        for row in self.query("SELECT p_row_id, n FROM logs.custom_gate"):
            found[row["p_row_id"]].append(("event", row["n"]))
        return found

    def killed(self, window, random):
        """Replays until the window, and kills. Whether it was killed, and not done before."""
        environment = dict(os.environ, UNCIA_LOG="warn,uncia_pipeline=debug")
        process = subprocess.Popen(
            self.command("failures", "replay"), env=environment, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        word, skip = WINDOWS[window], random.randrange(3)
        if word is None:
            timer = threading.Timer(random.uniform(0.05, 1.2), process.send_signal, [signal.SIGKILL])
            timer.start()
        for line in process.stderr:
            if word is not None and word in line:
                if skip == 0:
                    process.send_signal(signal.SIGKILL)
                    word = None
                skip -= 1
        return process.wait() == -signal.SIGKILL


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--records", type=int, default=40_000)
    arguments = parser.parse_args()
    seeded = random.Random(11)
    ground = Ground(arguments.binary, pathlib.Path(tempfile.mkdtemp(prefix="uncia-replay-")))
    lines = "".join(f'{{"gate":"g{n % 7}","n":{n}}}\n' for n in range(arguments.records))
    (ground.home / "gates.ndjson").write_text(lines)
    summary = ground.run("ingest", str(ground.home / "gates.ndjson"))
    if summary["failures"] != {"no_schema_matched": arguments.records}:
        sys.exit(f"not every record failed: {summary}")
    before = {row_id: found[0][1] for row_id, found in ground.places().items()}
    (ground.schemas / "gate.yml").write_text(SCHEMA)

    begun = time.monotonic()
    killed, moved, wrong = collections.Counter(), [], []
    for turn in range(arguments.kills):
        window = list(WINDOWS)[turn % len(WINDOWS)]
        killed[window] += ground.killed(window, seeded)
        places = ground.places()
        events = sum(found[0][0] == "event" for found in places.values())
        if {row_id: found[0][1] for row_id, found in places.items()} != before:
            wrong.append(f"after kill {turn} ({window}): {len(places)} row ids, {len(before)} records")
        doubled = [row_id for row_id, found in places.items() if len(found) != 1]
        if doubled:
            wrong.append(f"after kill {turn} ({window}): {len(doubled)} records are there twice, e.g. {places[doubled[0]]}")
        moved.append(events)
        if events == len(before):
            break
    ground.run("failures", "replay")
    places = ground.places()
    events = {row_id: found[0][1] for row_id, found in places.items() if [kind for kind, _ in found] == ["event"]}
    expected = sum(n % 10 == 0 for n in range(arguments.records))
    matches = ground.query("SELECT count(*) AS n, count(DISTINCT p_row_id) AS ids FROM rule_matches.custom_gate")[0]
    alerts = ground.run("alerts", "list")
    counted = sum(alert["events"] for alert in alerts)
    progressed = sum(later > earlier for earlier, later in zip(moved, moved[1:]))
    print(f"{arguments.records} records in batches of {BATCH}, {sum(killed.values())} kills in {time.monotonic() - begun:.0f} s: "
          + ", ".join(f"{window} {killed[window]}" for window in WINDOWS))
    print(f"{moved[-1]} were moved by runs that were killed; {progressed} of those runs moved some")
    print(f"at the end {len(events)} events, {len(places) - len(events)} others; {matches['n']} matches of {matches['ids']} records, "
          f"{expected} expected; {len(alerts)} alerts count {counted}")
    for line in wrong[:10]:
        print("  BAD", line)
    is_good = (
        not wrong and events == before and matches["n"] == matches["ids"] == counted == expected
        and len(alerts) == 7 and all(killed[window] > 0 for window in WINDOWS) and progressed > 0
    )
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
