//! Which table a name means, and which names come near to one that means nothing.
//!
//! The same table is `aws_cloudtrail`, `logs.aws_cloudtrail`, `panther_logs.public.aws_cloudtrail` or
//! `panther_logs..aws_cloudtrail`, in any case, quoted or not: queries written elsewhere run as they are.

use uncia_model::{Database, TableRef};

use super::fault::did_you_mean;

/// What a name in `FROM` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Table(TableRef),
    View(View),
}

/// The standard columns of all tables of some databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) databases: Vec<Database>,
}

const VIEWED: [Database; 5] =
    [Database::Logs, Database::RuleMatches, Database::RuleErrors, Database::Signals, Database::Cloudsecurity];

pub(crate) fn views() -> Vec<View> {
    let mut views: Vec<View> =
        VIEWED.iter().map(|&db| View { name: format!("all_{}", db.as_str()), databases: vec![db] }).collect();
    views.push(View { name: "all_databases".to_owned(), databases: VIEWED.to_vec() });
    views
}

/// The database that a qualifier names, without regard to case and with or without `panther_`.
pub(crate) fn database(qualifier: &str) -> Option<&'static str> {
    let folded = qualifier.to_lowercase();
    let plain = folded.strip_prefix("panther_").unwrap_or(&folded);
    if plain == "views" { Some("views") } else { Database::parse(plain).map(Database::as_str) }
}

/// A name that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    pub(crate) message: String,
    /// The table that it would be, if it were there.
    pub(crate) table: Option<TableRef>,
}

impl From<String> for Unresolved {
    fn from(message: String) -> Self {
        Self { message, table: None }
    }
}

/// Finds the relation that `parts` name, or says what is wrong.
pub(crate) fn resolve(parts: &[String], tables: &[TableRef]) -> Result<Relation, Unresolved> {
    let written = parts.join(".");
    let parts: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
    let parts = account_usage(&parts, tables).unwrap_or(parts);
    let (qualifier, name) = match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [name] | ["public", name] => (None, name.to_owned()),
        [qualifier, name] | [qualifier, "public" | "", name] => (Some(qualifier.to_owned()), name.to_owned()),
        _ => return Err(format!("{written} is no table name; write database.table").into()),
    };
    let database = match &qualifier {
        None => None,
        Some(qualifier) => match database(qualifier) {
            Some(database) => Some(database),
            None => return Err(unknown_database(qualifier).into()),
        },
    };
    let view = || views().into_iter().find(|view| view.name == name).map(Relation::View);
    let table = |wanted: Database| {
        let found = tables.iter().find(|table| table.database == wanted && table.name.eq_ignore_ascii_case(&name));
        found.cloned().map(Relation::Table)
    };
    let found = match database {
        None => Database::ALL.into_iter().find_map(table).or_else(view),
        Some("views") => view(),
        Some(database) => Database::parse(database).and_then(table),
    };
    found.ok_or_else(|| {
        let wanted = database.map_or(Some(Database::Logs), Database::parse);
        let table = wanted.map(|wanted| TableRef::new(wanted, &name));
        Unresolved { message: unknown_table(&written, &name, tables), table }
    })
}

/// Snowflake's own views, `snowflake.account_usage.login_history`, and where their rows are: what happened stands in the tables
/// of log types, what is so now in those of lookups. Rows of several accounts differ in `p_source_id`.
const ACCOUNT_USAGE: &[(&str, &[Database])] = &[
    ("access_history", EVENTS),
    ("credentials", STATE),
    ("data_transfer_history", EVENTS),
    // The log has grants that ended, too; the state has those that were there before the log began.
    ("grants_to_roles", &[Database::Logs, Database::Lookups]),
    ("grants_to_users", &[Database::Logs, Database::Lookups]),
    ("login_history", EVENTS),
    ("metering_history", EVENTS),
    ("network_policies", STATE),
    ("network_rules", STATE),
    ("password_policies", STATE),
    ("query_history", EVENTS),
    ("roles", STATE),
    ("session_policies", STATE),
    ("sessions", EVENTS),
    ("shares", STATE),
    ("stages", STATE),
    ("users", STATE),
    ("warehouse_metering_history", EVENTS),
];
const EVENTS: &[Database] = &[Database::Logs];
const STATE: &[Database] = &[Database::Lookups];

/// The table that a view of Snowflake's means here, the first of those that are there.
fn account_usage(parts: &[String], tables: &[TableRef]) -> Option<Vec<String>> {
    let [snowflake, usage, view] = parts else { return None };
    if snowflake != "snowflake" || !usage.ends_with("account_usage") {
        return None;
    }
    let name = format!("snowflake_{}", view.replace('_', ""));
    let listed = ACCOUNT_USAGE.iter().find(|(listed, _)| listed == view);
    let databases = listed.map_or(EVENTS, |(_, databases)| databases);
    let is_there = |database: &&Database| {
        tables.iter().any(|table| table.database == **database && table.name.eq_ignore_ascii_case(&name))
    };
    let database = databases.iter().find(is_there).unwrap_or(&databases[0]);
    Some(vec![database.as_str().to_owned(), name])
}

fn unknown_database(qualifier: &str) -> String {
    let known = Database::ALL.iter().map(|db| db.as_str().to_owned()).chain(["views".to_owned()]);
    let mut near = nearest(&qualifier.replacen("panther_", "", 1), known);
    if qualifier.starts_with("panther_") {
        near = near.into_iter().map(|name| format!("panther_{name}")).collect();
    }
    format!("unknown database {qualifier}{}", did_you_mean(&near))
}

fn unknown_table(written: &str, name: &str, tables: &[TableRef]) -> String {
    let known = tables.iter().map(|table| table.name.to_string()).chain(views().into_iter().map(|view| view.name));
    let near: Vec<String> = nearest(name, known)
        .into_iter()
        .flat_map(|near| {
            let holders: Vec<String> =
                tables.iter().filter(|table| *table.name == near).map(ToString::to_string).collect();
            if holders.is_empty() { vec![format!("views.{near}")] } else { holders }
        })
        .take(3)
        .collect();
    let hint = if near.is_empty() { "; SHOW TABLES lists all" } else { "" };
    format!("unknown table {written}{}{hint}", did_you_mean(&near))
}

/// Up to three candidates, the nearest first, without regard to case.
pub(crate) fn nearest(wanted: &str, candidates: impl Iterator<Item = String>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(1);
    let mut near: Vec<(usize, String)> = Vec::new();
    for candidate in candidates {
        let folded = candidate.to_lowercase();
        let mut distance = edit_distance(&wanted, &folded);
        // A name that holds the whole of the other is near however long it is.
        let held = wanted.len() >= 4 && (folded.contains(&wanted) || (folded.len() >= 4 && wanted.contains(&folded)));
        if held {
            distance = distance.min(limit);
        }
        if distance <= limit && !near.iter().any(|(_, known)| *known == candidate) {
            near.push((distance, candidate));
        }
    }
    near.sort();
    near.truncate(3);
    near.into_iter().map(|(_, name)| name).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that make one of the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The log's own name of a column, which schemas note in the column's doc: `` `id.orig_h` in the record. ``
pub(crate) fn original(doc: &str) -> Option<&str> {
    let before = doc.split("` in the record").next().filter(|before| before.len() < doc.len())?;
    before.rsplit('`').next()
}

/// A column's name as the lake spells it: what is no letter, digit, `_` or `-` becomes `_`.
pub(crate) fn transliterated(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<TableRef> {
        vec![
            TableRef::new(Database::Logs, "aws_cloudtrail"),
            TableRef::new(Database::Logs, "okta_systemlog"),
            TableRef::new(Database::Logs, "snowflake_loginhistory"),
            TableRef::new(Database::Lookups, "snowflake_users"),
            TableRef::new(Database::Lookups, "snowflake_grantstousers"),
            TableRef::new(Database::Lookups, "snowflake_grantstoroles"),
            TableRef::new(Database::Logs, "snowflake_grantstoroles"),
            TableRef::new(Database::RuleMatches, "aws_cloudtrail"),
            TableRef::new(Database::RuleMatches, "only_matches"),
        ]
    }

    fn shown(name: &str) -> String {
        let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
        match resolve(&parts, &tables()) {
            Ok(Relation::Table(table)) => table.to_string(),
            Ok(Relation::View(view)) => format!("view {}", view.name),
            Err(missing) => missing.message,
        }
    }

    #[test]
    fn every_form_of_a_name() {
        for (name, meant) in [
            ("aws_cloudtrail", "logs.aws_cloudtrail"),
            ("AWS_CloudTrail", "logs.aws_cloudtrail"),
            ("public.aws_cloudtrail", "logs.aws_cloudtrail"),
            ("logs.aws_cloudtrail", "logs.aws_cloudtrail"),
            ("rule_matches.aws_cloudtrail", "rule_matches.aws_cloudtrail"),
            ("panther_logs.public.aws_cloudtrail", "logs.aws_cloudtrail"),
            ("PANTHER_RULE_MATCHES.PUBLIC.AWS_CLOUDTRAIL", "rule_matches.aws_cloudtrail"),
            ("panther_logs..aws_cloudtrail", "logs.aws_cloudtrail"),
            ("only_matches", "rule_matches.only_matches"),
            ("SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY", "logs.snowflake_loginhistory"),
            ("snowflake.account_usage.users", "lookups.snowflake_users"),
            ("snowflake.account_usage.grants_to_users", "lookups.snowflake_grantstousers"),
            ("snowflake.account_usage.grants_to_roles", "logs.snowflake_grantstoroles"),
            ("all_logs", "view all_logs"),
            ("views.all_rule_matches", "view all_rule_matches"),
            ("panther_views.public.all_rule_errors", "view all_rule_errors"),
        ] {
            assert_eq!(shown(name), meant, "{name}");
        }
    }

    #[test]
    fn original_names() {
        assert_eq!(original("The sender. `id.orig_h` in the record."), Some("id.orig_h"));
        assert_eq!(original("`a` and `b`, no more"), None);
    }

    #[test]
    fn unknown_names_say_what_comes_near() {
        insta::assert_snapshot!(shown("logs.aws_clodtrail"), @"unknown table logs.aws_clodtrail; did you mean logs.aws_cloudtrail or rule_matches.aws_cloudtrail?");
        insta::assert_snapshot!(shown("panther_log.public.x"), @"unknown database panther_log; did you mean panther_logs?");
        insta::assert_snapshot!(shown("zzz"), @"unknown table zzz; SHOW TABLES lists all");
        insta::assert_snapshot!(shown("a.b.c.d"), @"a.b.c.d is no table name; write database.table");
    }
}
