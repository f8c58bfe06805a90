"""The peer of `./x bench detect`: panther_core's `Rule.run` over all rules of a log type.

    bench_detect_peer.py PANTHER_ANALYSIS EVENTS LOGTYPE

The package is used unmodified and as its users do: one PantherEvent per event, shared by all rules, `run` in batch mode.
Only the rules' cache, which asks DynamoDB, is a dictionary here, so that both sides find the same. CPU seconds of this
process from the moment when the rules are loaded, parsing of the events included. Prints one line of JSON, with matches
and errors per rule.
"""

import collections
import importlib.metadata
import json
import logging
import os
import pathlib
import sys
import tempfile
import time

# panther_core keeps data models there.
os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="uncia-bench-")
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
logging.disable(logging.CRITICAL)

from panther_core.data_model import DataModel
from panther_core.enriched_event import PantherEvent
from panther_core.rule import Rule

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "crates/detection/tests/oracle"))
import plain_run

VERSION = "bench"


def rules_and_model(content, log_type):
    files = plain_run.Globals()
    sys.meta_path.insert(0, files)
    rules, models = [], []
    for file, spec in plain_run.specs([content]):
        kind = spec["AnalysisType"]
        enabled = str(spec.get("Enabled")).lower() == "true"
        source = os.path.join(os.path.dirname(file), spec.get("Filename", ""))
        if kind == "global":
            files.files[spec["GlobalID"]] = source
        elif kind == "datamodel" and enabled and log_type in spec["LogTypes"]:
            models.append((spec, source))
        elif kind == "rule" and enabled and log_type in spec.get("LogTypes", ()) and "Filename" in spec:
            rules.append((spec, source))
    cache = plain_run.Cache()
    import panther_detection_helpers.caching as caching

    for name in cache.NAMES:
        setattr(caching, name, getattr(cache, name))
    return [rule(*found) for found in rules], data_model(*models[0]) if models else None


def rule(spec, source):
    body = pathlib.Path(source).read_text()
    return Rule({"id": spec["RuleID"], "versionId": VERSION, "body": body, "severity": spec["Severity"].upper(), "analysisType": "RULE"})


def data_model(spec, source):
    mappings = [{key.lower(): value for key, value in mapping.items()} for mapping in spec["Mappings"]]
    config = {"id": spec["DataModelID"], "versionId": VERSION, "mappings": mappings}
    if "Filename" in spec:
        config["body"] = pathlib.Path(source).read_text()
    return DataModel(config)


def main():
    content, events, log_type = sys.argv[1:4]
    talk, sys.stdout = sys.stdout, open(os.devnull, "w")
    rules, model = rules_and_model(content, log_type)
    broken = {rule.detection_id: str(rule.setup_exception) for rule in rules if rule.setup_exception}
    lines = pathlib.Path(events).read_bytes().splitlines()
    matches, errors = collections.Counter(), collections.Counter()

    before = time.process_time()
    for line in lines:
        event = PantherEvent(json.loads(line), model)
        for rule in rules:
            result = rule.run(event, {}, {}, batch_mode=True)
            if result.trigger_alert:
                matches[rule.detection_id] += 1
            elif result.detection_exception is not None:
                errors[rule.detection_id] += 1
    cpu_seconds = time.process_time() - before

    json.dump({
        "events": len(lines), "rules": len(rules), "cpu_seconds": cpu_seconds, "matches": matches, "errors": errors, "broken": broken,
        "version": importlib.metadata.version("panther_core"), "python": sys.version.split()[0],
    }, talk)
    talk.write("\n")


if __name__ == "__main__":
    main()
