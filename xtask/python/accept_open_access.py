"""Reads the lake that real logs made as strangers do: PyIceberg by the catalog, DuckDB by the list of files. Both must
agree with `uncia query` on the rows and on a checksum of every column of every table.

    accept_open_access.py BINARY SAMPLES

PyIceberg 0.12 gives an empty list where a list of structs is absent (pyarrow and DuckDB read the same files right), so of
such columns it is held to the checksum with absent lists as empty ones.

The checksum is that of the test on made-up rows, `crates/lake-iceberg/tests/python/open_access.py`, which also reads.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import zlib

import pyarrow

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "crates/lake-iceberg/tests/python"))

import open_access  # noqa: E402

JSON_COLUMNS = "uncia.json-columns"
LOGS = (("--log-type", "AWS.CloudTrail", "cloudtrail-stratus/*.gz"), ("zeek-json/*.gz",), ("--log-type", "Suricata.Alert", "suricata*/*"))


class Number(str):
    """A number as it is written."""


def written(value):
    """A JSON value's text in the lake."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{written(str(key))}:{written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    if isinstance(value, Number):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def typed(value, kind, path, json_columns):
    """What `uncia query` printed, as the value that a reader of the files gets."""
    if value is None:
        return None
    if path in json_columns:
        return written(value)
    if pyarrow.types.is_struct(kind):
        fields = {kind.field(place).name: kind.field(place).type for place in range(kind.num_fields)}
        return {name: typed(value.get(name), inner, f"{path}.{name}", json_columns) for name, inner in fields.items()}
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
        return [typed(item, kind.value_type, f"{path}.{kind.value_field.name}", json_columns) for item in value]
    if pyarrow.types.is_timestamp(kind):
        return open_access.datetime.datetime.fromisoformat(value[:26] + "+00:00")
    if pyarrow.types.is_floating(kind):
        return float(value)
    if pyarrow.types.is_integer(kind):
        return int(value)
    return value


def said(uncia, table, schema, json_columns):
    """Rows and checksums of a table by our SQL."""
    sql = f"SELECT * FROM {'.'.join(table)}"
    process = subprocess.Popen([*uncia, "query", "--format", "ndjson", sql], stdout=subprocess.PIPE)
    columns = {name: {"values": 0, "checksum": 0} for name in schema.names}
    is_list_of_structs = lambda kind: pyarrow.types.is_nested(kind) and not pyarrow.types.is_struct(kind) and pyarrow.types.is_struct(kind.value_type)
    lists_of_structs = {field.name: {"values": 0, "checksum": 0} for field in schema if is_list_of_structs(field.type)}
    rows = 0
    for line in process.stdout:
        row = json.loads(line, parse_int=Number, parse_float=Number)
        rows += 1
        if row.keys() != columns.keys():
            sys.exit(f"{table}: columns {sorted(row.keys() ^ columns.keys())} are on one side only")
        for name, sums in columns.items():
            value = typed(row[name], schema.field(name).type, name, json_columns)
            if value is not None:
                add(sums, value)
            if name in lists_of_structs:
                add(lists_of_structs[name], value or [])
    if process.wait():
        sys.exit(f"{sql}: exit status {process.returncode}")
    return rows, columns, lists_of_structs


def add(sums, value):
    sums["values"] += 1
    sums["checksum"] = (sums["checksum"] + zlib.crc32(open_access.text(value).encode())) % 2**64


def main():
    binary, samples = sys.argv[1], pathlib.Path(sys.argv[2])
    from pyiceberg.catalog import load_catalog

    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder)
        uncia = [binary, "--data-dir", str(data)]
        for *arguments, pattern in LOGS:
            files = sorted(map(str, samples.glob(pattern)))
            subprocess.run([*uncia, "ingest", "--json", *arguments, *files], check=True, stdout=subprocess.PIPE)
        store = str(data / "store.sqlite")
        catalog = load_catalog("uncia", type="sql", uri="sqlite:///" + store)
        tables = []
        for table in catalog.list_tables("logs"):
            loaded = catalog.load_table(table)
            scan = loaded.scan()
            schema = scan.projection().as_arrow()
            json_columns = set(json.loads(loaded.properties.get(JSON_COLUMNS, "[]")))
            rows, columns, filled = said(uncia, table, schema, json_columns)
            listed = [task.file.file_path.removeprefix("file://") for task in scan.plan_files()]
            tables.append({"namespace": table[0], "name": table[1], "rows": rows, "files": listed, "columns": columns, "filled": filled})
        request = {"catalog": store, "tables": tables}
        agreed = len(tables) >= 11
        for engine in (open_access.pyiceberg, open_access.duckdb):
            for wanted, found in engine(request):
                columns = wanted["columns"] | (wanted["filled"] if engine is open_access.pyiceberg else {})
                same = {"rows": wanted["rows"], "columns": columns} == found
                agreed &= same
                name = f"{engine.__name__} {wanted['namespace']}.{wanted['name']}"
                print(f"  {'ok ' if same else 'BAD'} {name}: {found.get('rows')} rows, {len(found.get('columns', ()))} columns")
                if not same and "columns" in found:
                    for column, sums in found["columns"].items():
                        if columns.get(column) != sums:
                            print(f"      {column}: {sums}, by our SQL {columns.get(column)}")
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
