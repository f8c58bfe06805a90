"""Measures `uncia ingest` and `uncia serve` beside DuckDB on the same files: `./x bench ingest`.

    bench_ingest.py BINARY DATA SCRATCH

DATA holds gzip NDJSON of Zeek dns and ssl logs. Ours, once from files and once by HTTP: from the start of the process to
its end, with rows committed to the lake; CPU and memory as the kernel counts them for the process. DuckDB, in a process
of its own: only the COPY statements count. Taken in turn; the best of ROUNDS counts. Prints one line of JSON.
"""

import gzip
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROUNDS = 3
LOG_TYPES = {"dns": "Zeek.DNS", "ssl": "Zeek.Ssl"}
CONFIG = """
[detections]
bundled = false

[[sources.http]]
id = "zeek"
log_types = ["Zeek.DNS", "Zeek.Ssl"]
auth = { method = "none" }
"""


def finished(process):
    """CPU seconds and peak memory in MB of a process that ends."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{process.args[0]}: exit status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def from_files(uncia, files):
    command = [*uncia, "ingest", "--json", *(part for name in LOG_TYPES.values() for part in ("--log-type", name)), *files]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE)
    summary = json.loads(process.stdout.read())
    process.stdout.close()
    cpu, memory = finished(process)
    return cpu, memory, sum(summary["events"].values())


def by_http(uncia, files, expected):
    process = subprocess.Popen(list(map(str, [*uncia, "serve", "--listen", "127.0.0.1:0"])), stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if found := re.search(r"listening on http://127.0.0.1:(\d+)", line):
            break
    else:
        sys.exit("uncia serve did not start")
    talk = threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True)
    talk.start()
    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
    for path in files:
        while True:
            connection.request("POST", "/http/zeek", path.read_bytes(), {"content-type": "application/x-ndjson"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 429:
                break
            time.sleep(0.2)
        if answer.status != 200:
            sys.exit(f"POST: {answer.status}")
    connection.close()
    deadline = time.monotonic() + 300
    while (rows := queryable(uncia)) < expected:
        if time.monotonic() > deadline:
            sys.exit(f"{rows} of {expected} rows can be queried after five minutes")
        time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    cpu, memory = finished(process)
    talk.join()
    return cpu, memory, rows


def queryable(uncia):
    rows = 0
    for name in LOG_TYPES:
        sql = f"SELECT count(*) AS n FROM logs.zeek_{name}"
        out = subprocess.run(list(map(str, [*uncia, "query", "--format", "ndjson", sql])), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        rows += json.loads(out)["n"] if out else 0
    return rows


def columns(uncia, log_type):
    """The schema's fields under their names in the log, as DuckDB's types."""
    plain = {"string": "VARCHAR", "long": "BIGINT", "int": "INTEGER", "float": "FLOAT", "double": "DOUBLE", "bool": "BOOLEAN", "timestamp": "TIMESTAMPTZ", "json": "JSON"}

    def kind(text):
        if text.startswith("list<"):
            return kind(text[5:-1]) + "[]"
        return plain[text]

    rows = json.loads(subprocess.run(list(map(str, [*uncia, "schema", "show", "--json", log_type])), check=True, stdout=subprocess.PIPE).stdout)
    spelled = lambda name: re.sub(r"^id_(orig|resp)_", r"id.\1_", name)
    return {spelled(row["column"]): kind(row["type"]) for row in rows if not row["column"].startswith("p_")}


def duckdb_side(request):
    """Runs in a process of its own; reads its request from stdin."""
    import duckdb
    import resource

    database = duckdb.connect()
    database.execute("SET threads = 1")
    rows = 0
    start = resource.getrusage(resource.RUSAGE_SELF)
    for job in request:
        rows += database.execute(job).fetchone()[0]
    end = resource.getrusage(resource.RUSAGE_SELF)
    cpu = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    print(json.dumps({"cpu": cpu, "memory": end.ru_maxrss / 1000, "rows": rows, "version": duckdb.__version__}))


def duckdb_jobs(uncia, files, home):
    for name, log_type in LOG_TYPES.items():
        own = [str(path) for path in files if path.name.startswith(name)]
        read = f"read_json({own}, columns = {columns(uncia, log_type)}, format = 'newline_delimited', compression = 'gzip')"
        yield f"COPY (SELECT * FROM {read}) TO '{home / name}.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3)"


def by_duckdb(jobs):
    command = [sys.executable, __file__, "--duckdb"]
    out = subprocess.run(command, input=json.dumps(jobs), check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def size(folder, pattern):
    return sum(path.stat().st_size for path in folder.rglob(pattern)) / 1e6


def main():
    binary, data, scratch = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    files = sorted(data.glob("*.gz"))
    megabytes = rows = 0
    for path in files:
        text = gzip.open(path).read()
        megabytes += len(text) / 1e6
        rows += text.count(b"\n")
    best = {}
    notes = {}

    def keep(name, cpu, memory, found):
        if found != rows:
            sys.exit(f"{name}: {found} rows of {rows}")
        print(f"  {name}: {cpu:.2f} CPU s, {memory:.0f} MB", file=sys.stderr)
        best[name] = min(best.get(name, (1e9, 0)), (cpu, memory))

    for _ in range(ROUNDS):
        shutil.rmtree(scratch, ignore_errors=True)
        (scratch / "duckdb").mkdir(parents=True)
        config = scratch / "uncia.toml"
        config.write_text(CONFIG)
        uncia = lambda name: [binary, "--config", config, "--data-dir", scratch / name]
        keep("files", *from_files(uncia("files"), files))
        keep("http", *by_http(uncia("http"), files, rows))
        answer = by_duckdb(list(duckdb_jobs(uncia("files"), files, scratch / "duckdb")))
        keep("duckdb", answer["cpu"], answer["memory"], answer["rows"])
        notes = {
            "duckdb": answer["version"],
            "parquet_mb": {"uncia": size(scratch / "files/lake", "*.parquet"), "duckdb": size(scratch / "duckdb", "*.parquet")},
        }
    shutil.rmtree(scratch)
    rate = {name: megabytes / cpu for name, (cpu, _) in best.items()}
    memory = {name: memory for name, (_, memory) in best.items()}
    results = []
    for name, title in (("files", "from files"), ("http", "by HTTP through the log")):
        for what, unit, values in (("", "MB/s of CPU", rate), (", peak memory", "MB", memory)):
            results.append({
                "name": title + what, "value": values[name], "unit": unit,
                "peer": "DuckDB COPY", "peer_value": values["duckdb"], "ratio": values[name] / values["duckdb"],
            })
    print(json.dumps({"results": results, "megabytes": megabytes, "rows": rows, **notes}))


if __name__ == "__main__":
    if sys.argv[1:] == ["--duckdb"]:
        duckdb_side(json.load(sys.stdin))
    else:
        main()
