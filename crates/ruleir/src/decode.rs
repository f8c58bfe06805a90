//! From the compiler's JSON to the program; see `crates/detection/python/compile.py` for who writes it.
//!
//! Every node is an array with its name in front. What is unknown or malformed is an error for the whole program: both
//! sides are of one build.

use uncia_document::{Interner, Parser, Ref};

use crate::ir::{
    Binary, Builtin, Choice, Comparison, Comprehension, Const, ConstDict, ConstSet, Display, Expr, ForeignKind,
    Function, Gather, Key, Lookup, Loop, Mapping, Method, Model, Program, Slot, Stmt, Try, View,
};

/// What the compiler wrote is not what the decoder reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(pub String);

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "compiled rules: {}", self.0)
    }
}

impl std::error::Error for DecodeError {}

type Read<T> = Result<T, DecodeError>;

fn bad<T>(what: &str) -> Read<T> {
    Err(DecodeError(what.to_owned()))
}

impl Program {
    /// Reads what the compiler wrote; keys get their ids from the interner that parses the events.
    pub fn decode(json: &str, interner: &Interner) -> Read<Self> {
        // A parser of its own: the program's keys are no keys of events.
        let document = Parser::new(Interner::new()).parse(json.as_bytes()).map_err(|e| DecodeError(e.to_string()))?;
        let root = document.root();
        let part = |name: &str| root.get(name).ok_or_else(|| DecodeError(format!("no {name}")));
        let consts = part("consts")?.items().map(constant).collect::<Read<Vec<_>>>()?;
        let reader = Reader { consts: &consts, interner };
        let functions = part("functions")?.items().map(|item| reader.function(item)).collect::<Read<_>>()?;
        let reasons = part("reasons")?.items().map(|item| Ok(text(item)?.to_owned())).collect::<Read<_>>()?;
        let foreign = part("foreign")?.items().map(|item| foreign_kind(text(item)?)).collect::<Read<_>>()?;
        let mut models = ahash::AHashMap::new();
        for ((_, log_type), mappings) in part("models")?.members() {
            let mut model = Model::default();
            for ((_, name), mapping) in mappings.members() {
                model.mappings.insert(name.to_owned(), reader.mapping(mapping)?);
            }
            models.insert(log_type.to_owned(), model);
        }
        let program = Self { functions, consts, foreign, reasons, models };
        program.check()?;
        Ok(program)
    }

    /// Numbers of functions, constants and slots are in range, so that nothing later needs to look.
    fn check(&self) -> Read<()> {
        for function in &self.functions {
            if function.params > function.slots {
                return bad("more parameters than slots");
            }
        }
        Ok(())
    }
}

fn text(item: Ref<'_>) -> Read<&str> {
    item.as_str().ok_or_else(|| DecodeError("expected a text".to_owned()))
}

fn int(item: Ref<'_>) -> Read<i64> {
    item.as_i64().ok_or_else(|| DecodeError("expected an integer".to_owned()))
}

fn number<T: TryFrom<i64>>(item: Ref<'_>) -> Read<T> {
    T::try_from(int(item)?).or_else(|_| bad("integer out of range"))
}

/// The node's name and arguments.
fn node(item: Ref<'_>) -> Read<(&str, Vec<Ref<'_>>)> {
    let mut parts = item.items();
    let name = parts.next().ok_or_else(|| DecodeError("expected a node".to_owned()))?;
    Ok((text(name)?, parts.collect()))
}

fn constant(item: Ref<'_>) -> Read<Const> {
    let (kind, arguments) = node(item)?;
    let argument = arguments.first().copied();
    let inner = || arguments.iter().map(|&item| constant(item)).collect::<Read<Vec<_>>>();
    Ok(match (kind, argument) {
        ("none", _) => Const::None,
        ("bool", Some(item)) => Const::Bool(item.as_bool().ok_or_else(|| DecodeError("expected a bool".to_owned()))?),
        ("int", Some(item)) => Const::Int(int(item)?),
        ("float", Some(item)) => Const::Float(item.as_f64().ok_or_else(|| DecodeError("expected a float".to_owned()))?),
        ("str", Some(item)) => Const::Str(text(item)?.into()),
        ("list", _) => Const::List(inner()?.into()),
        ("tuple", _) => Const::Tuple(inner()?.into()),
        ("callable", _) => Const::Callable,
        ("set", _) => Const::Set(ConstSet::new(inner()?)),
        ("dict", _) => {
            let mut flat = inner()?.into_iter();
            let mut entries = Vec::new();
            while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
                entries.push((key, value));
            }
            Const::Dict(ConstDict::new(entries.into()))
        }
        _ => return bad(&format!("unknown constant '{kind}'")),
    })
}

struct Reader<'a> {
    consts: &'a [Const],
    interner: &'a Interner,
}

impl Reader<'_> {
    fn function(&self, item: Ref<'_>) -> Read<Function> {
        let part = |name: &str| item.get(name).ok_or_else(|| DecodeError(format!("function without {name}")));
        Ok(Function {
            name: text(part("name")?)?.to_owned(),
            params: number(part("params")?)?,
            slots: number(part("slots")?)?,
            body: self.block(part("body")?)?,
            writes: part("writes")?.as_bool().unwrap_or(true),
        })
    }

    fn mapping(&self, item: Ref<'_>) -> Read<Mapping> {
        let (kind, arguments) = node(item)?;
        Ok(match kind {
            "path" => {
                let keys = arguments.iter().map(|&key| Ok(Key::new(text(key)?, self.interner)));
                Mapping::Path(keys.collect::<Read<_>>()?)
            }
            "method" => Mapping::Method(number(argument(&arguments, 0)?)?),
            _ => Mapping::Opaque,
        })
    }

    fn block(&self, item: Ref<'_>) -> Read<Box<[Stmt]>> {
        item.items().map(|item| self.stmt(item)).collect()
    }

    fn stmt(&self, item: Ref<'_>) -> Read<Stmt> {
        let (name, a) = node(item)?;
        let at = |place: usize| argument(&a, place);
        Ok(match name {
            "return" => Stmt::Return(self.expr(at(0)?)?),
            "if" => {
                let branch = |item: Ref<'_>| {
                    let parts: Vec<_> = item.items().collect();
                    let test = argument(&parts, 0)?;
                    let test = if test.is_null() { None } else { Some(self.expr(test)?) };
                    Ok((test, self.block(argument(&parts, 1)?)?))
                };
                Stmt::If(a.iter().map(|&item| branch(item)).collect::<Read<_>>()?)
            }
            "set" => Stmt::Set(number(at(0)?)?, self.expr(at(1)?)?),
            "setglobal" => Stmt::SetGlobal(number(at(0)?)?, number(at(1)?)?, self.expr(at(2)?)?),
            "unpack" => Stmt::Unpack(slots(at(0)?)?, self.expr(at(1)?)?),
            "expr" => Stmt::Expr(self.expr(at(0)?)?),
            "for" => Stmt::For(slots(at(0)?)?, self.expr(at(1)?)?, self.block(at(2)?)?, self.block(at(3)?)?),
            "break" => Stmt::Break,
            "continue" => Stmt::Continue,
            "try" => {
                let handler = at(2)?;
                Stmt::Try(Box::new(Try {
                    body: self.block(at(0)?)?,
                    otherwise: self.block(at(1)?)?,
                    on_value_error: if handler.is_null() { None } else { Some(self.block(handler)?) },
                }))
            }
            "opaque" => Stmt::Opaque(number(at(0)?)?),
            _ => return bad(&format!("unknown statement '{name}'")),
        })
    }

    fn exprs(&self, item: Ref<'_>) -> Read<Box<[Expr]>> {
        item.items().map(|item| self.expr(item)).collect()
    }

    fn boxed(&self, item: Ref<'_>) -> Read<Box<Expr>> {
        self.expr(item).map(Box::new)
    }

    fn expr(&self, item: Ref<'_>) -> Read<Expr> {
        let (name, a) = node(item)?;
        let at = |place: usize| argument(&a, place);
        Ok(match name {
            "const" => {
                let id: u32 = number(at(0)?)?;
                if id as usize >= self.consts.len() {
                    return bad("constant out of range");
                }
                Expr::Const(id)
            }
            "local" => Expr::Local(number(at(0)?)?),
            "and" => Expr::And(self.exprs(at(0)?)?),
            "or" => Expr::Or(self.exprs(at(0)?)?),
            "not" => Expr::Not(self.boxed(at(0)?)?),
            "neg" => Expr::Neg(self.boxed(at(0)?)?),
            "if" => Expr::If(Box::new([self.expr(at(0)?)?, self.expr(at(1)?)?, self.expr(at(2)?)?])),
            "compare" => {
                let pair = |item: Ref<'_>| {
                    let parts: Vec<_> = item.items().collect();
                    Ok((comparison(text(argument(&parts, 0)?)?)?, self.expr(argument(&parts, 1)?)?))
                };
                Expr::Compare(self.boxed(at(0)?)?, at(1)?.items().map(pair).collect::<Read<_>>()?)
            }
            "get" => Expr::Get(self.lookup(&a)?),
            "deep_get" => Expr::DeepGet(self.lookup(&a)?),
            "deep_get_function" => Expr::DeepGetFunction(self.lookup(&a)?),
            "udm" => Expr::Udm(self.lookup(&a)?),
            "deep_walk" => {
                let choice = match text(at(3)?)? {
                    "first" => Choice::First,
                    "last" => Choice::Last,
                    _ => Choice::All,
                };
                Expr::DeepWalk(self.lookup(&a)?, choice)
            }
            "index" => Expr::Index(self.lookup(&a)?),
            "slice" => {
                let bound = |item: Ref<'_>| if item.is_null() { Ok(None) } else { int(item).map(Some) };
                Expr::Slice(self.boxed(at(0)?)?, bound(at(1)?)?, bound(at(2)?)?)
            }
            "method" => Expr::Method(method(text(at(0)?)?)?, self.boxed(at(1)?)?, self.exprs(at(2)?)?),
            "comprehension" => {
                let default = at(3)?;
                Expr::Comprehension(Box::new(Comprehension {
                    gather: gather(text(at(0)?)?)?,
                    element: self.expr(at(1)?)?,
                    loops: at(2)?.items().map(|item| self.loop_of(item)).collect::<Read<_>>()?,
                    default: if default.is_null() { None } else { Some(self.expr(default)?) },
                }))
            }
            "builtin" => Expr::Builtin(builtin(text(at(0)?)?)?, self.boxed(at(1)?)?),
            "isinstance" => Expr::IsInstance(self.boxed(at(0)?)?, number(at(1)?)?),
            "display" => {
                let kind = match text(at(0)?)? {
                    "list" => Display::List,
                    "tuple" => Display::Tuple,
                    _ => Display::Set,
                };
                Expr::Display(kind, self.exprs(at(1)?)?)
            }
            "dict" => {
                let pair = |item: Ref<'_>| {
                    let parts: Vec<_> = item.items().collect();
                    Ok((self.expr(argument(&parts, 0)?)?, self.expr(argument(&parts, 1)?)?))
                };
                Expr::DictDisplay(at(0)?.items().map(pair).collect::<Read<_>>()?)
            }
            "call" => Expr::Call(number(at(0)?)?, self.exprs(at(1)?)?),
            "walrus" => Expr::Walrus(number(at(0)?)?, self.boxed(at(1)?)?),
            "format" => Expr::Format(self.exprs(at(0)?)?),
            "binary" => {
                let operation = match text(at(0)?)? {
                    "add" => Binary::Add,
                    "iadd" => Binary::AddInPlace,
                    "sub" => Binary::Sub,
                    "mul" => Binary::Mul,
                    "or" => Binary::BitOr,
                    "and" => Binary::BitAnd,
                    other => return bad(&format!("unknown operator '{other}'")),
                };
                Expr::Binary(operation, Box::new([self.expr(at(1)?)?, self.expr(at(2)?)?]))
            }
            "view" => {
                let view = match text(at(0)?)? {
                    "items" => View::Items,
                    "keys" => View::Keys,
                    _ => View::Values,
                };
                Expr::View(view, self.boxed(at(1)?)?)
            }
            "to_dict" => Expr::ToDict(self.boxed(at(0)?)?),
            "foreign" => Expr::Foreign(number(at(0)?)?, self.exprs(at(1)?)?),
            "opaque" => Expr::Opaque(number(at(0)?)?),
            _ => return bad(&format!("unknown expression '{name}'")),
        })
    }

    fn loop_of(&self, item: Ref<'_>) -> Read<Loop> {
        let parts: Vec<_> = item.items().collect();
        Ok(Loop {
            targets: slots(argument(&parts, 0)?)?,
            over: self.expr(argument(&parts, 1)?)?,
            conditions: self.exprs(argument(&parts, 2)?)?,
        })
    }

    /// Object, keys, default.
    fn lookup(&self, arguments: &[Ref<'_>]) -> Read<Box<Lookup>> {
        let keys = self.exprs(argument(arguments, 1)?)?;
        let fixed = keys.iter().map(|key| match key {
            Expr::Const(id) => match &self.consts[*id as usize] {
                Const::Str(text) => Some(Key::new(text, self.interner)),
                _ => None,
            },
            _ => None,
        });
        let fixed: Option<Box<[Key]>> = fixed.collect();
        // A key without an id is found by its text.
        let fixed = fixed.filter(|keys| keys.iter().all(|key| key.id != uncia_document::KeyId::NONE));
        let (object, default) = (self.expr(argument(arguments, 0)?)?, self.expr(argument(arguments, 2)?)?);
        Ok(Box::new(Lookup { object, keys, fixed, default }))
    }
}

fn argument<'a>(arguments: &[Ref<'a>], place: usize) -> Read<Ref<'a>> {
    arguments.get(place).copied().ok_or_else(|| DecodeError("a node lacks an argument".to_owned()))
}

fn slots(item: Ref<'_>) -> Read<Box<[Slot]>> {
    item.items().map(number).collect()
}

fn comparison(name: &str) -> Read<Comparison> {
    Ok(match name {
        "==" => Comparison::Eq,
        "!=" => Comparison::Ne,
        "in" => Comparison::In,
        "not in" => Comparison::NotIn,
        "is" => Comparison::Is,
        "is not" => Comparison::IsNot,
        "<" => Comparison::Lt,
        "<=" => Comparison::Le,
        ">" => Comparison::Gt,
        ">=" => Comparison::Ge,
        _ => return bad(&format!("unknown comparison '{name}'")),
    })
}

fn method(name: &str) -> Read<Method> {
    Ok(match name {
        "startswith" => Method::StartsWith,
        "endswith" => Method::EndsWith,
        "lower" => Method::Lower,
        "upper" => Method::Upper,
        "strip" => Method::Strip,
        "lstrip" => Method::LStrip,
        "rstrip" => Method::RStrip,
        "split" => Method::Split,
        "rsplit" => Method::RSplit,
        "replace" => Method::Replace,
        "isdigit" => Method::IsDigit,
        "join" => Method::Join,
        "find" => Method::Find,
        "count" => Method::Count,
        "removeprefix" => Method::RemovePrefix,
        "removesuffix" => Method::RemoveSuffix,
        _ => return bad(&format!("unknown method '{name}'")),
    })
}

fn foreign_kind(name: &str) -> Read<ForeignKind> {
    Ok(match name {
        "raises" => ForeignKind::Raises,
        "total" => ForeignKind::Total,
        "fnmatch" => ForeignKind::FnMatch,
        "ip_address" => ForeignKind::IpAddress,
        _ => return bad(&format!("unknown kind of function '{name}'")),
    })
}

fn builtin(name: &str) -> Read<Builtin> {
    Ok(match name {
        "len" => Builtin::Len,
        "bool" => Builtin::Bool,
        "str" => Builtin::Str,
        "int" => Builtin::Int,
        "list" => Builtin::List,
        "tuple" => Builtin::Tuple,
        "set" => Builtin::Set,
        "any" => Builtin::Any,
        "all" => Builtin::All,
        "max" => Builtin::Max,
        "min" => Builtin::Min,
        _ => return bad(&format!("unknown function '{name}'")),
    })
}

fn gather(name: &str) -> Read<Gather> {
    Ok(match name {
        "any" => Gather::Any,
        "all" => Gather::All,
        "list" => Gather::List,
        "set" => Gather::Set,
        "tuple" => Gather::Tuple,
        "next" => Gather::Next,
        _ => return bad(&format!("unknown comprehension '{name}'")),
    })
}
