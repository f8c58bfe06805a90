"""Makes the input of benchmarks from sample logs, the same bytes on every machine.

    bench_data.py process SAMPLES OUT        cloudtrail, zeek, okta as gzip NDJSON of about 40 MB each
    bench_data.py ingest  SAMPLES OUT        Zeek dns and ssl as gzip NDJSON of 130 MB in all, no two files alike

Files that are there already stay.
"""

import datetime
import gzip
import json
import pathlib
import random
import sys
import uuid

PROCESS_BYTES = 40_000_000
INGEST_COPIES = 3
LEVEL = 6


def compact(record):
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def write(path, pieces):
    if path.exists():
        return
    fresh = path.with_suffix(".fresh")
    with open(fresh, "wb") as raw, gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=raw, mtime=0) as out:
        for piece in pieces:
            out.write(piece)
    fresh.rename(path)


def repeated(lines, size):
    once = b"".join(lines)
    return [once] * -(-size // len(once))


def cloudtrail(samples):
    for path in sorted((samples / "cloudtrail-stratus").glob("*.gz")):
        for record in json.loads(gzip.open(path).read())["Records"]:
            yield compact(record)


def okta(samples):
    """Sample events in the vendor's shape and of a stream's variety: without p_ fields, each with its own uuid and time."""
    found = []
    for line in gzip.open(samples / "panther-analysis-events.ndjson.gz", "rt"):
        row = json.loads(line)
        if "Okta.SystemLog" in row["log_types"] and {"eventType", "published"} <= row["event"].keys():
            found.append({name: value for name, value in row["event"].items() if not name.startswith("p_")})
    chance = random.Random(1)
    start = datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone.utc)
    size = place = 0
    while size < PROCESS_BYTES:
        published = start + datetime.timedelta(milliseconds=731 * place)
        published = published.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = compact({**found[place % len(found)], "uuid": str(uuid.UUID(int=chance.getrandbits(128))), "published": published})
        size += len(line)
        place += 1
        yield line


def zeek(samples, name):
    return gzip.open(samples / "zeek-json" / f"{name}.json.gz").read()


def process(samples, out):
    write(out / "cloudtrail.ndjson.gz", repeated(cloudtrail(samples), PROCESS_BYTES))
    write(out / "zeek.ndjson.gz", (zeek(samples, name) for name in ("dns", "ssl")))
    write(out / "okta.ndjson.gz", okta(samples))


def ingest(samples, out):
    for copy in range(INGEST_COPIES):
        # Other connection ids make other files: one that was taken in before adds nothing.
        uid = f'"uid":"{"CDE"[copy]}'.encode()
        for name in ("dns", "ssl"):
            write(out / f"{name}-{copy}.json.gz", [zeek(samples, name).replace(b'"uid":"C', uid)])


if __name__ == "__main__":
    name, source, out = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    {"process": process, "ingest": ingest}[name](source, out)
