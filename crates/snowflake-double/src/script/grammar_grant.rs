//! GRANT and REVOKE.

use super::ast::{Granted, On, Statement};
use super::grammar::Parser;
use crate::failure::SqlFailure;

const KINDS: [(&[&str], &str); 14] = [
    (&["WAREHOUSE"], "WAREHOUSE"),
    (&["DATABASE"], "DATABASE"),
    (&["SCHEMA"], "SCHEMA"),
    (&["VIEW"], "VIEW"),
    (&["TABLE"], "TABLE"),
    (&["USER"], "USER"),
    (&["ROLE"], "ROLE"),
    (&["INTEGRATION"], "INTEGRATION"),
    (&["RESOURCE", "MONITOR"], "RESOURCE_MONITOR"),
    (&["STAGE"], "STAGE"),
    (&["TASK"], "TASK"),
    (&["PROCEDURE"], "PROCEDURE"),
    (&["PASSWORD", "POLICY"], "PASSWORD_POLICY"),
    (&["SESSION", "POLICY"], "SESSION_POLICY"),
];

pub(super) fn grant(parser: &mut Parser<'_>) -> Result<Statement, SqlFailure> {
    let what = granted(parser)?;
    parser.need("TO")?;
    let to = parser.target()?;
    let grant_option = parser.eat_all(&["WITH", "GRANT", "OPTION"]);
    // Of an ownership that goes over: grants on the object are never taken away here.
    parser.eat_all(&["COPY", "CURRENT", "GRANTS"]);
    Ok(Statement::Grant { what, to, grant_option })
}

pub(super) fn revoke(parser: &mut Parser<'_>) -> Result<Statement, SqlFailure> {
    parser.eat_all(&["GRANT", "OPTION", "FOR"]);
    let what = granted(parser)?;
    parser.need("FROM")?;
    Ok(Statement::Revoke { what, from: parser.target()? })
}

fn granted(parser: &mut Parser<'_>) -> Result<Granted, SqlFailure> {
    if parser.eat("ROLE") {
        return Ok(Granted::Role(parser.name()?));
    }
    if parser.eat_all(&["DATABASE", "ROLE"]) {
        return Ok(Granted::DatabaseRole(parser.path()?));
    }
    if parser.eat_all(&["IMPORTED", "PRIVILEGES"]) {
        for word in ["ON", "DATABASE"] {
            parser.need(word)?;
        }
        return Ok(Granted::ImportedPrivileges(parser.name()?));
    }
    let mut privileges = Vec::new();
    loop {
        let mut words = Vec::new();
        while !parser.is("ON") && !parser.eat_mark(',') {
            words.push(parser.word()?);
        }
        if words.is_empty() {
            return Err(parser.unexpected());
        }
        let privilege = words.join(" ");
        privileges.push(if privilege == "ALL PRIVILEGES" { "ALL".to_owned() } else { privilege });
        if parser.eat("ON") {
            break;
        }
    }
    Ok(Granted::Privileges { privileges, on: on(parser)? })
}

fn on(parser: &mut Parser<'_>) -> Result<On, SqlFailure> {
    if parser.eat("ACCOUNT") {
        return Ok(On::Account);
    }
    let every = parser.eat("ALL");
    let future = !every && parser.eat("FUTURE");
    if every || future {
        let kind = match parser.word()?.as_str() {
            "VIEWS" => "VIEW",
            "TABLES" => "TABLE",
            "SCHEMAS" => "SCHEMA",
            _ => return Err(parser.unexpected()),
        };
        parser.need("IN")?;
        if !parser.eat("SCHEMA") {
            parser.need("DATABASE")?;
        }
        let (kind, within) = (kind.to_owned(), parser.path()?);
        return Ok(if every { On::All { kind, within } } else { On::Future { kind, within } });
    }
    for (words, kind) in KINDS {
        if parser.eat_all(words) {
            let name = parser.path()?;
            // Procedures are named with their parameters' types; here no two have one name.
            if kind == "PROCEDURE" && parser.eat_mark('(') {
                while !parser.eat_mark(')') {
                    parser.word()?;
                    parser.eat_mark(',');
                }
            }
            return Ok(On::Object { kind: kind.to_owned(), name });
        }
    }
    Err(parser.unexpected())
}
