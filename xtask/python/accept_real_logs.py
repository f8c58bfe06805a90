"""Takes real logs through `uncia ingest` and compares what is in the lake with what is in the files.

    accept_real_logs.py BINARY SAMPLES

CloudTrail: 2,900 rows and no failure. Zeek: log types found by classification, exactly the files' counts, times exact to
the microsecond, every key and value recoverable from its row, under 1 % of the bytes in p_extra. Suricata: all alerts
with right UTC times. A second run of the same files adds nothing.
"""

import collections
import datetime
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

ZEEK = {
    "dns": 53_615, "ssl": 49_474, "weird": 24_202, "rdp": 4_122, "smtp": 1_188,
    "software": 376, "x509": 348, "notice": 207, "ssh": 22,
}
STANDARD = "p_"


class Uncia:
    def __init__(self, binary, data):
        self.command = [binary, "--data-dir", data]

    def ingest(self, *arguments):
        out = subprocess.run([*self.command, "ingest", "--json", *map(str, arguments)], check=True, stdout=subprocess.PIPE).stdout
        return json.loads(out)

    def query(self, sql):
        out = subprocess.run([*self.command, "query", "--format", "ndjson", sql], check=True, stdout=subprocess.PIPE).stdout
        return [json.loads(line) for line in out.splitlines()]

    def one(self, sql):
        return next(iter(self.query(sql)[0].values()))


def check(name, found, expected):
    print(f"  {'ok ' if found == expected else 'BAD'} {name}: {found}" + ("" if found == expected else f", expected {expected}"))
    if found != expected:
        check.failed.append(name)


check.failed = []


def micros(text):
    """Microseconds since 1970 of a log's or a row's time text; a text without zone is UTC."""
    text = text.strip().replace(" ", "T").replace("Z", "+00:00")
    if "." in text:
        head, tail = text.split(".")
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}"
    time = datetime.datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)
    return (time - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def cloudtrail(uncia, samples):
    files = sorted((samples / "cloudtrail-stratus").glob("*.gz"))
    summary = uncia.ingest("--log-type", "AWS.CloudTrail", *files)
    check("CloudTrail rows", summary["events"], {"AWS.CloudTrail": 2_900})
    check("CloudTrail failures", summary["failures"], {})
    again = uncia.ingest("--log-type", "AWS.CloudTrail", *files)
    check("CloudTrail, second run", (again["events"], again["failures"]), ({}, {}))
    records = [record for path in files for record in json.loads(gzip.open(path).read())["Records"]]
    expected = collections.Counter((record["eventName"], record["eventTime"][:13]) for record in records)
    rows = uncia.query("SELECT eventName, date_trunc('hour', p_event_time) AS h, count(*) AS n FROM logs.aws_cloudtrail GROUP BY 1, 2")
    found = {(row["eventName"], row["h"][:13].replace(" ", "T")): row["n"] for row in rows}
    check("events per name and hour", found == dict(expected), True)
    mfa = sum(1 for r in records if r["userIdentity"].get("sessionContext", {}).get("attributes", {}).get("mfaAuthenticated") == "false")
    check("nested userIdentity.sessionContext.attributes.mfaAuthenticated", uncia.one(
        "SELECT count(*) FROM panther_logs.public.aws_cloudtrail WHERE userIdentity.sessionContext.attributes.mfaAuthenticated = 'false'"), mfa)


def zeek(uncia, samples):
    files = sorted((samples / "zeek-json").glob("*.gz"))
    summary = uncia.ingest(*files)
    found = {log_type.split(".")[1].lower(): n for log_type, n in summary["events"].items()}
    check("Zeek rows by log type", found, ZEEK)
    check("Zeek failures", summary["failures"], {})
    check("Zeek, second run", uncia.ingest(*files)["events"], {})
    all_bytes = extra_bytes = 0
    for path in files:
        table = f"zeek_{path.name.split('.')[0]}"
        expected = collections.Counter()
        for line in gzip.open(path, "rt"):
            all_bytes += len(line)
            expected[canonical(json.loads(line))] += 1
        rows = collections.Counter()
        for row in uncia.query(f"SELECT * FROM logs.{table}"):
            extra = row.get("p_extra")
            extra_bytes += len(json.dumps(extra)) if extra else 0
            rows[canonical(input_of(row))] += 1
        missing = expected - rows
        check(f"{table}: lines recoverable from their rows", (sum((expected & rows).values()), sum(missing.values())), (sum(expected.values()), 0))
        if missing:
            print("    for example", next(iter(missing)), "\n    among     ", next(iter(rows - expected)))
    print(f"  p_extra holds {100 * extra_bytes / all_bytes:.3f} % of the bytes")
    check("p_extra under 1 %", extra_bytes < all_bytes / 100, True)


def input_of(row):
    """The input's members from a row: columns without p_ fields, and what p_extra keeps."""
    members = {name: value for name, value in row.items() if not name.startswith(STANDARD) and value is not None}
    for name, value in (row.get("p_extra") or {}).items():
        members[name] = value
    return members


def canonical(members):
    """Comparable form: names as in the lake, numbers as floats, times as microseconds."""
    return json.dumps({lake_name(name): plain(value) for name, value in members.items() if value is not None}, sort_keys=True)


def lake_name(name):
    return name.replace(".", "_")


def plain(value):
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {lake_name(name): plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if len(value) >= 19 and value[4:5] == "-" and value[10:11] in "T ":
        try:
            return micros(value)
        except ValueError:
            return value
    return value


def suricata(uncia, samples):
    files = sorted((samples / "suricata-alerts").glob("*.gz"))
    alerts = [alert for path in files for alert in json.loads(gzip.open(path).read())]
    summary = uncia.ingest(*files)
    check("Suricata rows", summary["events"], {"Suricata.Alert": len(alerts)})
    check("Suricata failures", summary["failures"], {})
    check("Suricata, second run", uncia.ingest(*files)["events"], {})
    expected = collections.Counter(micros(fix_zone(alert["timestamp"])) for alert in alerts)
    found = collections.Counter(micros(row["p_event_time"]) for row in uncia.query("SELECT p_event_time FROM logs.suricata_alert"))
    check("Suricata times in UTC", found == expected, True)


def fix_zone(text):
    return text[:-2] + ":" + text[-2:] if text[-5:-4] in "+-" else text


def everywhere(uncia):
    address = uncia.one("SELECT id_orig_h FROM logs.zeek_dns GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    sql = f"SELECT p_log_type, count(*) AS n FROM views.all_logs WHERE array_contains('{address}'::variant, p_any_ip_addresses) GROUP BY 1 ORDER BY 2 DESC"
    rows = uncia.query(sql)
    print(f"  every event with {address}: " + ", ".join(f"{row['p_log_type']} {row['n']}" for row in rows))
    check("more than one log type has the address", len(rows) > 1, True)


def main():
    binary, samples = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as data:
        uncia = Uncia(binary, data)
        for step in (cloudtrail, zeek, suricata):
            print(step.__name__)
            step(uncia, samples)
        print("over all tables")
        everywhere(uncia)
    if check.failed:
        sys.exit(f"FAILED: {', '.join(check.failed)}")


if __name__ == "__main__":
    main()
