"""Two hundred poison files among good ones, in one run: every good event in, each bad one told.

    accept_poison.py BINARY

Each poison file has one thing wrong with it and may hold good events beside that; what it must leave in
`monitor.classification_failures` is written next to it. Memory is the whole run's peak over that of a run on one line.
"""

import bz2
import gzip
import json
import lzma
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import zipfile
import io
import zlib

GOOD = '{"_path":"dns","ts":"2018-03-24T17:15:20.865716Z","uid":"C%d","id.orig_h":"10.47.1.100","id.orig_p":41772,"id.resp_h":"10.0.0.100","id.resp_p":53,"proto":"udp","query":"q.example"}\n'
POISON = 200
MAX_MIB = 256
FAILED = []


class Files:
    """Writes files and keeps the account of what must become of them."""

    def __init__(self, folder):
        self.folder = folder
        self.events = 0
        self.bad = {}

    def lines(self, count):
        first = self.events
        self.events += count
        return "".join(GOOD % number for number in range(first, first + count)).encode()

    def good(self, name, count):
        (self.folder / name).write_bytes(self.lines(count))

    def poison(self, name, data, *reasons):
        """`reasons`: what the file's failures are, in order; a pair also says a part of the message."""
        path = self.folder / name
        path.write_bytes(data)
        self.bad[str(path)] = [reason if isinstance(reason, tuple) else (reason, "") for reason in reasons]


def stored_zip(members, encrypt=False):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    data = bytearray(out.getvalue())
    if encrypt:
        data[6] |= 1
    return bytes(data)


def bomb():
    """300 MiB of one line's bytes, gzip within gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(b"x" * (1 << 20)) for _ in range(300)) + packer.flush()
    return gzip.compress(packed, mtime=0)


# Every kind makes one file of its number: name, bytes, and what must be told of it.
def kinds(files, random):
    good = files.lines

    def binary(number):
        return "bin", bytes([0x7F, 0x45, 0x4C, 0x46, 0, number]) + random.randbytes(500), [("invalid_utf8", "binary")]

    def not_json(number):
        return "log", good(3) + b"this is no JSON %d\n" % number + good(2), [("not_json", "not JSON")]

    def unterminated(number):
        return "log", good(2) + b'{"_path":"dns","query":"no end\n' + good(2), ["not_json"]

    def utf8(number):
        return "log", good(2) + b'{"_path":"dns","query":"\xff\xfe"}\n' + good(1), [("invalid_utf8", "byte 24")]

    def deep(number):
        depth = 200 + number
        return "log", good(1) + b'{"a":' * depth + b"1" + b"}" * depth + b"\n" + good(1), [("not_json", "nested deeper")]

    def unknown(number):
        return "log", good(1) + b'{"what":"is this","n":%d}\n' % number + good(1), ["no_schema_matched"]

    def wrong_type(number):
        return "log", good(1) + b'{"_path":"dns","ts":"yesterday","uid":"bad"}\n' + good(1), ["no_schema_matched"]

    def cut_gzip(number):
        # Of a file cut in its trailer every record is there.
        return "gz", gzip.compress(good(5), mtime=0)[:-4], [("decompress_error", "cut off")]

    def damaged_gzip(number):
        data = bytearray(gzip.compress(good(4), mtime=0))
        data[-6] ^= 0xFF
        return "gz", bytes(data), [("decompress_error", "damaged")]

    def trailing_gzip(number):
        return "gz", gzip.compress(good(4), mtime=0) + b"garbage", [("decompress_error", "more bytes")]

    def cut_bzip2(number):
        return "bz2", bz2.compress(b"never seen\n" * 50)[:-20], [("decompress_error", "")]

    def xz(number):
        return "xz", lzma.compress(b"never seen\n"), [("decompress_error", "xz is not supported")]

    def tar(number):
        header = b"a.log".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 248
        return "tar", header + b"\0" * 1024, [("decompress_error", "tar is not supported")]

    def zip_member(number):
        members = stored_zip([("a.log", good(2)), ("b.bin", b"\0" * 100), ("c.log", good(2))])
        return "zip", members, [("invalid_utf8", "b.bin")]

    def encrypted_zip(number):
        return "zip", stored_zip([("a.log", b"secret\n")], encrypt=True), [("decompress_error", "encrypted")]

    def thrice(number):
        data = b"never seen\n"
        for _ in range(3):
            data = gzip.compress(data, mtime=0)
        return "gz", data, [("decompress_error", "more than twice")]

    def parquet(number):
        return "parquet", b"PAR1" + random.randbytes(200) + b"PAR1", [("decompress_error", "Parquet")]

    def avro(number):
        return "avro", b"Obj\x01" + random.randbytes(200), [("decompress_error", "Avro")]

    def array(number):
        return "json", b"[" + good(1).strip() + b"," + good(1).strip() + b',{"x":', [("envelope_error", "byte")]

    def envelope(number):
        return "json", b'{"Records":[' + good(1).strip() + b"]", [("envelope_error", "envelope")]

    def subscription(number):
        def document():
            return json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"message": good(1).decode()}]}).encode()

        return "json", document() + b'{"messageType":"DATA_MESSAGE"}' + document(), [("envelope_error", "logEvents")]

    def xml(number):
        return "xml", b"<Events><Event><x></Event></Events>", [("envelope_error", "malformed XML")]

    def cut_xml(number):
        return "xml", b"<?xml version='1.0'?><Events>\n", [("envelope_error", "Events")]

    def entities(number):
        # No entity is expanded, so this is one small record of no known type.
        text = b"<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><a>&b;&b;&b;</a>"
        return "xml", text, ["no_schema_matched"]

    return [binary, not_json, unterminated, utf8, deep, unknown, wrong_type, cut_gzip, damaged_gzip, trailing_gzip, cut_bzip2,
            xz, tar, zip_member, encrypted_zip, thrice, parquet, avro, array, envelope, subscription, xml, cut_xml, entities]


def write(folder):
    seeded = random.Random(7)
    files = Files(folder)
    for number in range(40):
        files.good(f"good-{number:03}.ndjson", 2_000)
    makers = kinds(files, seeded)
    # The heavy ones, once each.
    files.poison("poison-bomb.gz", bomb(), ("decompress_error", "bombs"))
    giant = b'{"_path":"dns","query":"' + b"x" * 20_000_000 + b'"}\n'
    files.poison("poison-giant.log", files.lines(2) + giant + files.lines(2), ("too_large", "the limit is"))
    for number in range(POISON - 2):
        make = makers[number % len(makers)]
        ending, data, reasons = make(number)
        # Contents must differ: the same bytes under another name are the same file.
        files.poison(f"poison-{number:03}-{make.__name__}.{ending}", distinct(make.__name__, data, number), *reasons)
    return files


def distinct(kind, data, number):
    mark = b"\n" * number
    if kind in ("array", "envelope"):
        return data.replace(b"[", b"[" + mark, 1) if kind == "array" else mark + data
    if kind in ("cut_bzip2", "thrice", "xz", "cut_xml", "xml", "entities", "encrypted_zip", "tar"):
        return {
            "cut_bzip2": lambda: bz2.compress(b"never seen\n" * (50 + number))[:-20],
            "thrice": lambda: gzip.compress(gzip.compress(gzip.compress(b"%d" % number, mtime=0), mtime=0), mtime=0),
            "xz": lambda: lzma.compress(b"never seen %d\n" % number),
            "cut_xml": lambda: data + mark,
            "xml": lambda: mark + data,
            "entities": lambda: mark + data,
            "encrypted_zip": lambda: stored_zip([(f"{number}.log", b"secret\n")], encrypt=True),
            "tar": lambda: data + mark,
        }[kind]()
    return data


def timed(binary, *arguments):
    """Runs it; its answer and its peak memory in MiB."""
    script = "import resource,subprocess,sys; d=subprocess.run(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss//1024, file=sys.stderr); sys.exit(d.returncode)"
    done = subprocess.run([sys.executable, "-c", script, binary, *map(str, arguments)], capture_output=True, text=True)
    return done, int(done.stderr.strip().splitlines()[-1])


def query(binary, data, sql):
    done = subprocess.run([binary, "--data-dir", data, "query", "--format", "ndjson", sql], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(what, holds):
    print(f"    {'ok ' if holds else 'BAD'} {what}")
    if not holds:
        FAILED.append(what)


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        (home / "in").mkdir()
        (home / "config.toml").write_text("[detections]\nbundled = false\n")
        files = write(home / "in")
        (home / "one.ndjson").write_text(GOOD % 0)
        _, idle = timed(binary, "--config", home / "config.toml", "--data-dir", home / "idle", "ingest", "--log-type", "Zeek.DNS", home / "one.ndjson")
        done, peak = timed(binary, "--config", home / "config.toml", "--data-dir", home / "data", "ingest", "--json", "--log-type", "Zeek.DNS", home / "in")
        if done.returncode:
            sys.exit(done.stderr)
        summary = json.loads(done.stdout)
        print(f"    {len(files.bad)} poison files, {files.events} good events; idle {idle} MiB, peak {peak} MiB")
        print(f"    {summary['failures']}")
        rows = query(binary, home / "data", "SELECT count(*) AS n, count(DISTINCT uid) AS uids FROM logs.zeek_dns")[0]
        check(f"every good event is in, once: {rows}", rows == {"n": files.events, "uids": files.events})
        sql = ("SELECT p_source_file AS file, reason, error, record_ordinal AS place FROM monitor.classification_failures "
               "ORDER BY file, place")
        told = {}
        for row in query(binary, home / "data", sql):
            path = re.search(r'"path":"([^"]*)"', row["file"] if isinstance(row["file"], str) else json.dumps(row["file"], separators=(",", ":")))[1]
            told.setdefault(path, []).append(row)
        check("no failure of a good file", set(told) <= set(files.bad))
        wrong = []
        for path, reasons in sorted(files.bad.items()):
            found = [(row["reason"], row["error"]) for row in told.get(path, [])]
            fits = len(found) == len(reasons) and all(
                reason == wanted and part in error for (reason, error), (wanted, part) in zip(found, reasons))
            if not fits or any(row["place"] is None for row in told[path]):
                wrong.append(f"{pathlib.Path(path).name}: {found}, expected {reasons}")
        for line in wrong[:20]:
            print("    |", line[:300])
        check(f"each of {len(files.bad)} bad ones is told with its reason and place", not wrong)
        check(f"memory stays within {MAX_MIB} MiB over idle: {peak - idle} MiB", peak - idle <= MAX_MIB)
    if FAILED:
        sys.exit(f"FAILED: {'; '.join(FAILED)}")


if __name__ == "__main__":
    main()
