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
    "split": (0, 2), "replace": (2, 2), "isdigit": (0, 0), "join": (1, 1), "find": (1, 1), "count": (1, 1), "removeprefix": (1, 1),
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

# Pure functions of the standard library that are called with texts as they are; true: they raise for no text.
FOREIGN = {
    re.match: False, re.search: False, re.fullmatch: False, fnmatch.fnmatch: False, fnmatch.fnmatchcase: False,
    ipaddress.ip_address: False, ipaddress.ip_network: False,
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
        self.total = []
        self.globals = []
        self.global_places = {}
        self.bindings = None
        self.stable = {}
        self.written_elsewhere = None
        self.depth = 0

    # --- what is handed over ---

    def result(self, models):
        return {
            "consts": self.consts,
            "functions": self.functions,
            "reasons": list(self.reasons),
            "foreign": self.total,
            "models": models,
        }

    def opaque(self, reason):
        return ["opaque", self.reasons.setdefault(str(reason), len(self.reasons))]

    def const(self, value):
        encoded = self.encoded(value)
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

    def foreign(self, function, total):
        for place, known in enumerate(self.callables):
            if known is function:
                return place
        self.callables.append(function)
        self.total.append(total)
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
        if name in module.facts.writers:
            raise Opaque(f"global {name} changes")
        if (id(module.namespace), name) in self.attribute_writes():
            raise Opaque(f"global {name} is set from outside")
        value = module.namespace.get(name, MISSING)
        if value is MISSING:
            value = getattr(builtins, name, MISSING)
            if value is MISSING:
                raise Opaque(f"name {name}")
        return value

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
        if facts.dynamic is not None or name in facts.writers:
            return False
        flat = not any(type(item) in (list, dict, set) for item in (owner.values() if type(owner) is dict else owner))
        uses = [node for node in facts.loads.get(name, ()) if not self.is_local(facts, node)]
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


@functools.lru_cache(maxsize=None)
def assigned_names(function):
    """Names local to a function: parameters and what it assigns, globals aside."""
    arguments = function.args
    names = {argument.arg for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
    names.update(argument.arg for argument in (arguments.vararg, arguments.kwarg) if argument is not None)
    shared = set()
    stack = list(function.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            # Their targets are their own; a walrus inside is the function's.
            names.update(n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
            continue
        if isinstance(node, ast.Global):
            shared.update(node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        stack.extend(ast.iter_child_nodes(node))
    return frozenset(names - shared)


def is_deep_get(function, node):
    """The helper `deep_get`, told by its text."""
    if function.__name__ != "deep_get":
        return False
    space = function.__globals__
    if space.get("reduce") is not functools.reduce or space.get("Mapping") is not collections.abc.Mapping:
        return False
    return fingerprint(node) in DEEP_GET


def fingerprint(node):
    copy = ast.parse(ast.unparse(node)).body[0]
    copy.returns = None
    for inner in ast.walk(copy):
        if isinstance(inner, ast.arg):
            inner.annotation = None
    if isinstance(copy.body[0], ast.Expr) and isinstance(copy.body[0].value, ast.Constant):
        copy.body.pop(0)
    return hashlib.sha256(ast.unparse(copy).encode()).hexdigest()[:16]


class FunctionCompiler:
    """One function."""

    def __init__(self, compiler, module, function, node):
        self.compiler = compiler
        self.module = module
        self.function = function
        self.node = node
        self.locals = assigned_names(node)
        self.slots = {}
        self.count = 0
        # Slots of comprehension targets, innermost last.
        self.inner = []
        self.shared = {name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names}
        self.writes = False

    def compile(self):
        arguments = self.node.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
            raise Opaque(f"parameters of {self.node.name}")
        for argument in arguments.args:
            self.slot(argument.arg)
        params = self.count
        body = self.block(self.node.body)
        return {"name": self.node.name, "params": params, "slots": self.count, "body": body, "writes": self.writes}

    def slot(self, name):
        for scope in reversed(self.inner):
            if name in scope:
                return scope[name]
        if name not in self.slots:
            self.slots[name] = self.count
            self.count += 1
        return self.slots[name]

    def fresh(self):
        self.count += 1
        return self.count - 1

    # --- statements ---

    def block(self, nodes):
        out = []
        for node in nodes:
            try:
                found = self.stmt(node)
            except Opaque as error:
                found = self.compiler.opaque(error)
            if found is not None:
                out.append(found)
                if found[0] in ("opaque", "return"):
                    break
        return out

    def stmt(self, node):
        kind = type(node)
        if kind is ast.Return:
            return ["return", self.expr(node.value) if node.value is not None else self.compiler.const(None)]
        if kind is ast.If:
            branches = []
            while True:
                branches.append([self.expr(node.test), self.block(node.body)])
                if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                    node = node.orelse[0]
                    continue
                if node.orelse:
                    branches.append([None, self.block(node.orelse)])
                return ["if", *branches]
        if kind is ast.Assign and len(node.targets) == 1:
            return self.assign(node.targets[0], self.expr(node.value))
        if kind is ast.AnnAssign:
            return self.assign(node.target, self.expr(node.value)) if node.value is not None else None
        if kind is ast.AugAssign and isinstance(node.target, ast.Name) and node.target.id in self.locals:
            operation = BINARY.get(type(node.op))
            if operation == "add":
                operation = "iadd"
            if operation in ("iadd", "sub", "mul"):
                slot = self.slot(node.target.id)
                return ["set", slot, ["binary", operation, ["local", slot], self.expr(node.value)]]
        if kind is ast.Expr:
            return None if isinstance(node.value, ast.Constant) else ["expr", self.expr(node.value)]
        if kind is ast.For:
            over = self.expr(node.iter)
            targets = self.targets(node.target)
            return ["for", targets, over, self.block(node.body), self.block(node.orelse)]
        if kind is ast.Break:
            return ["break"]
        if kind is ast.Continue:
            return ["continue"]
        if kind is ast.Try and not node.finalbody:
            return ["try", self.block(node.body), self.block(node.orelse)]
        if kind in (ast.Pass, ast.Global):
            return None
        raise Opaque(f"statement {kind.__name__}")

    def assign(self, target, value):
        if isinstance(target, ast.Name):
            if target.id in self.shared:
                return self.assign_global(target.id, value)
            return ["set", self.slot(target.id), value]
        return ["unpack", self.targets(target), value]

    def assign_global(self, name, value):
        self.writes = True
        if (id(self.module.namespace), name) in self.compiler.attribute_writes():
            raise Opaque(f"global {name} is set from outside")
        return ["setglobal", self.compiler.global_place(self.module, name), self.slot(name), value]

    def targets(self, target):
        if isinstance(target, ast.Name):
            names = [target]
        elif isinstance(target, (ast.Tuple, ast.List)) and target.elts:
            names = target.elts
            if len(names) == 1:
                raise Opaque("unpacking of one")
        else:
            raise Opaque(f"assignment to {type(target).__name__}")
        if not all(isinstance(name, ast.Name) and name.id not in self.shared for name in names):
            raise Opaque("assignment to more than names")
        return [self.slot(name.id) for name in names]

    # --- expressions ---

    def expr(self, node):
        """An expression, opaque where it is not modelled: what comes before it may still decide."""
        try:
            return self.exact(node)
        except Opaque as error:
            return self.compiler.opaque(error)

    def exprs(self, nodes):
        if any(isinstance(node, ast.Starred) for node in nodes):
            raise Opaque("starred")
        return [self.expr(node) for node in nodes]

    def exact(self, node):
        kind = type(node)
        compiler = self.compiler
        if kind is ast.Constant:
            return compiler.constant(node.value, "literal")
        if kind is ast.Name:
            return self.name(node.id)
        if kind is ast.BoolOp:
            return ["and" if isinstance(node.op, ast.And) else "or", self.exprs(node.values)]
        if kind is ast.UnaryOp:
            if isinstance(node.op, ast.Not):
                return ["not", self.expr(node.operand)]
            if isinstance(node.op, ast.USub):
                if isinstance(node.operand, ast.Constant) and type(node.operand.value) in (int, float):
                    return compiler.constant(-node.operand.value, "literal")
                return ["neg", self.expr(node.operand)]
        if kind is ast.IfExp:
            return ["if", self.expr(node.test), self.expr(node.body), self.expr(node.orelse)]
        if kind is ast.NamedExpr:
            value = self.expr(node.value)
            if node.target.id in self.shared:
                raise Opaque("walrus to a global")
            return ["walrus", self.own_slot(node.target.id), value]
        if kind is ast.Compare:
            pairs = zip(node.ops, node.comparators)
            return ["compare", self.expr(node.left), [[COMPARISONS[type(op)], self.expr(right)] for op, right in pairs]]
        if kind in (ast.List, ast.Tuple, ast.Set):
            return self.display(node, {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}[kind])
        if kind is ast.Dict:
            return self.dict_display(node)
        if kind in (ast.ListComp, ast.SetComp):
            return self.comprehension(node, "list" if kind is ast.ListComp else "set")
        if kind is ast.Subscript:
            return self.subscript(node)
        if kind is ast.BinOp and type(node.op) in BINARY:
            return ["binary", BINARY[type(node.op)], self.expr(node.left), self.expr(node.right)]
        if kind is ast.JoinedStr:
            return self.format(node)
        if kind is ast.Attribute:
            return self.attribute(node)
        if kind is ast.Call:
            return self.call(node)
        raise Opaque(f"expression {kind.__name__}")

    def own_slot(self, name):
        """A slot of the function, even inside a comprehension."""
        inner, self.inner = self.inner, []
        try:
            return self.slot(name)
        finally:
            self.inner = inner

    def is_local(self, name):
        return name in self.locals or any(name in scope for scope in self.inner)

    def name(self, name):
        if self.is_local(name):
            return ["local", self.slot(name)]
        if name in self.shared:
            writers = self.module.facts.writers.get(name, ())
            around = {self.module.facts.function_around(writer) for writer in writers}
            if around == {self.node} and name in self.slots:
                return ["local", self.slots[name]]
            raise Opaque(f"global {name} changes")
        return self.compiler.constant(self.compiler.lookup(self.module, name), name)

    def display(self, node, kind):
        items = self.exprs(node.elts)
        literal = MISSING
        try:
            literal = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            pass
        if literal is not MISSING and kind != "list":
            return self.compiler.const(literal)
        if literal is not MISSING and all(is_frozen(item) for item in literal):
            # A fresh list each time; nothing here changes one.
            return self.compiler.const(literal)
        return ["display", kind, items]

    def dict_display(self, node):
        if any(key is None for key in node.keys):
            raise Opaque("dict with **")
        if not node.keys:
            return self.compiler.const({})
        return ["dict", [[self.expr(key), self.expr(value)] for key, value in zip(node.keys, node.values)]]

    def comprehension(self, node, gather, default=None):
        loops = []
        depth = len(self.inner)
        try:
            for generator in node.generators:
                if generator.is_async:
                    raise Opaque("async comprehension")
                over = self.expr(generator.iter)
                scope = {}
                elements = [generator.target]
                if isinstance(generator.target, (ast.Tuple, ast.List)):
                    elements = generator.target.elts
                    if len(elements) < 2:
                        raise Opaque("unpacking of one")
                for element in elements:
                    if not isinstance(element, ast.Name):
                        raise Opaque("comprehension target")
                    scope[element.id] = self.fresh()
                self.inner.append(scope)
                loops.append([[scope[element.id] for element in elements], over, self.exprs(generator.ifs)])
            if any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node)):
                raise Opaque("walrus in a comprehension")
            return ["comprehension", gather, self.expr(node.elt), loops, default]
        finally:
            del self.inner[depth:]

    def subscript(self, node):
        value = self.expr(node.value)
        if not isinstance(node.slice, ast.Slice):
            return ["index", value, [self.expr(node.slice)], self.compiler.const(None)]
        if node.slice.step is not None:
            raise Opaque("slice with a step")
        bounds = []
        for bound in (node.slice.lower, node.slice.upper):
            try:
                bound = None if bound is None else ast.literal_eval(bound)
            except ValueError:
                raise Opaque("slice with a variable") from None
            if bound is not None and type(bound) is not int:
                raise Opaque("slice with a variable")
            bounds.append(bound)
        return ["slice", value, *bounds]

    def format(self, node):
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                if part.conversion != -1 or part.format_spec is not None:
                    raise Opaque("format specification")
                parts.append(self.expr(part.value))
            else:
                parts.append(self.expr(part))
        return ["format", parts]

    def value_of(self, node):
        """The object that an expression names, if it is one that never changes; `MISSING` otherwise."""
        if isinstance(node, ast.Name) and not self.is_local(node.id) and node.id not in self.shared:
            return self.compiler.lookup(self.module, node.id)
        if isinstance(node, ast.Attribute):
            owner = self.value_of(node.value)
            if isinstance(owner, types.ModuleType):
                module = self.compiler.by_namespace.get(id(owner.__dict__))
                if module is not None:
                    return self.compiler.lookup(module, node.attr)
                return owner.__dict__.get(node.attr, MISSING)
        return MISSING

    def attribute(self, node):
        value = self.value_of(node)
        if value is MISSING:
            raise Opaque(f"attribute {node.attr}")
        return self.compiler.constant(value, node.attr)

    def call(self, node):
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            raise Opaque("call with *")
        if any(keyword.arg is None for keyword in node.keywords):
            raise Opaque("call with **")
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        callee = self.value_of(node.func)
        if callee is not MISSING:
            return self.call_known(node, callee, keywords)
        if isinstance(node.func, ast.Attribute):
            return self.call_method(node, node.func, keywords)
        raise Opaque("call of a value")

    def call_known(self, node, callee, keywords):
        args = node.args
        if callee in (any, all) and len(args) == 1 and not keywords:
            if isinstance(args[0], ast.GeneratorExp):
                return self.comprehension(args[0], callee.__name__)
            return ["builtin", callee.__name__, self.expr(args[0])]
        if callee in (list, set, tuple) and not keywords:
            if not args:
                return self.compiler.const(callee())
            if len(args) == 1 and isinstance(args[0], ast.GeneratorExp):
                return self.comprehension(args[0], callee.__name__)
        if callee is next and len(args) == 2 and isinstance(args[0], ast.GeneratorExp) and not keywords:
            return self.comprehension(args[0], "next", self.expr(args[1]))
        if callee is dict and not args and not keywords:
            return self.compiler.const({})
        if callee in (len, bool, str, int, list, tuple, set) and len(args) == 1 and not keywords:
            return ["builtin", callee.__name__, self.expr(args[0])]
        if callee is isinstance and len(args) == 2 and not keywords:
            return ["isinstance", self.expr(args[0]), self.classes(args[1])]
        foreign = self.foreign_of(callee)
        if callee in (re.match, re.search, re.fullmatch) and len(args) == 2 and not keywords:
            pattern = self.fixed_pattern(args[0])
            if pattern is not None:
                bound = self.bound(pattern, callee.__name__)
                return ["foreign", self.compiler.foreign(bound, True), self.exprs(args[1:])]
        if foreign is not None and args and not keywords:
            return ["foreign", self.compiler.foreign(callee, foreign), self.exprs(args)]
        if isinstance(callee, types.FunctionType):
            return self.call_function(callee, args, keywords)
        raise Opaque(f"call of {getattr(callee, '__name__', type(callee).__name__)}")

    def fixed_pattern(self, node):
        """The compiled pattern of a constant text, as `re` itself would keep it."""
        text = node.value if isinstance(node, ast.Constant) else self.value_of(node)
        if type(text) is not str:
            return None
        try:
            return re.compile(text)
        except re.error:
            return None

    @staticmethod
    def foreign_of(callee):
        try:
            return FOREIGN.get(callee)
        except TypeError:
            return None

    def classes(self, node):
        mask = 0
        for element in node.elts if isinstance(node, ast.Tuple) else [node]:
            found = self.value_of(element)
            if not isinstance(found, type) or found not in CLASSES:
                raise Opaque("isinstance of another class")
            mask |= CLASSES[found]
        return mask

    def call_function(self, callee, args, keywords):
        try:
            _, definition = self.compiler.definition(callee)
        except Opaque:
            definition = None
        if definition is not None and len(args) >= 2 and set(keywords) <= {"default"} and is_deep_get(callee, definition):
            default = self.expr(keywords["default"]) if keywords else self.compiler.const(None)
            return ["deep_get_function", self.expr(args[0]), self.exprs(args[1:]), default]
        place = self.compiler.function(callee)
        if self.compiler.functions[place]["writes"]:
            self.writes = True
        names = callee.__code__.co_varnames[: callee.__code__.co_argcount]
        values = [self.expr(argument) for argument in args]
        if len(values) > len(names) or not set(keywords) <= set(names[len(values) :]):
            raise Opaque(f"arguments of {callee.__name__}")
        defaults = callee.__defaults__ or ()
        # Keyword arguments are evaluated in their written order; that only matters to what raises, which falls back.
        for number, name in list(enumerate(names))[len(values) :]:
            if name in keywords:
                values.append(self.expr(keywords[name]))
                continue
            offset = number - (len(names) - len(defaults))
            if offset < 0:
                raise Opaque(f"arguments of {callee.__name__}")
            if not is_frozen(defaults[offset]):
                raise Opaque(f"default of {callee.__name__}")
            values.append(self.compiler.const(defaults[offset]))
        return ["call", place, values]

    def call_method(self, node, func, keywords):
        method, args = func.attr, node.args
        if method in PATTERN_METHODS and len(args) == 1 and not keywords:
            pattern = self.value_of(func.value)
            if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
                bound = self.compiler.foreign(self.bound(pattern, method), True)
                return ["foreign", bound, self.exprs(args)]
        target = self.expr(func.value)
        default = self.compiler.const(None)
        if set(keywords) <= {"default"} and "default" in keywords:
            default = self.expr(keywords["default"])
        if method == "get" and (len(args) == 1 and set(keywords) <= {"default"} or len(args) == 2 and not keywords):
            return ["get", target, [self.expr(args[0])], self.expr(args[1]) if len(args) == 2 else default]
        if method in ("deep_get", "udm") and args and set(keywords) <= {"default"}:
            return [method, target, self.exprs(args), default]
        if method == "deep_walk" and args and set(keywords) <= {"default", "return_val"}:
            choice = keywords.get("return_val", ast.Constant("all"))
            if not isinstance(choice, ast.Constant) or choice.value not in ("all", "first", "last"):
                raise Opaque("deep_walk of a variable")
            if "default" in keywords:
                default = self.expr(keywords["default"])
            return ["deep_walk", target, self.exprs(args), default, choice.value]
        if keywords:
            raise Opaque(f"method {method} with keywords")
        if method in ("items", "keys", "values") and not args:
            return ["view", method, target]
        if method == "to_dict" and not args:
            return ["to_dict", target]
        if method in METHODS:
            least, most = METHODS[method]
            if least <= len(args) <= most:
                if method == "join" and isinstance(args[0], ast.GeneratorExp):
                    return ["method", method, target, [self.comprehension(args[0], "list")]]
                return ["method", method, target, self.exprs(args)]
        raise Opaque(f"method {method}")

    def bound(self, pattern, method):
        key = (pattern, method)
        known = self.compiler.__dict__.setdefault("patterns", {})
        if key not in known:
            known[key] = getattr(pattern, method)
        return known[key]


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
    for number, rule in rules:
        try:
            functions[number] = compiler.function(rule)
        except Opaque:
            continue
    compiled = models_of(compiler, models)
    return compiler.result(compiled), functions, compiler.callables, compiler.globals
