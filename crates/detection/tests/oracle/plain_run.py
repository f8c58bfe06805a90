#!/usr/bin/env python3
"""The oracle: runs Python rules over events in plain CPython, one event and one rule after the other.

It shares nothing with the engine but the described behaviour, so that whatever the engine does to be fast can be held
against it. Clarity before speed, no process isolation, no limits: for tests only.

    plain_run.py --rules DIR [--rules DIR]... --log-type AWS.CloudTrail events.ndjson[.gz]... > matches.ndjson

One line a match: {"p_row_id", "rule", "title", "dedup", "severity"} and, with --full, the other texts and the alert
context; one line a failed rule(): {"p_row_id", "rule", "error"}. An event without p_row_id gets "line:N", N from 0 over
all files.
Needs PyYAML, and whatever the rules import; boto3 is replaced by an empty stub if it is not there.
"""

import argparse
import collections.abc
import contextlib
import datetime
import gzip
import importlib.util
import io
import json
import os
import re
import sys
import time
import types

import yaml

SEVERITIES = ("INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL")
MAX_TEXT = 1000
MAX_CONTEXT = 204800
MAX_DESTINATIONS = 10


# --- what rules see of an event -----------------------------------------------------------------------------------


def wrapped(value):
    if type(value) is dict:
        return ImmutableCaseInsensitiveDict(value)
    if type(value) is list:
        return ImmutableList(value)
    return value


def plain(value):
    """A deep, mutable copy without wrappers."""
    if isinstance(value, (dict, ImmutableCaseInsensitiveDict)):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, ImmutableList)):
        return [plain(item) for item in value]
    return value


class ImmutableList(collections.abc.Sequence):
    def __init__(self, container=()):
        self._container = container if isinstance(container, list) else list(container)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(self._container[index])
        return wrapped(self._container[index])

    def __len__(self):
        return len(self._container)

    def __eq__(self, other):
        if isinstance(other, ImmutableList):
            other = other._container
        if not isinstance(other, (list, tuple)):
            return NotImplemented
        return len(other) == len(self) and all(mine == theirs for mine, theirs in zip(self, other))

    __hash__ = None

    def __repr__(self):
        return f"ImmutableList({tuple(self._container)!r})"

    __str__ = __repr__

    def as_list(self):
        return plain(self)

    copy = as_list

    def raw_view(self):
        return self._container


class ImmutableCaseInsensitiveDict(collections.abc.Mapping):
    def __init__(self, container=None):
        self._container = {} if container is None else container
        self._folded = None

    def _spelling(self, key):
        """The key as the event spells it, or None."""
        if key in self._container:
            return key
        if self._folded is None:
            self._folded = {}
            for name in self._container:
                if isinstance(name, str):
                    self._folded.setdefault(name.lower(), name)
        return self._folded.get(key.lower())

    def __getitem__(self, key):
        name = self._spelling(key)
        if name is None:
            raise KeyError(key)
        return wrapped(self._container[name])

    def __contains__(self, key):
        return self._spelling(key) is not None

    def __iter__(self):
        return iter(self._container)

    def __len__(self):
        return len(self._container)

    def get(self, key, default=None):
        return self[key] if key in self else default

    __hash__ = None

    def __repr__(self):
        return f"{type(self).__name__}({self._container!r})"

    __str__ = __repr__

    def copy(self):
        return plain(self)

    to_dict = copy

    def raw_view(self):
        return self._container

    def deep_get(self, *keys, default=None):
        at = self
        for key in keys:
            if not isinstance(at, collections.abc.Mapping):
                return default
            at = at.get(key)
            if at is None:
                return default
        return at

    def deep_walk(self, *keys, default=None, return_val="all"):
        return _walk(self._container, keys, default, return_val)


def _is_empty(value):
    """Lists with nothing but empty lists in them."""
    return isinstance(value, list) and all(_is_empty(item) for item in value)


def _walk(value, keys, default, return_val):
    """Values below a path; lists on the way are entered, case matters. A path that ends at a list gives that list."""
    if not keys:
        return default if _is_empty(value) else value
    if isinstance(value, dict):
        below = value.get(keys[0])
        return default if below is None else _walk(below, keys[1:], default, return_val)
    if not isinstance(value, list):
        return default
    distinct = {}  # its keys: what cannot be hashed is a TypeError
    for item in value:
        found = _walk(item, keys, default, return_val)
        if isinstance(found, list):
            distinct.update(dict.fromkeys(found))
        elif found is not None:
            distinct[found] = None
    found = list(distinct)
    if not found:
        return default
    if return_val == "first":
        return found[0]
    if return_val == "last":
        return found[-1]
    return found[0] if len(found) == 1 else found


class PantherError(Exception):
    pass


class PantherEvent(ImmutableCaseInsensitiveDict):
    def __init__(self, container=None, data_model=None):
        super().__init__(container)
        self._model = data_model

    def udm(self, *path, default=None):
        if len(path) == 1 and self._model is not None:
            mapping = self._model.get(path[0])
            if mapping is not None:
                return self._mapped(mapping, default)
        return self.deep_get("p_udm", *path) or self.deep_get(*path) or default

    def _mapped(self, mapping, default):
        kind, target = mapping
        if kind == "method":
            value = target(ImmutableCaseInsensitiveDict(self._container))
            return default if value is None else wrapped(value)
        found, value = _at_path(self._container, target)
        return wrapped(value) if found else default

    def udm_path(self, key):
        if self._model is None:
            raise PantherError(f"a data model hasn't been specified for log type: {self.get('p_log_type')}")
        mapping = self._model.get(key)
        if mapping is None:
            return None
        kind, target = mapping
        if kind == "method":
            return target.__name__
        return target.removeprefix("$.") if _at_path(self._container, target)[0] else None

    def lookup(self, table, key):
        return self.deep_get("_mocked_lookup_data_", table, key)

    def event_time_epoch(self):
        text = self.get("p_event_time")
        if not isinstance(text, str):
            return 0
        try:
            from dateutil import parser

            at = parser.parse(text)
        except (ImportError, ValueError, OverflowError):
            return 0
        return int(at.replace(tzinfo=at.tzinfo or datetime.timezone.utc).timestamp())

    @staticmethod
    def json_encoder(value):
        if isinstance(value, (ImmutableCaseInsensitiveDict, ImmutableList)):
            return plain(value)
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _at_path(value, path):
    """Plain dotted paths, which is what data models use."""
    for key in path.removeprefix("$.").split("."):
        if not isinstance(value, dict) or key not in value:
            return False, None
        value = value[key]
    return True, value


# --- modules that rules import ------------------------------------------------------------------------------------


class Cache:
    """panther_detection_helpers.caching over a dictionary: item = counter, strings, dictionary, expiry."""

    NAMES = (
        "get_counter increment_counter reset_counter set_key_expiration get_string_set put_string_set "
        "add_to_string_set remove_from_string_set reset_string_set put_dictionary get_dictionary "
        "evaluate_threshold check_account_age"
    ).split()

    def __init__(self):
        self.items = {}

    def _expiry(self, epoch_seconds):
        if epoch_seconds is None:
            return time.time() + 90 * 86400
        epoch_seconds = int(epoch_seconds)  # some rules give text
        return time.time() + epoch_seconds if epoch_seconds < 604801 else epoch_seconds

    @staticmethod
    def _strings(val):
        return {val} if isinstance(val, str) else {str(item) for item in val}

    def _item(self, key, epoch_seconds=None, fresh=False):
        item = self.items.setdefault(key, {})
        if fresh and item.get("expires", float("inf")) <= time.time():
            item.clear()
        if epoch_seconds is not None or (fresh and "expires" not in item):
            item["expires"] = self._expiry(epoch_seconds)
        return item

    def get_counter(self, key, force_ttl_check=False):
        return self._live(key, force_ttl_check).get("counter", 0)

    def _live(self, key, force):
        item = self.items.get(key, {})
        return {} if force and item.get("expires", float("inf")) <= time.time() else item

    def increment_counter(self, key, val=1, epoch_seconds=None):
        item = self._item(key, epoch_seconds, fresh=True)
        item["counter"] = item.get("counter", 0) + val
        return item["counter"]

    def reset_counter(self, key):
        self._item(key).pop("counter", None)

    def set_key_expiration(self, key, epoch_seconds):
        self._item(key, epoch_seconds)

    def get_string_set(self, key, force_ttl_check=False):
        return set(self._live(key, force_ttl_check).get("strings", ()))

    def put_string_set(self, key, val, epoch_seconds=None):
        item = self._item(key, epoch_seconds, fresh=True)
        item["strings"] = self._strings(val)

    def add_to_string_set(self, key, val, epoch_seconds=None):
        item = self._item(key, epoch_seconds, fresh=True)
        item["strings"] = item.get("strings", set()) | self._strings(val)
        return set(item["strings"])

    def remove_from_string_set(self, key, val, epoch_seconds=None):
        item = self._item(key, epoch_seconds, fresh=True)
        item["strings"] = item.get("strings", set()) - self._strings(val)
        return set(item["strings"])

    def reset_string_set(self, key):
        self._item(key).pop("strings", None)

    def put_dictionary(self, key, val, epoch_seconds=None):
        if not isinstance(val, collections.abc.Mapping):
            raise TypeError("panther_detection_helpers.caching: value is not a dictionary")
        try:
            text = json.dumps(val)
        except TypeError as error:
            raise ValueError(str(error)) from error
        self._item(key, epoch_seconds, fresh=True)["dictionary"] = text

    def get_dictionary(self, key, force_ttl_check=False):
        return json.loads(self._live(key, force_ttl_check).get("dictionary", "{}"))

    def evaluate_threshold(self, key, threshold=10, expiry_seconds=3600):
        if self.increment_counter(key) >= threshold:
            self.reset_counter(key)
            return True
        self.set_key_expiration(key, expiry_seconds)
        return False

    def check_account_age(self, key):
        return bool(self.get_string_set(key, force_ttl_check=True))


def install(name, **contents):
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    return module


def install_modules():
    install("panther_core", PantherEvent=PantherEvent).__path__ = []
    wrappers = {"ImmutableList": ImmutableList, "ImmutableCaseInsensitiveDict": ImmutableCaseInsensitiveDict}
    install("panther_core.immutable", ImmutableContainerMixin=object, **wrappers)
    install("panther_core.enriched_event", PantherEvent=PantherEvent)
    cache = Cache()
    install("panther_detection_helpers").__path__ = []
    install("panther_detection_helpers.caching", **{name: getattr(cache, name) for name in Cache.NAMES})
    try:
        import boto3  # noqa: F401
        import botocore.exceptions  # noqa: F401
    except ImportError:
        install("boto3", resource=None, client=None)
        install("botocore").__path__ = []
        failures = ("NoCredentialsError", "ClientError", "BotoCoreError")
        install("botocore.exceptions", **{name: type(name, (Exception,), {}) for name in failures})


class Globals:
    """Finds globals by their id."""

    def __init__(self):
        self.files = {}

    def find_spec(self, name, path=None, target=None):

        file = self.files.get(name)
        return importlib.util.spec_from_file_location(name, file) if file else None


# --- content ------------------------------------------------------------------------------------------------------


def yaml_files(folder):
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        yield from (os.path.join(at, name) for name in sorted(files) if re.search(r"\.y\w*ml$", name))


def specs(folders):
    for folder in folders:
        for file in yaml_files(folder):
            with open(file, encoding="utf-8") as text:
                try:
                    # The base loader makes every scalar a string, so no YAML version matters.
                    spec = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
                except yaml.YAMLError:
                    continue
            if isinstance(spec, dict) and "AnalysisType" in spec:
                yield file, spec


def run_file(file, name):
    module = types.ModuleType(name)
    module.__file__ = file
    with open(file, encoding="utf-8") as text:
        exec(compile(text.read(), file, "exec"), module.__dict__)
    return module


class Rule:
    def __init__(self, file, spec):
        self.id = spec["RuleID"]
        self.name = spec.get("DisplayName") or self.id
        self.severity = spec["Severity"].upper()
        self.texts = {name: spec.get(name.capitalize(), "") for name in ("description", "reference", "runbook")}
        self.module = run_file(os.path.join(os.path.dirname(file), spec["Filename"]), self.id)
        if not callable(getattr(self.module, "rule", None)):
            raise PantherError("rule needs to be a function")

    def run(self, event):
        """The match's texts, or None."""
        output = self.module.rule(event)
        if not isinstance(output, bool):
            raise TypeError("FunctionReturnTypeError")
        if not output:
            return None
        said = {"title": self.title(event)}
        for name, static in self.texts.items():
            said[name] = self.text(name, event, None, "") or static
        said["severity"] = self.judged(event)
        said["destinations"] = self.destinations(event)
        said["dedup"] = self.text("dedup", event, said["title"], "") or f"defaultDedupString:{self.id}"
        said["alert_context"] = self.context(event)
        said["unique"] = self.text("unique", event, None, None)
        said["title"] = said["title"] or self.name
        return said

    def title(self, event):
        return self.text("title", event, None, self.id)

    def text(self, name, event, undefined, failed):
        function = getattr(self.module, name, None)
        if function is None:
            return undefined
        try:
            text = function(event)
        except Exception:
            return failed
        if not isinstance(text, str):
            return failed
        cut = "... (truncated)"
        return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - len(cut)] + cut

    def judged(self, event):
        said = self.text("severity", event, None, None)
        said = said.upper() if said is not None else None
        return said if said in SEVERITIES else self.severity

    def destinations(self, event):
        function = getattr(self.module, "destinations", None)
        if function is None:
            return None
        try:
            named = function(event)
        except Exception:
            return None
        # No destination is known here, so a list that names one is void.
        return ["SKIP"] if isinstance(named, (list, bool)) and not named else None

    def context(self, event):
        function = getattr(self.module, "alert_context", None)
        if function is None:
            return None
        try:
            context = function(event)
            if not isinstance(context, collections.abc.Mapping):
                raise TypeError("FunctionReturnTypeError")
            text = json.dumps(context, default=PantherEvent.json_encoder, allow_nan=False)
        except Exception as error:
            return json.dumps({"_error": repr(error)})
        if len(text) > MAX_CONTEXT:
            size = f"alert_context size is [{len(text)}] characters, bigger than maximum of [{MAX_CONTEXT}] characters"
            return json.dumps({"_error": size})
        return text


def load(folders, log_type, disabled):
    """Rules of the log type and its data model."""
    finder = Globals()
    sys.meta_path.insert(0, finder)
    rules, model = [], None
    found = list(specs(folders))
    for file, spec in found:
        if spec["AnalysisType"] == "global":
            finder.files[spec["GlobalID"]] = os.path.join(os.path.dirname(file), spec["Filename"])
    for file, spec in found:
        if log_type not in (spec.get("LogTypes") or ()):
            continue
        enabled = str(spec.get("Enabled")).lower() == "true"
        if spec["AnalysisType"] == "datamodel" and enabled and model is None:
            model = data_model(file, spec)
        if spec["AnalysisType"] == "rule" and "Filename" in spec and (enabled or disabled):
            try:
                rules.append(Rule(file, spec))
            except Exception as error:
                print(f"{file}: {spec['RuleID']} cannot load: {error!r}", file=sys.stderr)
    return rules, model


def data_model(file, spec):
    module = None
    if spec.get("Filename"):
        module = run_file(os.path.join(os.path.dirname(file), spec["Filename"]), spec["DataModelID"])
    mappings = {}
    for mapping in spec["Mappings"]:
        if "Method" in mapping:
            mappings[mapping["Name"]] = ("method", getattr(module, mapping["Method"]))
        else:
            mappings[mapping["Name"]] = ("path", mapping["Path"])
    return mappings


# --- the run ------------------------------------------------------------------------------------------------------


def events(files):
    number = 0
    for file in files:
        opened = gzip.open(file, "rt", encoding="utf-8") if file.endswith(".gz") else open(file, encoding="utf-8")
        with opened as lines:
            for line in lines:
                if line.strip():
                    yield number, json.loads(line)
                    number += 1


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rules", action="append", required=True, metavar="DIR")
    arguments.add_argument("--log-type", required=True)
    arguments.add_argument("--disabled", action="store_true", help="run rules that are not enabled, too")
    arguments.add_argument("--full", action="store_true", help="print every text of a match")
    arguments.add_argument("files", nargs="+")
    options = arguments.parse_args()
    install_modules()
    talk = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()):
        rules, model = load(options.rules, options.log_type, options.disabled)
        matches = errors = count = 0
        for number, raw in events(options.files):
            count += 1
            row = raw.get("p_row_id", f"line:{number}")
            event = PantherEvent(raw, model)
            for rule in rules:
                line = {"p_row_id": row, "rule": rule.id}
                try:
                    said = rule.run(event)
                except Exception as error:
                    name = type(error).__name__
                    name = "FunctionReturnTypeError" if str(error) == "FunctionReturnTypeError" else name
                    errors += 1
                    print(json.dumps({**line, "error": name}), file=talk)
                    continue
                if said is None:
                    continue
                matches += 1
                kept = said if options.full else {key: said[key] for key in ("title", "dedup", "severity")}
                print(json.dumps({**line, **kept}), file=talk)
    print(f"{count} events, {len(rules)} rules, {matches} matches, {errors} errors", file=sys.stderr)


if __name__ == "__main__":
    main()
