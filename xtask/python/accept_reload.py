"""Edits detections a hundred times while events flow in, and looks at who judged each event.

Two rules and a global are edited on disk under a serving Uncia, which takes the edits over by itself. The global says how
often it was edited; both rules put that number into their titles. Every fifth edit breaks one of the rules, in Python or
in YAML in turn: its version before must go on, with everything else of the new generation.

    every event was judged once by each rule     no row id twice, none missing
    by one generation                            both rules say the same number of an event
    all edits took over                          the server said so of each; a batch that takes long outlives some
    nothing was lost on the way                  as many rows as events were acknowledged

    accept_reload.py BINARY [--reloads N] [--rate EVENTS_PER_SECOND]
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import proof

LINES_PER_REQUEST = 250

CONFIG = """
[batch]
max_wait_ms = 200

[detections]
bundled = false
folders = ["{content}"]
reload_seconds = 0.1

[[sources.http]]
id = "flow"
log_types = ["Zeek.DNS"]
auth = {{ method = "none" }}
"""

GLOBAL = "NUMBER = {number}\n"
GLOBAL_YAML = "AnalysisType: global\nGlobalID: accept_number\nFilename: accept_number.py\n"
RULE = '''
import accept_number

VERSION = {number}


def rule(event):
    return True


def title(event):
    return f"{{accept_number.NUMBER}} {{VERSION}}"


def dedup(event):
    return "one"
'''
RULE_YAML = """
AnalysisType: rule
RuleID: {id}
Enabled: true
Filename: {file}.py
LogTypes: [Zeek.DNS]
Severity: Low
CreateAlert: {alerts}
"""
BROKEN_PYTHON = "def rule(event:\n"
BROKEN_YAML = "AnalysisType: rule\nRuleID: [Accept.Second\n"


def lines(start):
    template = (
        '{"_path":"dns","ts":"2018-03-24T17:15:20.8657%02dZ","uid":"C%d","id.orig_h":"10.47.1.100","id.orig_p":41772,'
        '"id.resp_h":"10.0.0.100","id.resp_p":53,"proto":"udp","query":"host%d.example"}\n'
    )
    return "".join(template % (n % 100, n, n) for n in range(start, start + LINES_PER_REQUEST)).encode()


class Flow(proof.Flow):
    def __init__(self, port, rate):
        super().__init__(port, rate, LINES_PER_REQUEST)
        self.sent, self.refused = 0, 0

    def body(self):
        return lines(self.sent)

    def answered(self, status):
        if status == 200:
            self.sent += LINES_PER_REQUEST
        else:
            self.refused += 1


def write(path, text):
    """As editors do: beside it, then in its place."""
    beside = path.with_suffix(path.suffix + ".new")
    beside.write_text(text)
    beside.rename(path)


def edit(content, number):
    """Returns what is broken by this edit."""
    write(content / "accept_number.py", GLOBAL.format(number=number))
    write(content / "first.py", RULE.format(number=number))
    broken = None
    second, second_yaml = RULE.format(number=number), RULE_YAML.format(id="Accept.Second", file="second", alerts="false")
    if number % 10 == 5:
        second, broken = BROKEN_PYTHON, "Python"
    elif number % 10 == 0 and number:
        second_yaml, broken = BROKEN_YAML, "YAML"
    write(content / "second.py", second)
    write(content / "second.yml", second_yaml)
    return broken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--rate", type=int, default=5_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        run(arguments, pathlib.Path(home))


def run(arguments, home):
    content, config, data = home / "content", home / "uncia.toml", home / "data"
    content.mkdir()
    config.write_text(CONFIG.format(content=content))
    (content / "accept_number.yml").write_text(GLOBAL_YAML)
    (content / "first.yml").write_text(RULE_YAML.format(id="Accept.First", file="first", alerts="true"))
    edit(content, 0)
    server = proof.Server(arguments.binary, config, data, noted="detections are loaded again")
    flow = Flow(server.port, arguments.rate)
    flow.start()
    time.sleep(1)
    broken_edits, complaints = 0, 0
    for number in range(1, arguments.reloads + 1):
        before = len(server.notes)
        broken = edit(content, number)
        server.wait(f"edit {number} was not taken over", lambda: len(server.notes) > before)
        if broken:
            broken_edits += 1
            listed = subprocess.run(
                [arguments.binary, "--config", config, "--data-dir", data, "detections", "list", "--format", "ndjson"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            rows = {row["id"]: row for row in map(json.loads, listed.stdout.splitlines())}
            serving = rows.get("Accept.Second", {}).get("serving")
            told = "Accept.Second" in listed.stderr and listed.returncode == 1
            complaints += told and (serving == "version before" or broken == "YAML")
    time.sleep(1)
    flow.stop.set()
    flow.join()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=300)

    events = flow.sent
    rate = events / (flow.ended - flow.begun)
    print(f"{events} events acknowledged at {rate:.0f}/s (asked for {arguments.rate}/s, never more than {flow.late:.1f} s late), "
          f"{flow.refused} refused; {len(server.notes)} loads for {arguments.reloads} edits, {broken_edits} of them broken")
    total = proof.query(arguments.binary, data, "SELECT count(*) AS rows, count(DISTINCT p_row_id) AS ids FROM logs.zeek_dns")[0]
    print(f"rows {total['rows']}, distinct row ids {total['ids']}")
    judged = proof.query(
        arguments.binary, data,
        "SELECT p_rule_id, count(*) AS n, count(DISTINCT p_row_id) AS ids FROM signals.zeek_dns GROUP BY 1 ORDER BY 1",
    )
    for row in judged:
        print(f"{row['p_rule_id']}: {row['n']} verdicts on {row['ids']} events")
    numbers = proof.query(
        arguments.binary, data,
        "SELECT a.p_alert_title AS first, b.p_alert_title AS second, count(*) AS n FROM signals.zeek_dns a "
        "JOIN signals.zeek_dns b ON a.p_row_id = b.p_row_id AND b.p_rule_id = 'Accept.Second' "
        "WHERE a.p_rule_id = 'Accept.First' GROUP BY 1, 2",
    )
    seen, mixed, held = set(), 0, 0
    for row in numbers:
        (first, first_version), (second, second_version) = row["first"].split(), row["second"].split()
        seen.add(int(first))
        mixed += row["n"] if first != second or first != first_version else 0
        held += row["n"] if second_version != second else 0
    print(f"{len(seen)} generations judged events; {mixed} events were judged by two, "
          f"{held} by the version before of the broken rule")
    alerts = subprocess.run(
        [arguments.binary, "--data-dir", data, "alerts", "list", "--json"], stdout=subprocess.PIPE, check=True
    ).stdout
    alerts = [alert for alert in json.loads(alerts) if "Accept.First" in json.dumps(alert)]
    counted = sum(alert.get("event_count", alert.get("events", 0)) for alert in alerts)
    print(f"{len(alerts)} alert of the first rule over all generations, of {counted} events")
    checks = {
        "every event is a row once": total["rows"] == total["ids"] == events,
        "each rule judged every event once": [(row["n"], row["ids"]) for row in judged] == [(events, events)] * 2,
        "no event was judged by two generations": mixed == 0,
        "every edit took over, and several generations judged": len(server.notes) >= arguments.reloads
        and len(seen) > arguments.reloads / 10 and max(seen) == arguments.reloads,
        "broken edits were held back": held > 0 and complaints == broken_edits,
        "one alert goes on over all generations": len(alerts) == 1 and counted == events,
        "events flowed as fast as asked for": rate > 0.9 * arguments.rate and flow.refused == 0,
    }
    for what, holds in checks.items():
        print(f"{'ok ' if holds else 'BAD'} {what}")
    if not all(checks.values()):
        sys.exit(1)


main()
