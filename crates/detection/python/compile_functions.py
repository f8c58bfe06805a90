"""One function of content, compiled: statement by statement, expression by expression, and opaque where the meaning is not
surely Python's. Read behind `compile.py` into one module; its names are those there.
"""


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


def is_plain_display(node):
    """A constant, or a display of such: made without asking anything."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


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
        declared = {name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names}
        self.shared = {name for name in declared if not compiler.is_only_mocked(module, name)}
        self.passing = self.passing_globals() if function in compiler.entries else set()
        self.writes = False

    def passing_globals(self):
        """Globals that a rule gives a constant before it does anything else, and nobody else writes. What an event leaves
        in them is seen by no other event, and the other functions of the detection are called only after Python has run
        the rule on theirs: where a rule is judged without Python they need not be written."""
        passing = set()
        for stmt in self.node.body:
            if isinstance(stmt, ast.Global) or (isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant)):
                continue
            target = stmt.targets[0] if isinstance(stmt, ast.Assign) and len(stmt.targets) == 1 else None
            if not isinstance(target, ast.Name) or target.id not in self.shared or not is_plain_display(stmt.value):
                break
            passing.add(target.id)
        return {name for name in passing if self.is_ours_alone(name)}

    def is_ours_alone(self, name):
        facts = self.module.facts
        if facts.dynamic is not None or {facts.function_around(writer) for writer in facts.writers.get(name, ())} != {self.node}:
            return False
        if (id(self.module.namespace), name) in self.compiler.attribute_writes():
            return False
        return not self.compiler.is_read_elsewhere(self.module, name)

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
                test = self.expr(node.test)
                if test != self.compiler.const(False):
                    branches.append([test, self.block(node.body)])
                if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                    node = node.orelse[0]
                    continue
                if node.orelse:
                    branches.append([None, self.block(node.orelse)])
                return ["if", *branches] if branches else None
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
            return ["try", self.block(node.body), self.block(node.orelse), self.handler(node.handlers)]
        if kind in (ast.Pass, ast.Global):
            return None
        raise Opaque(f"statement {kind.__name__}")

    def handler(self, handlers):
        """The block that takes a `ValueError`, if it is sure which one does; other exceptions are left to Python."""
        for handler in handlers:
            if handler.type is None:
                classes = [BaseException]
            else:
                named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
                try:
                    classes = [self.value_of(name) for name in named]
                except Opaque:
                    return None
            if not all(isinstance(found, type) and issubclass(found, BaseException) for found in classes):
                return None
            if any(issubclass(ValueError, found) for found in classes):
                return self.block(handler.body) if handler.name is None else None
        return None

    def assign(self, target, value):
        if isinstance(target, ast.Name):
            if target.id in self.shared:
                return self.assign_global(target.id, value)
            return ["set", self.slot(target.id), value]
        return ["unpack", self.targets(target), value]

    def assign_global(self, name, value):
        if name in self.passing:
            return ["set", self.slot(name), value]
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
        if kind is ast.Lambda and not node.args.defaults and not any(node.args.kw_defaults):
            # Made, it is a true value that is no None; called, it is Python's.
            return self.compiler.const_of(["callable"])
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
        pairs = [[self.expr(key), self.expr(value)] for key, value in zip(node.keys, node.values)]
        if all(part[0] == "const" for pair in pairs for part in pair):
            encoded = [[self.compiler.consts[part[1]] for part in pair] for pair in pairs]
            keys = [key[1] for key, _ in encoded if key[0] == "str"]
            if len(keys) == len(encoded) == len(set(keys)):
                # A fresh dict each time; nothing here changes one.
                return self.compiler.const_of(["dict", *(part for pair in encoded for part in pair)])
        return ["dict", pairs]

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
            known = self.known_instance(*args)
            if known is not None:
                return self.compiler.const(known)
            return ["isinstance", self.expr(args[0]), self.classes(args[1])]
        foreign = self.foreign_of(callee)
        if callee in (re.match, re.search, re.fullmatch) and len(args) == 2 and not keywords:
            pattern = self.fixed_pattern(args[0])
            if pattern is not None:
                bound = self.bound(pattern, callee.__name__)
                return ["foreign", self.compiler.foreign(bound, "total"), self.exprs(args[1:])]
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

    def known_instance(self, node, of_class):
        """`isinstance` of what never changes and one class, if that is sure."""
        try:
            value, found = self.value_of(node), self.value_of(of_class)
        except Opaque:
            return None
        return None if value is MISSING else is_of_class(value, found)

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
                bound = self.compiler.foreign(self.bound(pattern, method), "total")
                return ["foreign", bound, self.exprs(args)]
        if method in ("split", "rsplit"):
            args, keywords = self.split_arguments(args, keywords)
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

    @staticmethod
    def split_arguments(args, keywords):
        """All by place, as far as they can be."""
        keywords = dict(keywords)
        args = list(args)
        for place, name in enumerate(("sep", "maxsplit")):
            if len(args) == place and name in keywords:
                args.append(keywords.pop(name))
        return args, keywords

    def bound(self, pattern, method):
        key = (pattern, method)
        known = self.compiler.__dict__.setdefault("patterns", {})
        if key not in known:
            known[key] = getattr(pattern, method)
        return known[key]
