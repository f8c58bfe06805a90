"""Compiles rules for the native index and evaluator (the crate `ruleir`): from Python's own syntax trees and the constants in
the loaded modules to nested lists, which `crates/ruleir/src/decode.rs` reads.

What is not surely the same there becomes opaque: Python is asked when it is reached. Names are resolved by their values, as
the functions themselves would find them, and only if nothing can change them later: a global that any function assigns,
or a container that any code could change, is no constant.
"""

import ast
import builtins
import collections.abc
import fnmatch
import functools
import hashlib
import ipaddress
import re
import types

INT_MIN, INT_MAX = -(2**63), 2**63 - 1

# Modules that name one of these can change what no reading of their text shows; they stay opaque.
DYNAMIC = {"globals", "vars", "locals", "exec", "eval", "setattr", "delattr", "__dict__", "__builtins__", "__import__", "compile"}

# Text of the helper function deep_get (annotations and docstring aside) whose meaning is modelled.
DEEP_GET = {"4a718cf4f95749ae"}

METHODS = {
    "startswith": (1, 1), "endswith": (1, 1), "lower": (0, 0), "upper": (0, 0), "strip": (0, 1), "lstrip": (0, 1), "rstrip": (0, 1),
    "split": (0, 2), "rsplit": (0, 2), "replace": (2, 2), "isdigit": (0, 0), "join": (1, 1), "find": (1, 1), "count": (1, 1), "removeprefix": (1, 1),
    "removesuffix": (1, 1),
}  # fmt: skip

CLASSES = {
    str: 1, dict: 2, list: 4, int: 8, float: 16, bool: 32, collections.abc.Mapping: 64, collections.abc.Sequence: 128, tuple: 256,
    set: 512, type(None): 1024, collections.abc.Iterable: 2048,
}  # fmt: skip

COMPARISONS = {
    ast.Eq: "==", ast.NotEq: "!=", ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not", ast.Lt: "<", ast.LtE: "<=",
    ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip

BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitOr: "or", ast.BitAnd: "and"}

# Pure functions of the standard library that are called with texts as they are. Some are modelled as well, by these names.
FOREIGN = {
    re.match: "raises", re.search: "raises", re.fullmatch: "raises", fnmatch.fnmatch: "fnmatch", fnmatch.fnmatchcase: "fnmatch",
    ipaddress.ip_address: "ip_address", ipaddress.ip_network: "raises",
}  # fmt: skip
PATTERN_METHODS = ("match", "search", "fullmatch")

# What a container can be handed to without being changed or kept.
READERS = {len, any, all, sorted, set, list, tuple, frozenset, str, sum, min, max, isinstance, bool, enumerate, zip, repr, print}
READING_METHODS = {
    "get", "items", "keys", "values", "copy", "index", "count", "intersection", "union", "difference", "issubset", "issuperset",
    "isdisjoint", "symmetric_difference", "join", "startswith", "endswith",
}  # fmt: skip

MISSING = object()


class Opaque(Exception):
    """What is compiled cannot be modelled; says why."""


def is_scalar(value):
    if type(value) is int:
        return INT_MIN <= value <= INT_MAX
    if type(value) is float:
        return value == value and value not in (float("inf"), float("-inf"))
    if type(value) is str:
        return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)
    return value is None or type(value) is bool


def is_frozen(value):
    return is_scalar(value) or (type(value) in (tuple, frozenset) and all(map(is_frozen, value)))


# Exact types whose class cannot be changed.
PLAIN = (list, dict, set, tuple, frozenset, str, int, float, bool, type(None))


def is_of_class(value, found):
    """`isinstance`, if it is sure to say the same whenever it is asked; `None` if it is not."""
    if type(value) not in PLAIN or not isinstance(found, type) or type(found).__instancecheck__ is not type.__instancecheck__:
        return None
    return isinstance(value, found)


def binds(node, name):
    """The node gives the name another value."""
    if isinstance(node, ast.Name):
        return node.id == name and not isinstance(node.ctx, ast.Load)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.name == name
    if isinstance(node, ast.alias):
        return (node.asname or node.name).split(".")[0] in (name, "*")
    if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return node.name == name
    return isinstance(node, ast.MatchMapping) and node.rest == name


class Module:
    """A loaded module of content: its namespace and its syntax tree."""

    def __init__(self, name, source, namespace):
        self.name = name
        self.source = source
        self.namespace = namespace
        self._tree = None
        self._facts = None

    @property
    def tree(self):
        if self._tree is None:
            self._tree = ast.parse(self.source)
        return self._tree

    @property
    def facts(self):
        if self._facts is None:
            self._facts = Facts(self.tree)
        return self._facts


class Facts:
    """What a module's text says of its names."""

    def __init__(self, tree):
        self.functions = {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.functions.setdefault(node.name, []).append(node)
        self.parents = {}
        self.writers = {}
        self.dynamic = None
        self.loads = {}
        self.attributes = {}
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, ast.Name):
                if node.id in DYNAMIC:
                    self.dynamic = node.id
                if isinstance(node.ctx, ast.Load):
                    self.loads.setdefault(node.id, []).append(node)
            elif isinstance(node, ast.Attribute):
                if node.attr in DYNAMIC and not (node.attr == "compile"):
                    self.dynamic = node.attr
                self.attributes.setdefault(node.attr, []).append(node)
            elif isinstance(node, ast.Global):
                for name in node.names:
                    self.writers.setdefault(name, []).append(node)

    def function_around(self, node):
        while node is not None and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            node = self.parents.get(node)
        return node


class Compiler:
    """One compilation of everything a worker has loaded."""

    def __init__(self, modules):
        """`modules`: (name, source, namespace) of all content."""
        self.modules = [Module(*module) for module in modules]
        self.by_namespace = {id(module.namespace): module for module in self.modules}
        self.functions = []
        self.places = {}
        self.under_way = set()
        self.consts = []
        self.const_places = {}
        self.reasons = {}
        self.callables = []
        self.foreigns = []
        self.globals = []
        self.global_places = {}
        self.bindings = None
        self.stable = {}
        self.written_elsewhere = None
        self.only_mocked = {}
        # The functions that the engine calls for an event before any other of their module.
        self.entries = set()
        self.depth = 0

    # --- what is handed over ---

    def result(self, models):
        return {
            "consts": self.consts,
            "functions": self.functions,
            "reasons": list(self.reasons),
            "foreign": self.foreigns,
            "models": models,
        }

    def opaque(self, reason):
        return ["opaque", self.reasons.setdefault(str(reason), len(self.reasons))]

    def const(self, value):
        return self.const_of(self.encoded(value))

    def const_of(self, encoded):
        key = repr(encoded)
        place = self.const_places.get(key)
        if place is None:
            place = self.const_places[key] = len(self.consts)
            self.consts.append(encoded)
        return ["const", place]

    def encoded(self, value):
        if value is None:
            return ["none"]
        if is_scalar(value):
            return [type(value).__name__, value]
        if type(value) in (list, tuple):
            return [type(value).__name__, *map(self.encoded, value)]
        if type(value) in (set, frozenset):
            return ["set", *sorted(map(self.encoded, value), key=repr)]
        if type(value) is dict:
            return ["dict", *(self.encoded(part) for pair in value.items() for part in pair)]
        raise Opaque(f"constant {type(value).__name__}")

    def foreign(self, function, kind):
        for place, known in enumerate(self.callables):
            if known is function:
                return place
        self.callables.append(function)
        self.foreigns.append(kind)
        return len(self.callables) - 1

    def global_place(self, module, name):
        key = (id(module.namespace), name)
        if key not in self.global_places:
            self.global_places[key] = len(self.globals)
            self.globals.append((module.namespace, name))
        return self.global_places[key]

    # --- functions ---

    def function(self, function):
        """The number of a compiled function."""
        if not isinstance(function, types.FunctionType):
            raise Opaque(f"call of {type(function).__name__}")
        if function in self.places:
            place = self.places[function]
            if place is None:
                raise Opaque(f"recursion of {function.__name__}")
            return place
        if self.depth > 12:
            raise Opaque("deep calls")
        module, node = self.definition(function)
        self.places[function] = None
        self.depth += 1
        try:
            compiled = FunctionCompiler(self, module, function, node).compile()
        except Opaque:
            del self.places[function]
            raise
        finally:
            self.depth -= 1
        place = self.places[function] = len(self.functions)
        self.functions.append(compiled)
        return place

    def definition(self, function):
        """A function's module and its text, if they are what they seem."""
        module = self.by_namespace.get(id(function.__globals__))
        if module is None:
            raise Opaque(f"function {function.__name__} of {function.__module__}")
        if function.__closure__ is not None:
            raise Opaque(f"closure {function.__name__}")
        facts = module.facts
        if facts.dynamic is not None:
            raise Opaque(f"module with {facts.dynamic}")
        line = function.__code__.co_firstlineno
        found = [node for node in facts.functions.get(function.__name__, ()) if node.lineno == line]
        if len(found) != 1 or found[0].decorator_list:
            raise Opaque(f"function {function.__name__} is not as written")
        return module, found[0]

    # --- names ---

    def lookup(self, module, name):
        """The value of a global name that never changes; or why it is not one."""
        if name in module.facts.writers and not self.is_only_mocked(module, name):
            raise Opaque(f"global {name} changes")
        if (id(module.namespace), name) in self.attribute_writes():
            raise Opaque(f"global {name} is set from outside")
        value = module.namespace.get(name, MISSING)
        if value is MISSING:
            value = getattr(builtins, name, MISSING)
            if value is MISSING:
                raise Opaque(f"name {name}")
        return value

    def is_only_mocked(self, module, name):
        """Every assignment to the global stands in an `if isinstance(name, C)` that its value never enters: content takes
        the mocks of its unit tests in this way, and those run without any optimisation."""
        key = (id(module.namespace), name)
        if key not in self.only_mocked:
            self.only_mocked[key] = self.finds_only_mocked(module, name)
        return self.only_mocked[key]

    def finds_only_mocked(self, module, name):
        facts = module.facts
        value = module.namespace.get(name, MISSING)
        if facts.dynamic is not None or type(value) not in PLAIN:
            return False
        for writer in facts.writers[name]:
            function = facts.function_around(writer)
            for node in ast.walk(function) if function is not None else ():
                if not binds(node, name):
                    continue
                if not isinstance(node, ast.Name) or not self.is_behind_other_class(module, node, name, value):
                    return False
        return True

    def is_behind_other_class(self, module, node, name, value):
        """The node is reached only where `isinstance(name, C)` holds of a class that the value is not of."""
        facts = module.facts
        child, parent = node, facts.parents.get(node)
        while parent is not None and not isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            if isinstance(parent, ast.If) and child in parent.body and isinstance(parent.test, ast.Call):
                call = parent.test
                asked = [argument.id for argument in call.args if isinstance(argument, ast.Name)]
                is_isinstance = isinstance(call.func, ast.Name) and call.func.id == "isinstance"
                if is_isinstance and len(asked) == len(call.args) == 2 and not call.keywords and asked[0] == name:
                    shadowed = "isinstance" in module.namespace or self.is_local(facts, call.args[1])
                    if not shadowed and is_of_class(value, module.namespace.get(asked[1])) is False:
                        return asked[1] not in facts.writers
            child, parent = parent, facts.parents.get(parent)
        return False

    def is_read_elsewhere(self, module, name):
        """Another module reads the global through this one."""
        for other in self.modules:
            for node in other.facts.attributes.get(name, ()):
                target = other.namespace.get(node.value.id) if isinstance(node.value, ast.Name) else MISSING
                if target is MISSING or (isinstance(target, types.ModuleType) and target.__dict__ is module.namespace):
                    return True
        return False

    def attribute_writes(self):
        """Globals that other modules assign or delete: (namespace, name)."""
        if self.written_elsewhere is None:
            self.written_elsewhere = set()
            for module in self.modules:
                for name, nodes in module.facts.attributes.items():
                    for node in nodes:
                        if isinstance(node.ctx, ast.Load) or not isinstance(node.value, ast.Name):
                            continue
                        target = module.namespace.get(node.value.id)
                        if isinstance(target, types.ModuleType):
                            self.written_elsewhere.add((id(target.__dict__), name))
        return self.written_elsewhere

    def constant(self, value, name):
        """A constant of a value found under a name."""
        if is_frozen(value):
            return self.const(value)
        if type(value) in (list, dict, set, tuple):
            if not self.is_stable(value):
                raise Opaque(f"{name} may be changed")
            return self.const(value)
        raise Opaque(f"{name} is a {type(value).__name__}")

    def is_stable(self, value):
        """Nothing could change a container: every use of it, under all names it has, only reads."""
        known = self.stable.get(id(value))
        if known is None:
            self.stable[id(value)] = False
            inner = [*value.keys(), *value.values()] if type(value) is dict else value
            known = all(self.is_stable(item) for item in inner if type(item) in (list, dict, set, tuple))
            known = self.stable[id(value)] = known and all(self.only_read(*binding) for binding in self.names_of(value))
        return known

    def names_of(self, value):
        if self.bindings is None:
            self.bindings = {}
            for module in self.modules:
                for name, bound in module.namespace.items():
                    if not name.startswith("__"):
                        self.bind(bound, module, name, bound, 0)
        return self.bindings.get(id(value), [])

    def bind(self, value, module, name, owner, depth):
        if type(value) not in (list, dict, set, tuple, frozenset) or depth > 8:
            return
        self.bindings.setdefault(id(value), []).append((module, name, owner))
        for inner in [*value.keys(), *value.values()] if type(value) is dict else value:
            self.bind(inner, module, name, owner, depth + 1)

    def only_read(self, module, name, owner):
        facts = module.facts
        if facts.dynamic is not None or (name in facts.writers and not self.is_only_mocked(module, name)):
            return False
        flat = not any(type(item) in (list, dict, set) for item in (owner.values() if type(owner) is dict else owner))
        uses = [node for node in facts.loads.get(name, ()) if not self.is_local(facts, node)]
        if name in facts.writers:
            value = module.namespace.get(name, MISSING)
            uses = [node for node in uses if not self.is_behind_other_class(module, node, name, value)]
        for other in self.modules:
            for node in other.facts.attributes.get(name, ()):
                target = other.namespace.get(node.value.id) if isinstance(node.value, ast.Name) else None
                if isinstance(target, types.ModuleType) and target.__dict__ is module.namespace:
                    if not isinstance(node.ctx, ast.Load) or not self.reads(other, node, flat, 0):
                        return False
        return all(self.reads(module, node, flat, 0) for node in uses)

    def is_local(self, facts, node):
        around = facts.function_around(node)
        while around is not None:
            if isinstance(around, ast.FunctionDef) and node.id in assigned_names(around):
                return True
            around = facts.function_around(facts.parents.get(around))
        return False

    def reads(self, module, node, flat, depth):
        """The expression is used in a way that neither changes nor keeps the container; `flat`: nor do its items matter."""
        facts = module.facts
        parent = facts.parents.get(node)
        if isinstance(parent, (ast.Compare, ast.FormattedValue, ast.UnaryOp)):
            return True
        if isinstance(parent, (ast.For, ast.comprehension)):
            return parent.iter is node and flat
        if isinstance(parent, ast.Subscript):
            return parent.value is node and isinstance(parent.ctx, ast.Load) and (flat or self.reads(module, parent, True, depth))
        if isinstance(parent, ast.Starred):
            return flat
        if isinstance(parent, ast.BinOp):
            return flat
        if isinstance(parent, (ast.If, ast.While, ast.IfExp)):
            return parent.test is node
        if isinstance(parent, ast.Attribute):
            call = facts.parents.get(parent)
            if not (isinstance(call, ast.Call) and call.func is parent and parent.attr in READING_METHODS):
                return False
            if parent.attr in ("get", "values", "items") and not flat:
                return parent.attr == "get" and self.reads(module, call, True, depth)
            return True
        if isinstance(parent, ast.Call) and node in parent.args:
            return self.hands_over(module, parent, node, flat, depth)
        return False

    def hands_over(self, module, call, node, flat, depth):
        if isinstance(call.func, ast.Attribute):
            return flat and call.func.attr in READING_METHODS and call.func.attr != "get"
        if not isinstance(call.func, ast.Name) or depth > 4:
            return False
        callee = module.namespace.get(call.func.id, getattr(builtins, call.func.id, None))
        try:
            if callee in READERS:
                return flat
        except TypeError:
            return False
        if not isinstance(callee, types.FunctionType):
            return False
        try:
            other, definition = self.definition(callee)
        except Opaque:
            return False
        place = call.args.index(node)
        if any(isinstance(argument, ast.Starred) for argument in call.args) or place >= len(definition.args.args):
            return False
        parameter = definition.args.args[place].arg
        uses = [inner for inner in ast.walk(definition) if isinstance(inner, ast.Name) and inner.id == parameter]
        return all(isinstance(use.ctx, ast.Load) and self.reads(other, use, flat, depth + 1) for use in uses)


def models_of(compiler, models):
    """`models`: (log type, paths, methods) of the data models."""
    out = {}
    for log_type, paths, methods in models:
        mappings = {}
        for name, method in methods.items():
            try:
                mappings[name] = ["method", compiler.function(method)]
            except Opaque:
                mappings[name] = ["opaque"]
        for name, path in reversed(paths):
            steps = path.strip().removeprefix("$").removeprefix(".").split(".")
            plain = all(step and step.replace("_", "a").replace("-", "a").replace("@", "a").isalnum() for step in steps)
            mappings[name] = ["path", *steps] if plain else ["opaque"]
        out[log_type] = mappings
    return out


def compile_content(modules, models, rules):
    """Everything that a worker optimises: the program (for JSON), the function of each rule, the foreign functions, and the
    globals that rules write. `rules`: (number, rule function)."""
    compiler = Compiler(modules)
    functions = {}
    compiler.entries = {rule for _, rule in rules}
    for number, rule in rules:
        try:
            functions[number] = compiler.function(rule)
        except Opaque:
            continue
    compiled = models_of(compiler, models)
    # The syntax trees are done with; what would live on is traversed by every garbage collection.
    assigned_names.cache_clear()
    return compiler.result(compiled), functions, compiler.callables, compiler.globals
