"""Reads a lake's tables as strangers do, and compares with what their writer says of them.

stdin: {"catalog": path of the store's SQLite file,
        "tables": [{"namespace", "name", "rows", "files": [...], "columns": {name: {"values", "checksum"}}}]}

A column's checksum is the sum, modulo 2**64, of zlib.crc32 over the UTF-8 text of each of its values that is not null;
so it is the same in any order of rows. The text of a value:

    string            itself
    boolean           true, false
    integer           decimal
    double            16 hex digits of its IEEE bits, big endian
    timestamp         microseconds since 1970, decimal
    list              [a,b,...], null items as null
    struct            {name:value,...} of the members that are not null, sorted by these texts
"""

import datetime
import json
import struct
import sys
import zlib

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def text(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    if isinstance(value, datetime.datetime):
        return str((value - EPOCH) // MICROSECOND)
    if isinstance(value, list):
        return "[" + ",".join(text(item) for item in value) + "]"
    if isinstance(value, dict):
        members = sorted(f"{name}:{text(item)}" for name, item in value.items() if item is not None)
        return "{" + ",".join(members) + "}"
    return str(value)


def described(table):
    """Rows and columns of a pyarrow table."""
    columns = {}
    for name in table.column_names:
        values = [value for value in table.column(name).to_pylist() if value is not None]
        checksum = sum(zlib.crc32(text(value).encode()) for value in values) % 2**64
        columns[name] = {"values": len(values), "checksum": checksum}
    return {"rows": table.num_rows, "columns": columns}


def pyiceberg(request):
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog("uncia", type="sql", uri="sqlite:///" + request["catalog"])
    for wanted in request["tables"]:
        table = catalog.load_table((wanted["namespace"], wanted["name"]))
        files = sorted(task.file.file_path.removeprefix("file://") for task in table.scan().plan_files())
        if files != sorted(wanted["files"]):
            yield wanted, {"files": files}
            continue
        yield wanted, described(table.scan().to_arrow())


def duckdb(request):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for wanted in request["tables"]:
        files = connection.read_parquet(wanted["files"], union_by_name=True)
        yield wanted, described(files.to_arrow_table())


def main():
    request = json.load(sys.stdin)
    agreed = True
    for engine in (pyiceberg, duckdb):
        for wanted, found in engine(request):
            name = f"{engine.__name__} {wanted['namespace']}.{wanted['name']}"
            expected = {"rows": wanted["rows"], "columns": wanted["columns"]}
            if found == expected:
                print(f"{name}: agrees on {found['rows']} rows and {len(found['columns'])} columns")
                continue
            agreed = False
            print(f"{name}: differs")
            if "files" in found or found["rows"] != expected["rows"]:
                print(f"  {found}, not {expected['rows']} rows of {wanted['files']}")
                continue
            for column in sorted(found["columns"].keys() | expected["columns"].keys()):
                pair = found["columns"].get(column), expected["columns"].get(column)
                if pair[0] != pair[1]:
                    print(f"  {column}: {pair[0]}, not {pair[1]}")
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
