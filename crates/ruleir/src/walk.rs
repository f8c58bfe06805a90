//! Walking over compiled code.

use crate::ir::{Expr, Slot, Stmt};

/// Visits every expression.
pub(crate) fn each<'p>(block: &'p [Stmt], visit: &mut dyn FnMut(&'p Expr)) {
    for stmt in block {
        match stmt {
            Stmt::Return(value)
            | Stmt::Set(_, value)
            | Stmt::SetGlobal(_, _, value)
            | Stmt::Unpack(_, value)
            | Stmt::Expr(value) => inside(value, visit),
            Stmt::If(branches) => {
                for (test, body) in branches {
                    test.iter().for_each(|test| inside(test, visit));
                    each(body, visit);
                }
            }
            Stmt::For(_, over, body, otherwise) => {
                inside(over, visit);
                each(body, visit);
                each(otherwise, visit);
            }
            Stmt::Try(parts) => {
                each(&parts.body, visit);
                each(&parts.otherwise, visit);
                parts.on_value_error.iter().for_each(|handler| each(handler, visit));
            }
            Stmt::Break | Stmt::Continue | Stmt::Opaque(_) => {}
        }
    }
}

/// Visits the reasons of opaque statements.
pub(crate) fn each_opaque(block: &[Stmt], visit: &mut dyn FnMut(u32)) {
    for stmt in block {
        match stmt {
            Stmt::Opaque(reason) => visit(*reason),
            Stmt::If(branches) => branches.iter().for_each(|(_, body)| each_opaque(body, visit)),
            Stmt::For(_, _, one, two) => {
                each_opaque(one, visit);
                each_opaque(two, visit);
            }
            Stmt::Try(parts) => {
                each_opaque(&parts.body, visit);
                each_opaque(&parts.otherwise, visit);
                parts.on_value_error.iter().for_each(|handler| each_opaque(handler, visit));
            }
            _ => {}
        }
    }
}

/// Visits the slots that a block assigns, walruses included.
pub(crate) fn assigned(block: &[Stmt], visit: &mut dyn FnMut(Slot)) {
    for stmt in block {
        match stmt {
            Stmt::Set(slot, _) | Stmt::SetGlobal(_, slot, _) => visit(*slot),
            Stmt::Unpack(slots, _) => slots.iter().for_each(|slot| visit(*slot)),
            Stmt::If(branches) => branches.iter().for_each(|(_, body)| assigned(body, visit)),
            Stmt::For(slots, _, one, two) => {
                slots.iter().for_each(|slot| visit(*slot));
                assigned(one, visit);
                assigned(two, visit);
            }
            Stmt::Try(parts) => {
                assigned(&parts.body, visit);
                assigned(&parts.otherwise, visit);
                parts.on_value_error.iter().for_each(|handler| assigned(handler, visit));
            }
            _ => {}
        }
    }
    each(block, &mut |expr| match expr {
        Expr::Walrus(slot, _) => visit(*slot),
        Expr::Comprehension(inner) => {
            inner.loops.iter().flat_map(|turn| &turn.targets).for_each(|slot| visit(*slot));
        }
        _ => {}
    });
}

fn inside<'p>(expr: &'p Expr, visit: &mut dyn FnMut(&'p Expr)) {
    visit(expr);
    children(expr, &mut |child| inside(child, visit));
}

pub(crate) fn children<'p>(expr: &'p Expr, visit: &mut dyn FnMut(&'p Expr)) {
    match expr {
        Expr::Const(_) | Expr::Local(_) | Expr::Opaque(_) => {}
        Expr::And(items)
        | Expr::Or(items)
        | Expr::Display(_, items)
        | Expr::Call(_, items)
        | Expr::Format(items)
        | Expr::Foreign(_, items) => items.iter().for_each(visit),
        Expr::Not(inner)
        | Expr::Neg(inner)
        | Expr::Slice(inner, ..)
        | Expr::Builtin(_, inner)
        | Expr::IsInstance(inner, _)
        | Expr::Walrus(_, inner)
        | Expr::View(_, inner)
        | Expr::ToDict(inner) => visit(inner),
        Expr::If(parts) => parts.iter().for_each(visit),
        Expr::Binary(_, parts) => parts.iter().for_each(visit),
        Expr::Compare(left, rest) => {
            visit(left);
            rest.iter().for_each(|(_, right)| visit(right));
        }
        Expr::Get(lookup)
        | Expr::Index(lookup)
        | Expr::DeepGet(lookup)
        | Expr::DeepGetFunction(lookup)
        | Expr::Udm(lookup)
        | Expr::DeepWalk(lookup, _) => {
            visit(&lookup.object);
            lookup.keys.iter().for_each(&mut *visit);
            visit(&lookup.default);
        }
        Expr::Method(_, object, arguments) => {
            visit(object);
            arguments.iter().for_each(visit);
        }
        Expr::Comprehension(inner) => {
            for turn in &inner.loops {
                visit(&turn.over);
                turn.conditions.iter().for_each(&mut *visit);
            }
            visit(&inner.element);
            inner.default.iter().for_each(visit);
        }
        Expr::DictDisplay(pairs) => pairs.iter().for_each(|(key, value)| {
            visit(key);
            visit(value);
        }),
    }
}
