//! Names of columns, and ways into them: `a.b.c`, `a:b.c`, `a['b'][0]`.
//!
//! All ways in become one form, a root and a chain of subscripts, which the planner's path step resolves by the root's
//! type. Only here is it known that `t` in `t.a.b` is a table, so here the chain is cut.

use datafusion::sql::sqlparser::ast::{AccessExpr, Expr, Ident, JsonPath, JsonPathElem, Subscript, Value};

use super::{Rewriter, build, flatten, fold, names};

/// What `lateral flatten` gives besides the row it flattens.
pub(super) const FLATTENED: [&str; 5] = ["value", "key", "index", "path", "this"];

impl Rewriter<'_> {
    pub(super) fn column(&self, mut ident: Ident) -> Expr {
        self.resolve(&mut ident);
        // `value` alone means the flattened value, unless a table has such a column.
        if let [only] = self.flattened.as_slice()
            && FLATTENED.contains(&ident.value.as_str())
            && !self.scope.columns.contains(&ident.value)
        {
            let root = Expr::Identifier(flatten::column(only));
            return access(root, vec![field(&ident.value)]);
        }
        Expr::Identifier(ident)
    }

    pub(super) fn compound(&self, parts: Vec<Ident>) -> Expr {
        let (mut column, path) = self.split(&parts);
        if let Some(last) = column.last_mut() {
            self.resolve(last);
        }
        if let [qualifier, _] = column.as_mut_slice() {
            fold(qualifier);
        }
        let root = match <[Ident; 1]>::try_from(column) {
            Ok([only]) if self.flattened.contains(&only.value) => Expr::Identifier(flatten::column(&only.value)),
            Ok([only]) => self.column(only),
            Err(column) => Expr::CompoundIdentifier(column),
        };
        if path.is_empty() { root } else { access(root, path.iter().map(|part| field(&part.value)).collect()) }
    }

    /// The column (with its qualifier, if any) and the way into it.
    pub(super) fn split(&self, parts: &[Ident]) -> (Vec<Ident>, Vec<Ident>) {
        let is = |n: usize, text: &str| parts.get(n).is_some_and(|part| part.value.eq_ignore_ascii_case(text));
        let relation =
            |n: usize| parts.get(n).is_some_and(|part| self.collected.relations.contains(&part.value.to_lowercase()));
        let database = names::database(&parts[0].value).is_some();
        let skipped = match () {
            () if database && (is(1, "public") || is(1, "")) && relation(2) => 2,
            () if database && relation(1) && parts.len() > 2 => 1,
            () => 0,
        };
        let parts = &parts[skipped..];
        let relation = skipped > 0 || self.collected.relations.contains(&parts[0].value.to_lowercase());
        let column = if relation && parts.len() > 1 { 2 } else { 1 };
        (parts[..column].to_vec(), parts[column..].to_vec())
    }

    /// Folds a column's name; a log's own name for it (`"id.orig_h"`) becomes the column's.
    fn resolve(&self, ident: &mut Ident) {
        fold(ident);
        if ident.quote_style.is_none() || self.scope.columns.contains(&ident.value) {
            return;
        }
        let spelled = names::transliterated(&ident.value);
        if let Some(column) = self.scope.originals.get(&ident.value) {
            ident.value.clone_from(column);
        } else if self.scope.columns.contains(&spelled) {
            ident.value = spelled;
        }
    }
}

/// A field of an object.
pub(super) fn member(root: Expr, name: &str) -> Expr {
    access(root, vec![field(name)])
}

fn field(name: &str) -> AccessExpr {
    AccessExpr::Subscript(Subscript::Index { index: build::string(name) })
}

/// Extends a root's chain of subscripts, or begins one.
fn access(root: Expr, steps: Vec<AccessExpr>) -> Expr {
    match root {
        Expr::CompoundFieldAccess { root, mut access_chain } => {
            access_chain.extend(steps);
            Expr::CompoundFieldAccess { root, access_chain }
        }
        root => Expr::CompoundFieldAccess { root: Box::new(root), access_chain: steps },
    }
}

pub(super) fn json_access(value: Expr, path: JsonPath) -> Expr {
    let steps = path.path.into_iter().map(|element| match element {
        JsonPathElem::Dot { key, .. } => field(&key),
        JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => {
            AccessExpr::Subscript(Subscript::Index { index: key })
        }
    });
    access(value, steps.collect())
}

/// `get(x, 'a')` and `get_path(x, 'a.b[0]')`.
pub(super) fn path_call(value: Expr, path: &Expr) -> Expr {
    let Expr::Value(literal) = path else {
        return access(value, vec![AccessExpr::Subscript(Subscript::Index { index: path.clone() })]);
    };
    let Value::SingleQuotedString(text) = &literal.value else {
        return access(value, vec![AccessExpr::Subscript(Subscript::Index { index: path.clone() })]);
    };
    let mut steps = Vec::new();
    for part in text.split(['.', '[']).filter(|part| !part.is_empty()) {
        let plain = part.trim_end_matches(']');
        let step = match plain.parse::<u32>() {
            Ok(index) if part.ends_with(']') => AccessExpr::Subscript(Subscript::Index { index: build::number(index) }),
            _ => field(plain.trim_matches(['\'', '"'])),
        };
        steps.push(step);
    }
    access(value, steps)
}
