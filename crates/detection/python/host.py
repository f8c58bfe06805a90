"""The worker's Python half: imports content and calls it by the contract of detections.

The native half (`_uncia`) reads frames, keeps the events and calls `rule()`. It asks this module to load a program
(`load`), to describe what follows a match (`matched`) or an error (`raised`, `not_bool`), and to run unit tests (`test`).
Everything returned is JSON text.
"""

import gc
import importlib.machinery
import io
import json
import os
import signal
import sys
import types

import _uncia

import uncia_compile

MAX_GENERATED_CHARS = 1_000
MAX_CONTEXT_CHARS = 204_800
MAX_DESTINATIONS = 10
TRUNCATED = "... (truncated)"
SEVERITIES = ("INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL")


class DetectionTimeout(BaseException):
    """Raised inside a detection that runs too long. Not an Exception, so that content does not catch it by accident."""


class FunctionReturnTypeError(Exception):
    """A function returned something else than its contract says."""


class UnknownDestinationError(Exception):
    """destinations() named a destination that does not exist."""


# --- importing ---------------------------------------------------------------------------------------------------------


class Sources:
    """Imports modules from texts in memory: the worker reads no content from disk."""

    def __init__(self, sources=None):
        self.sources = sources or {}

    def find_spec(self, name, path=None, target=None):
        found = self.sources.get(name)
        if found is None:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, origin=found["file"], is_package=found.get("package", False))
        spec.has_location = True
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.code(module.__name__), module.__dict__)

    def code(self, name):
        found = self.sources[name]
        if "code" not in found:
            found["code"] = compile(found["source"], found["file"], "exec")
        return found["code"]

    def errors(self):
        """Of those that are no Python, by name."""
        found = {}
        for name in self.sources:
            try:
                self.code(name)
            except Exception as error:
                found[name] = described(error)
        return found


class Silence(io.TextIOBase):
    """Where content's prints go."""

    def writable(self):
        return True

    def write(self, text):
        return len(text)


GLOBALS = Sources()


def prepare(runtime):
    """Installs the modules that content may import, and the interrupt."""
    # What the product provides cannot be shadowed; globals come next, then the standard library and installed packages,
    # and our stand-ins only for what is not installed.
    sys.meta_path.insert(0, Sources(runtime["modules"]))
    sys.meta_path.insert(1, GLOBALS)
    sys.meta_path.append(Sources(runtime["fallbacks"]))
    sys.stdout = Silence()
    signal.signal(signal.SIGALRM, interrupt)
    # A copy that content makes would go on judging events and answer twice.
    os.register_at_fork(after_in_child=lambda: _uncia.forked() or os._exit(0))


def interrupt(_signal, _frame):
    if _uncia.overdue():
        raise DetectionTimeout(f"ran longer than {SETTINGS['soft_limit']:g} s")


# --- loading -----------------------------------------------------------------------------------------------------------

SETTINGS = {"soft_limit": 15, "sandbox": "off", "forks": False}
DETECTIONS = []
DESTINATIONS = {}


class Detection:
    """One detection: its facts, its module, and why it cannot run if it cannot."""

    def __init__(self, spec):
        self.id = spec["id"]
        self.spec = spec
        self.matcher_name = "policy" if spec["kind"] == "policy" else "rule"
        self.module = None
        self.setup_error = None

    def load(self):
        source = self.spec["module"]
        module = types.ModuleType(self.id)
        module.__file__ = source["file"]
        # Classes of the module are found by this name; a detection named like a real module must not replace it.
        sys.modules.setdefault(self.id, module)
        exec(compile(source["source"], source["file"], "exec"), module.__dict__)
        if not callable(module.__dict__.get(self.matcher_name)):
            raise AttributeError(f"detection [{self.id}] has no function '{self.matcher_name}'")
        self.module = module

    def function(self, name):
        found = self.module.__dict__.get(name)
        return found if callable(found) else None

    def matcher(self):
        return self.function(self.matcher_name)

    def check(self, function, value, kind, expected=None):
        if not isinstance(value, kind):
            expected = expected or f"[{kind.__name__}]"
            raise FunctionReturnTypeError(
                f"detection [{self.id}] function [{function}] returned [{type(value).__name__}], expected {expected}"
            )
        return value


# What the interpreter's own and other packages' libraries load while content runs.
SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/ssl/openssl.cnf",
    "/etc/mime.types",
    "/dev/urandom",
)
LAYERS = []


def isolate():
    """Builds the walls, once and before any content runs; returns those that are missing.

    A program that is loaded later finds them as they are: what it compiles is in memory, what it imports is readable, and
    directories that only its settings name are not.
    """
    if SETTINGS["sandbox"] == "off":
        return []
    if not LAYERS:
        libraries = os.path.join(sys.base_prefix, "lib")
        built = _uncia.confine([*sys.path, libraries, *SYSTEM], SETTINGS["forks"])
        LAYERS.extend({"name": name, "state": state, "detail": detail} for name, state, detail in built)
    return [f"no {layer['name']} ({layer['detail']})" for layer in LAYERS if layer["state"] == "missing"]


def load(settings, program):
    """Imports a program; returns JSON errors by index, the optimisation mode, the tables of log types, and what was compiled."""
    SETTINGS.update(json.loads(settings))
    program = json.loads(program)
    sys.path.extend(place for place in SETTINGS["python_path"] if place not in sys.path)
    missing = isolate()
    if missing and SETTINGS["sandbox"] == "strict":
        refused = {"errors": {}, "sandbox": LAYERS, "refused": ", ".join(missing)}
        return json.dumps(refused), SETTINGS["optimise"], {}, None, 0, False, None
    GLOBALS.sources = {source["name"]: source for source in program["globals"]}
    DESTINATIONS.clear()
    for destination in reversed(program["destinations"]):
        DESTINATIONS.setdefault(destination["id"], destination["id"])
    for destination in reversed(program["destinations"]):
        DESTINATIONS[destination["name"]] = destination["id"]
    errors = {}
    supporting = GLOBALS.errors()
    models, model_modules = load_data_models(program["data_models"], supporting)
    skipped = SETTINGS["skip"]
    tables = {}
    DETECTIONS.clear()
    for index, spec in enumerate(program["detections"]):
        detection = Detection(spec)
        DETECTIONS.append(detection)
        if str(index) in skipped:
            detection.setup_error = skipped[str(index)]
            continue
        _uncia.begin(index)
        try:
            detection.load()
        except BaseException as error:
            detection.setup_error = described(error)
            errors[index] = detection.setup_error
        _uncia.end()
        if detection.setup_error is not None or not spec["enabled"] or spec["kind"] == "policy":
            continue
        for log_type in spec["log_types"]:
            model = models.get(log_type) if spec["kind"] == "rule" else None
            table = tables.setdefault(log_type, (model, []))
            table[1].append((index, detection.matcher()))
    MODELS.clear()
    MODELS.update(models)
    mode = SETTINGS["optimise"]
    compiled = None if mode == "off" else compiled_rules(program, tables, model_modules)
    # Loaded content lives as long as the worker; what events leave behind is collected after every batch.
    gc.disable()
    gc.collect()
    gc.freeze()
    return json.dumps({"errors": errors, "supporting": supporting, "sandbox": LAYERS}), mode, tables, compiled, SETTINGS["shadow"], SETTINGS["explain"], SETTINGS["fault"]


def compiled_rules(program, tables, model_modules):
    """What the native index and evaluator get to know of the rules; nothing if the compiler itself fails."""
    numbers = sorted({number for _, rules in tables.values() for number, _ in rules})
    modules = list(model_modules)
    for source in program["globals"]:
        loaded = sys.modules.get(source["name"])
        if loaded is not None:
            modules.append((source["name"], source["source"], loaded.__dict__))
    rules = []
    for number in numbers:
        detection = DETECTIONS[number]
        modules.append((detection.id, detection.spec["module"]["source"], detection.module.__dict__))
        rules.append((number, detection.function(detection.matcher_name)))
    models = [(log_type, *MODEL_PARTS[id(model)]) for log_type, (model, _) in tables.items() if model is not None]
    try:
        content, functions, callables, written = uncia_compile.compile_content(modules, models, rules)
    except Exception as error:
        print(f"rules are not optimised: {error!r}", file=sys.stderr)
        return None
    return json.dumps(content), functions, callables, written


MODELS = {}
# Paths and methods of data models, by identity: the compiler reads them.
MODEL_PARTS = {}


def load_data_models(specs, errors):
    """Data models by log type. A model that cannot be loaded is left out and noted: its log types have none."""
    models, modules = {}, []
    MODEL_PARTS.clear()
    for spec in specs:
        try:
            namespace = {}
            if spec["module"] is not None:
                source = spec["module"]
                module = types.ModuleType(source["name"])
                module.__file__ = source["file"]
                exec(compile(source["source"], source["file"], "exec"), module.__dict__)
                namespace = module.__dict__
                modules.append((source["name"], source["source"], namespace))
            paths = [(m["name"], m["path"]) for m in spec["mappings"] if m["path"] is not None]
            methods = {m["name"]: namespace[m["method"]] for m in spec["mappings"] if m["path"] is None}
            model = _uncia.DataModel(paths, methods)
            MODEL_PARTS[id(model)] = (paths, methods)
        except Exception as error:
            errors[spec["id"]] = described(error)
            continue
        for log_type in spec["log_types"]:
            models.setdefault(log_type, model)
    return models, modules


def explained(reply, explanations):
    """The reply with what the native half can tell of the compiled rules."""
    told = {number: {"reads": reads, "opaque": opaque} for number, reads, opaque in explanations}
    return json.dumps({**json.loads(reply), "explanations": told})


# --- errors ------------------------------------------------------------------------------------------------------------


def place_of(error):
    """`file.py, line N, in fn` of the last frame of content."""
    last = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __name__ + ".py":
            last = trace
        trace = trace.tb_next
    if last is None:
        return ""
    code = last.tb_frame.f_code
    return f"{os.path.basename(code.co_filename)}, line {last.tb_lineno}, in {code.co_name}"


def text_of(error):
    try:
        return str(error)
    except Exception:
        return "the error has no text"


def described(error):
    return {"exception": type(error).__name__, "message": text_of(error), "place": place_of(error)}


def error_kind(error):
    if isinstance(error, DetectionTimeout):
        return "timeout"
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, FunctionReturnTypeError):
        return "non_bool"
    return "raised"


def error_json(error):
    text = text_of(error)
    place = place_of(error)
    message = f"{text}: {place}" if place else text
    return json.dumps({"kind": error_kind(error), "exception": type(error).__name__, "message": message})


def raised(index, error):
    return error_json(error)


def not_bool(index, value):
    detection = DETECTIONS[index]
    try:
        detection.check(detection.matcher_name, value, bool)
    except FunctionReturnTypeError as error:
        return error_json(error.with_traceback(None))
    return error_json(FunctionReturnTypeError("returned a bool of its own making"))


def after_batch():
    gc.collect()


# --- functions beside the matcher ----------------------------------------------------------------------------------------


def truncated(text):
    if len(text) <= MAX_GENERATED_CHARS:
        return text
    return text[: MAX_GENERATED_CHARS - len(TRUNCATED)] + TRUNCATED


def context_text(context):
    text = json.dumps(context, default=_uncia.PantherEvent.json_encoder, allow_nan=False)
    if len(text) > MAX_CONTEXT_CHARS:
        size = f"size is [{len(text)}] characters, bigger than maximum of [{MAX_CONTEXT_CHARS}] characters"
        return json.dumps({"_error": f"alert_context {size}"})
    return text


class Run:
    """The functions of one detection on one event it matched, in the contract's order.

    `strict` is how unit tests run: every exception is kept, and unknown destinations are an error.
    """

    def __init__(self, detection, event, strict):
        self.detection = detection
        self.event = event
        self.strict = strict
        self.outcomes = []
        # Exceptions that even production does not default away: those that are no Exception.
        self.grave = []

    def call(self, name, convert, undefined, failed):
        """One function: `convert` checks and finishes its result; defaults for undefined and for failed."""
        function = self.detection.function(name)
        if function is None:
            return self.note(name, False, undefined(), None)
        try:
            return self.note(name, True, convert(function(self.event)), None)
        except BaseException as error:
            if not isinstance(error, Exception):
                self.grave.append(error)
            return self.note(name, True, failed(error), error)

    def note(self, name, defined, output, error):
        self.outcomes.append((name, defined, output, error))
        return output

    def run(self):
        detection, spec = self.detection, self.detection.spec
        check = detection.check
        default_dedup = f"defaultDedupString:{detection.id}"

        def text(name):
            return lambda value: truncated(check(name, value, str))

        def severity(value):
            value = check("severity", value, str).upper()
            if value == "DEFAULT":
                return spec["severity"]
            if value not in SEVERITIES:
                raise AssertionError(f"expected severity to be any of {list(SEVERITIES)}, got [{value}] instead")
            return value

        def dedup(value):
            return truncated(check("dedup", value, str)) or default_dedup

        def context(value):
            import collections.abc

            return context_text(check("alert_context", value, collections.abc.Mapping))

        title = self.call("title", text("title"), lambda: None, lambda _: None if self.strict else detection.id)
        for name in ("description", "reference"):
            self.call(name, text(name), lambda name=name: spec[name], lambda _: "")
        self.call("severity", severity, lambda: spec["severity"], lambda _: spec["severity"])
        self.call("runbook", text("runbook"), lambda: spec["runbook"], lambda _: "")
        self.call("destinations", self.destinations, lambda: None, lambda _: None)
        self.call("dedup", dedup, lambda: title or default_dedup, lambda _: default_dedup)
        self.call("alert_context", context, lambda: None, lambda error: json.dumps({"_error": repr(error)}))
        self.call("unique", text("unique"), lambda: None, lambda _: None)
        return {name: output for name, _, output, _ in self.outcomes}

    def destinations(self, value):
        if value is None:
            return None
        check = self.detection.check
        check("destinations", value, list, "a list")
        for entry in value:
            check("destinations", entry, (str, bool), "a list of strings")
        if not value:
            return ["SKIP"]
        found, unknown = [], []
        for entry in value:
            known = DESTINATIONS.get(entry)
            if known is None or known in found:
                unknown.append(entry)
            else:
                found.append(known)
        if unknown:
            if self.strict:
                raise UnknownDestinationError(f"invalid destinations: {', '.join(map(str, unknown))}")
            return None
        return found[:MAX_DESTINATIONS]


def matched(index, event):
    """What a match says: final texts, defaults applied."""
    detection = DETECTIONS[index]
    run = Run(detection, event, strict=False)
    said = run.run()
    spec = detection.spec
    said["title"] = said["title"] or spec["display_name"] or detection.id
    for name in ("description", "reference", "runbook"):
        said[name] = said[name] or spec[name]
    if said["destinations"] == ["SKIP"]:
        said["destinations"] = []
    said["errors"] = [json.loads(error_json(error)) for error in run.grave]
    return json.dumps(said)


# --- unit tests ----------------------------------------------------------------------------------------------------------


class Mocks:
    """Replaces attributes of a detection's module for one test."""

    def __init__(self, detection, mocks):
        self.module = detection.module
        self.mocks = mocks
        self.kept = []

    def __enter__(self):
        if not self.mocks:
            return
        from unittest.mock import MagicMock

        namespace = self.module.__dict__
        for mock in self.mocks:
            name = mock["object"]
            if name not in namespace:
                raise AttributeError(f"{self.module.__name__} does not have the attribute '{name}'")
        for mock in self.mocks:
            name = mock["object"]
            self.kept.append((name, namespace[name]))
            namespace[name] = MagicMock(return_value=mock["value"])

    def __exit__(self, *_):
        for name, value in reversed(self.kept):
            self.module.__dict__[name] = value


def test(case, event):
    """Runs one unit test: the matcher and then, whatever it said, all other functions."""
    case = json.loads(case)
    detection = DETECTIONS[case["index"]]
    outcome = {"setup_error": detection.setup_error, "output": None, "alerts": False, "functions": [], "stdout": ""}
    if detection.setup_error is not None:
        return json.dumps(outcome)
    printed = io.StringIO()
    sys.stdout = printed
    _uncia.begin(case["index"])
    try:
        subject = test_subject(detection, event)
        mocks = Mocks(detection, case["mocks"])
        try:
            with mocks:
                run_test(detection, subject, outcome)
        except BaseException as error:
            outcome["setup_error"] = described(error)
    finally:
        _uncia.end()
        sys.stdout = Silence()
    outcome["stdout"] = printed.getvalue()
    return json.dumps(outcome)


def test_subject(detection, event):
    """Rules see the event with the data model of its log type, scheduled rules without, policies a plain dict."""
    kind = detection.spec["kind"]
    if kind == "policy":
        return json.loads(event)
    if kind == "scheduled_rule":
        return _uncia.parse(event)
    log_type = _uncia.parse(event).get("p_log_type")
    return _uncia.parse(event, MODELS.get(log_type) if isinstance(log_type, str) else None)


def run_test(detection, subject, outcome):
    name = detection.matcher_name
    error = None
    output = None
    try:
        output = detection.check(name, detection.matcher()(subject), bool)
    except BaseException as caught:
        error = caught
    outcome["output"] = output
    outcome["alerts"] = output is (name == "rule")
    run = Run(detection, subject, strict=True)
    run.run()
    for name, defined, value, failure in [(name, True, output, error), *run.outcomes]:
        described_failure = None if failure is None else described(failure)
        outcome["functions"].append({"name": name, "defined": defined, "output": value, "error": described_failure})
