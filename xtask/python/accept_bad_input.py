"""Bad input, each with a clear message and no loss.

    accept_bad_input.py BINARY

Prints what a person would see, and checks the exit code, a part of the message, and what is in the lake afterwards.
"""

import gzip
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time

GOOD = '{"_path":"dns","ts":"2018-03-24T17:15:20.865716Z","uid":"C%d","id.orig_h":"10.47.1.100","id.orig_p":41772,"id.resp_h":"10.0.0.100","id.resp_p":53,"proto":"udp","query":"q%d.example"}\n'
FAILED = []


def good(count, first=0):
    return "".join(GOOD % (number, number) for number in range(first, first + count))


def uncia(binary, *arguments, **options):
    return subprocess.run([binary, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def query(binary, data, sql):
    done = uncia(binary, "--data-dir", data, "query", "--format", "ndjson", sql)
    if done.returncode:
        return done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(what, holds):
    print(f"    {'ok ' if holds else 'BAD'} {what}")
    if not holds:
        FAILED.append(what)


def show(done):
    for line in done.stderr.strip().splitlines()[-6:]:
        print("    |", line[:200])


def rows(binary, data):
    answer = query(binary, data, "SELECT count(*) AS n FROM logs.zeek_dns")
    return answer[0]["n"] if isinstance(answer, list) else 0


def failures(binary, data):
    return query(binary, data, "SELECT reason, error, payload_size AS size FROM monitor.classification_failures ORDER BY p_event_time")


def case(name):
    def register(function):
        CASES.append((name, function))
        return function
    return register


CASES = []


@case("a directory without logs")
def _(binary, home):
    (home / "empty" / "deeper").mkdir(parents=True)
    done = uncia(binary, "--data-dir", home / "data", "ingest", home / "empty")
    show(done)
    check("says that there are no logs, and where", done.returncode == 1 and "no log" in done.stderr and "empty" in done.stderr)


@case("a truncated gzip")
def _(binary, home):
    whole = gzip.compress(good(1_000).encode())
    (home / "cut.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    (home / "whole.ndjson.gz").write_bytes(gzip.compress(good(10, 5_000).encode()))
    done = uncia(binary, "--data-dir", home / "data", "ingest", home / "cut.ndjson.gz", home / "whole.ndjson.gz")
    show(done)
    found, failed = rows(binary, home / "data"), failures(binary, home / "data")
    print(f"    {found} rows; {failed}"[:400])
    check("the records before the cut and the other file are there", found > 10)
    check("the cut is a failure with its reason", [row["reason"] for row in failed if row["reason"] == "decompress_error"] == ["decompress_error"])


@case("a line of 20 MB")
def _(binary, home):
    giant = '{"_path":"dns","query":"' + "x" * 20_000_000 + '"}\n'
    (home / "giant.ndjson").write_text(good(5) + giant + good(5, 100))
    done = uncia(binary, "--data-dir", home / "data", "ingest", home / "giant.ndjson")
    show(done)
    failed = failures(binary, home / "data")
    check("the good lines are there", rows(binary, home / "data") == 10)
    check("the line is counted, with its size", [(row["reason"], row["size"]) for row in failed] == [("too_large", len(giant) - 1)])
    blobs = list((home / "data" / "blobs").iterdir())
    check("and kept whole as a blob", [blob.stat().st_size for blob in blobs] == [len(giant) - 1])


@case("invalid UTF-8")
def _(binary, home):
    (home / "bytes.ndjson").write_bytes(good(3).encode() + b'{"_path":"dns","query":"\xff\xfe"}\n' + good(3, 50).encode())
    done = uncia(binary, "--data-dir", home / "data", "ingest", home / "bytes.ndjson")
    show(done)
    failed = failures(binary, home / "data")
    print(f"    {failed}"[:300])
    check("the good lines are there", rows(binary, home / "data") == 6)
    check("the bad one is a failure with its reason", [row["reason"] for row in failed] == ["invalid_utf8"])


@case("a schema with a typo")
def _(binary, home):
    (home / "Custom.Door.yml").write_text("schema: Custom.Door\nfields:\n  - name: door\n    tpye: string\n")
    done = uncia(binary, "schema", "test", home / "Custom.Door.yml")
    show(done)
    check("names file, line and the way out", done.returncode == 3 and "Custom.Door.yml:4" in done.stderr and "type" in done.stderr and "tpye" in done.stderr)


@case("a rule with a syntax error")
def _(binary, home):
    rules = home / "rules"
    rules.mkdir()
    for name, body in (("bad", "def rule(event):\n    return event.get('x' ==\n"), ("good", "def rule(event):\n    return event.get('query') == 'q1.example'\n")):
        (rules / f"{name}.py").write_text(body)
        (rules / f"{name}.yml").write_text(
            f"AnalysisType: rule\nRuleID: Test.{name.title()}\nEnabled: true\nFilename: {name}.py\nLogTypes: [Zeek.DNS]\nSeverity: Low\n"
            f"Tests:\n  - Name: t\n    ExpectedResult: true\n    Log: {{query: q1.example}}\n")
    tested = uncia(binary, "test", "--path", rules)
    print("   ", *tested.stdout.strip().splitlines(), sep="\n    | ")
    check("uncia test fails and names file and line", tested.returncode == 1 and "bad.py" in tested.stdout + tested.stderr and "line 2" in tested.stdout + tested.stderr)
    (home / "three.ndjson").write_text(good(3))
    done = uncia(binary, "--data-dir", home / "data", "ingest", "--json", "--detections", rules, home / "three.ndjson")
    show(done)
    summary = json.loads(done.stdout)
    check("the good rule matched", summary["matches"] == 1)
    check("the bad one is told of", "bad.py" in done.stderr and "Test.Bad" in done.stderr)


@case("a full disk")
def _(binary, home):
    (home / "many.ndjson").write_text(good(60_000))

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done = uncia(binary, "--data-dir", home / "data", "ingest", home / "many.ndjson", preexec_fn=small_files)
    show(done)
    check("fails and names the file that could not be written", done.returncode != 0 and str(home / "data") in done.stderr)
    done = uncia(binary, "--data-dir", home / "data", "ingest", home / "many.ndjson")
    show(done)
    check("once there is room, a second run has every event once", rows(binary, home / "data") == 60_000
          and query(binary, home / "data", "SELECT count(DISTINCT uid) AS n FROM logs.zeek_dns")[0]["n"] == 60_000)


@case("a data directory in use")
def _(binary, home):
    config = home / "uncia.toml"
    config.write_text("[detections]\nbundled = false\n")
    server = subprocess.Popen([binary, "--config", config, "--data-dir", home / "data", "serve", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr:
            if "listening on" in line:
                break
        (home / "one.ndjson").write_text(good(1))
        done = uncia(binary, "--data-dir", home / "data", "ingest", home / "one.ndjson")
        show(done)
        check("is refused with the holder's name", done.returncode == 5 and "in use by uncia serve" in done.stderr)
        check("readers still work", uncia(binary, "--data-dir", home / "data", "alerts", "list").returncode == 0)
    finally:
        server.terminate()
        server.wait(timeout=30)


def main():
    binary = sys.argv[1]
    for name, function in CASES:
        print(f"  {name}")
        with tempfile.TemporaryDirectory() as home:
            try:
                function(binary, pathlib.Path(home))
            except Exception as error:  # one case must not hide the others
                check(f"{name}: {error!r}", False)
    if FAILED:
        sys.exit(f"FAILED: {'; '.join(FAILED)}")


if __name__ == "__main__":
    main()
