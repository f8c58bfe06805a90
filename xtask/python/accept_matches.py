"""Compares the engine's matches with those of a plain CPython run of the same rules.

    accept_matches.py BINARY SAMPLES PANTHER_ANALYSIS

The Stratus CloudTrail goes through `uncia ingest` with panther-analysis's rules loaded; its matches must equal those of
crates/detection/tests/oracle/plain_run.py on the same normal-form events (`uncia schema parse`, whose source is `parse`). What the oracle says of
the raw events is then printed beside it.
"""

import collections
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

ORACLE = pathlib.Path(__file__).parents[2] / "crates/detection/tests/oracle/plain_run.py"


def lines(command, **options):
    return [json.loads(line) for line in subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, **options).stdout.splitlines()]


def main():
    binary, samples, content = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    files = sorted((samples / "cloudtrail-stratus").glob("*.gz"))
    rules = sorted(content.glob("rules/aws_*"))
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        config = home / "uncia.toml"
        config.write_text("[detections]\nbundled = false\n")
        uncia = [binary, "--config", config, "--data-dir", home / "data"]
        summary = json.loads(subprocess.run([*map(str, [*uncia, "ingest", "--json", "--source", "parse", "--log-type", "AWS.CloudTrail", "--detections", content, *files])], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
        print(f"  {sum(summary['events'].values())} events, {summary['matches']} matches, {summary['detection_errors']} errors, alerts {summary['alerts']}")
        normal = home / "normal.ndjson"
        with open(normal, "wb") as out:
            subprocess.run([str(part) for part in (*uncia, "schema", "parse", "--log-type", "AWS.CloudTrail", *files)], check=True, stdout=out)
        raw = home / "raw.ndjson"
        with open(raw, "w") as out:
            for path in files:
                for record in json.loads(gzip.open(path).read())["Records"]:
                    out.write(json.dumps({**record, "p_log_type": "AWS.CloudTrail"}) + "\n")

        found = lines([*uncia, "query", "--format", "ndjson", "SELECT p_row_id, p_rule_id AS rule, p_alert_title AS title, p_dedup AS dedup, p_alert_severity AS severity FROM signals.aws_cloudtrail"])
        errors = []
        if summary["detection_errors"]:
            errors = lines([*uncia, "query", "--format", "ndjson", "SELECT p_row_id, p_rule_id AS rule, p_dedup AS error FROM rule_errors.aws_cloudtrail"])
        oracle = [sys.executable, ORACLE, *(part for folder in [content] for part in ("--rules", folder)), "--log-type", "AWS.CloudTrail"]
        expected = lines([*oracle, normal])
        of_raw = lines([*oracle, raw])
        alerts = json.loads(subprocess.run([*map(str, [*uncia, "alerts", "list", "--limit", "10000", "--json"])], check=True, stdout=subprocess.PIPE).stdout)

    as_set = lambda rows: collections.Counter(tuple(sorted(row.items())) for row in rows)
    ours = as_set(found + errors)
    theirs = as_set(expected)
    only_ours, only_theirs = ours - theirs, theirs - ours
    print(f"  engine {sum(ours.values())}, plain CPython {sum(theirs.values())}, equal {sum((ours & theirs).values())}")
    for name, rest in (("only the engine", only_ours), ("only plain CPython", only_theirs)):
        for row in list(rest)[:5]:
            print(f"    {name}: {dict(row)}")
    by_rule = collections.Counter(alert["detection"] for alert in alerts)
    print(f"  {len(alerts)} alerts of {len(by_rule)} rules:")
    for rule, count in by_rule.most_common():
        print(f"    {count:>4}  {rule}")
    count = lambda rows: collections.Counter((row["rule"], "error" if "error" in row else "match") for row in rows)
    difference = {key: (count(expected)[key], count(of_raw)[key]) for key in count(expected) | count(of_raw) if count(expected)[key] != count(of_raw)[key]}
    print(f"  on the raw events: {len(of_raw)} results; rules that differ (normal form, raw): {difference or 'none'}")
    if only_ours or only_theirs:
        sys.exit("FAILED: the engine and plain CPython disagree")


if __name__ == "__main__":
    main()
