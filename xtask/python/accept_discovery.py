"""Sends events with ever new fields to a serving Uncia, and asks for them all the time.

Events go over HTTP at a fixed rate while new members keep appearing: at the top, in objects, in objects of lists, of all
kinds, some changing their kind later. Beside it queries run without a pause and must never fail, and their counts must
never go back. At the end every event must be there exactly once, and every value of every member must be found in its
column or in `p_extra`.

    accept_discovery.py BINARY [--rate N] [--seconds N]
"""

import argparse
import http.client
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

CONFIG = """
[schemas]
folders = ["{schemas}"]

[detections]
bundled = false
folders = ["{rules}"]
workers = 1

[[sources.http]]
id = "door"
auth = {{ method = "none" }}
log_types = ["Custom.Door"]
"""

SCHEMA = """
schema: Custom.Door
fieldDiscoveryEnabled: true
fields:
  - {name: n, type: bigint, required: true}
  - {name: at, type: timestamp, timeFormats: [rfc3339], isEventTime: true}
  - {name: who, type: object, fields: [{name: id, type: string}]}
  - {name: steps, type: array, element: {type: object, fields: [{name: no, type: int}]}}
"""

# A rule that reads a discovered field under its name, before it is a column and after.
RULE = '''
def rule(event):
    return event.get("member_1") == "rule"


def dedup(event):
    return "member"
'''

RULE_YAML = """
AnalysisType: rule
RuleID: Accept.Discovery
Enabled: true
Filename: member.py
LogTypes: [Custom.Door]
Severity: Low
"""

NEW_MEMBER_EVERY = 0.5
BODY_EVENTS = 500


def value(member, n):
    """What the member number `member` holds in event `n`; some change their kind with time."""
    kind = member % 8
    late = n % 7 == 0
    if kind == 0:
        return n
    if kind == 1:
        return "rule" if member == 1 and n % 1000 == 0 else f"text {n}"
    if kind == 2:
        return n / 4
    if kind == 3:
        return n % 2 == 0
    if kind == 4:
        return {"inner": n, "text": f"t{n}"}
    if kind == 5:
        return [n, n + 1]
    if kind == 6:
        # A number that is a text now and then: the column keeps its type.
        return f"odd {n}" if late else n
    return f"2026-01-01T00:00:{n % 60:02}Z"


def event(n, members):
    """The event number `n` once `members` members exist: three of them are in it."""
    row = {"n": n, "at": "2026-01-01T00:00:00Z", "who": {"id": "x"}, "steps": [{"no": 1}]}
    for offset in range(min(3, members)):
        member = members - 1 - (n * (offset + 1)) % min(members, 40) if offset else members - 1
        place = member % 3
        name = f"member_{member}"
        if place == 0:
            row["who"][name] = value(member, n)
        elif place == 1:
            row[name] = value(member, n)
        else:
            row["steps"][0][name] = value(member, n)
    return row


def query(binary, data, sql):
    done = subprocess.run(
        [binary, "--data-dir", data, "query", "--format", "ndjson", sql], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    if done.returncode:
        raise RuntimeError(f"{sql}: {done.stderr.decode(errors='replace').strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


class Asking(threading.Thread):
    """Runs queries one after the other until it is told to stop."""

    STATEMENTS = [
        "SELECT count(*) AS c FROM logs.custom_door",
        "SELECT count(DISTINCT n) AS c FROM logs.custom_door",
        "SELECT count(*) AS c FROM views.all_logs WHERE p_log_type = 'Custom.Door'",
        "SELECT count(*) AS c FROM logs.custom_door WHERE p_extra IS NOT NULL OR who IS NOT NULL",
        "SELECT * FROM logs.custom_door ORDER BY n DESC LIMIT 20",
    ]

    def __init__(self, binary, data):
        super().__init__(daemon=True)
        self.binary, self.data, self.stop = binary, data, threading.Event()
        self.asked, self.failures, self.back = 0, [], 0

    def run(self):
        seen = 0
        while not self.stop.is_set():
            sql = self.STATEMENTS[self.asked % len(self.STATEMENTS)]
            try:
                rows = query(self.binary, self.data, sql)
            except RuntimeError as error:
                # Before the first commit there is no table.
                if seen or "custom_door" not in str(error) and "data directory" not in str(error):
                    self.failures.append(str(error))
                continue
            self.asked += 1
            if rows and "c" in rows[0] and "DISTINCT" not in sql:
                self.back += rows[0]["c"] < seen
                seen = max(seen, rows[0]["c"])


def send(connection, rows):
    body = "".join(json.dumps(row) + "\n" for row in rows)
    connection.request("POST", "/http/door", body, {"content-type": "application/x-ndjson"})
    answer = connection.getresponse()
    answer.read()
    return answer.status == 200


def normal(value):
    """A value as the lake tells it back."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+Z", value):
        return value.replace("T", " ").rstrip("Z") + ".000000000"
    if isinstance(value, dict):
        return {key: normal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner) for inner in value]
    return value


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def overlay(columns, extra):
    """Columns with `p_extra` laid over them: objects merge, anything else replaces."""
    if isinstance(columns, dict) and isinstance(extra, dict):
        merged = dict(columns)
        for key, inner in extra.items():
            merged[key] = overlay(columns.get(key), inner)
        return merged
    return extra


def same(has, wanted):
    """Whether a row says what was sent; columns of free-form JSON are told back as their text."""
    if isinstance(has, dict) and isinstance(wanted, dict):
        return has.keys() == wanted.keys() and all(same(has[key], wanted[key]) for key in has)
    if isinstance(has, list) and isinstance(wanted, list):
        return len(has) == len(wanted) and all(map(same, has, wanted))
    if has != wanted and isinstance(has, str):
        try:
            return json.loads(has) == wanted
        except ValueError:
            return False
    return has == wanted and isinstance(has, bool) == isinstance(wanted, bool)


def differences(binary, data, sent):
    """Events whose row is not what was sent."""
    wrong, seen, names = 0, set(), set()
    step = 20_000
    for start in range(0, max(sent, default=0) + 1, step):
        for row in query(binary, data, f"SELECT * FROM logs.custom_door WHERE n >= {start} AND n < {start + step}"):
            row = {key: inner for key, inner in row.items() if key == "p_extra" or not key.startswith("p_")}
            extra = row.pop("p_extra", None)
            row = without_nulls(row)
            names.update(row)
            if extra is not None:
                row = overlay(row, json.loads(extra) if isinstance(extra, str) else extra)
            n = row["n"]
            wanted = event(n, sent[n])
            seen.add(n)
            if not same(normal(row), normal(wanted)):
                wrong += 1
                if wrong <= 3:
                    print(f"  event {n} is {json.dumps(normal(row))}\n  and was  {json.dumps(normal(wanted))}")
    return wrong, set(sent) - seen, names


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    home = pathlib.Path(tempfile.mkdtemp(prefix="uncia-discovery-"))
    for name, text in (("schemas/door.yml", SCHEMA), ("rules/member.py", RULE), ("rules/member.yml", RULE_YAML)):
        path = home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (home / "uncia.toml").write_text(CONFIG.format(schemas=home / "schemas", rules=home / "rules"))
    data = str(home / "data")
    server = subprocess.Popen(
        [arguments.binary, "--config", home / "uncia.toml", "--data-dir", data, "serve", "--listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE, text=True,
    )
    said = []
    for line in server.stderr:
        said.append(line.rstrip())
        if "listening on" in line:
            break
    else:
        sys.exit("the server did not start:\n" + "\n".join(said))
    port = int(said[-1].rsplit(":", 1)[1])
    threading.Thread(target=lambda: said.extend(line.rstrip() for line in server.stderr), daemon=True).start()
    asking = Asking(arguments.binary, data)
    asking.start()

    sent, refused, n = {}, 0, 0
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while (elapsed := time.monotonic() - begun) < arguments.seconds:
        if n > elapsed * arguments.rate:
            time.sleep(0.005)
            continue
        members = 1 + int(elapsed / NEW_MEMBER_EVERY)
        rows = [event(number, members) for number in range(n, n + BODY_EVENTS)]
        if send(connection, rows):
            sent.update((row["n"], members) for row in rows)
            n += BODY_EVENTS
        else:
            refused += 1
            time.sleep(0.05)
    took = time.monotonic() - begun
    members = 1 + int(took / NEW_MEMBER_EVERY)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        rows = query(arguments.binary, data, "SELECT count(*) AS c FROM logs.custom_door")
        if rows[0]["c"] >= len(sent):
            break
        time.sleep(0.5)
    asking.stop.set()
    asking.join()
    server.terminate()
    server.wait()

    counted = query(
        arguments.binary, data,
        "SELECT count(*) AS c, count(DISTINCT n) AS events, count(DISTINCT p_row_id) AS ids FROM logs.custom_door",
    )[0]
    wrong, missing, names = differences(arguments.binary, data, sent)
    matched = query(arguments.binary, data, "SELECT count(*) AS c FROM signals.custom_door")[0]["c"]
    expected = sum(1 for n, members in sent.items() if event(n, members).get("member_1") == "rule")
    discovered = sorted(name for name in names if name.startswith("member_"))
    print(f"{len(sent)} events in {took:.1f} s: {len(sent) / took:.0f} a second; {refused} requests refused and sent again")
    print(f"rows {counted['c']}, events {counted['events']}, row ids {counted['ids']}, missing {len(missing)}, wrong {wrong}")
    print(f"{members} new fields, {len(discovered)} of them columns at the top")
    print(f"rule matches {matched}, expected {expected}")
    print(f"{asking.asked} queries beside it, {len(asking.failures)} failed, {asking.back} counts went back")
    for failure in asking.failures[:3]:
        print(f"  {failure}")
    is_good = (
        counted["c"] == counted["events"] == counted["ids"] == len(sent)
        and not missing and not wrong and not asking.failures and not asking.back
        and matched == expected and len(discovered) > members / 4 and asking.asked > 0
        and len(sent) / took >= 0.95 * arguments.rate
    )
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
