//! Which views there are, which database role opens each, and by which column its rows are ordered in time.
//!
//! Documented under "Account Usage" and "SNOWFLAKE database roles" (docs.snowflake.com, autumn 2026).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::columns::COLUMNS;
use crate::results::{Column, Kind};

/// A view of `ACCOUNT_USAGE`.
pub(crate) struct UsageView {
    pub(crate) database_role: &'static str,
    /// Rows are kept in the order of this column; statements bounded by it read only what lies between.
    pub(crate) cursor: &'static str,
    /// Only editions from Enterprise have it.
    pub(crate) enterprise: bool,
    pub(crate) columns: Vec<Column>,
}

static VIEWS: LazyLock<BTreeMap<&'static str, UsageView>> = LazyLock::new(|| {
    COLUMNS
        .iter()
        .map(|(name, database_role, cursor, text)| {
            let columns = text.split_whitespace().map(column).collect();
            let enterprise = *name == "ACCESS_HISTORY";
            (*name, UsageView { database_role, cursor, enterprise, columns })
        })
        .collect()
});

pub(crate) fn find(name: &str) -> Option<&'static UsageView> {
    VIEWS.get(name)
}

/// `NAME:T` and its kin.
fn column(text: &str) -> Column {
    let (name, letter) = text.split_once(':').expect("each column has a letter");
    let kind = match letter {
        "T" => Kind::Text,
        "N" => Kind::NUMBER,
        "C" => Kind::Fixed { precision: 38, scale: 9 },
        "F" => Kind::Real,
        "B" => Kind::Boolean,
        "L" => Kind::TimestampLtz,
        "D" => Kind::Date,
        "V" => Kind::Variant,
        "O" => Kind::Object,
        "A" => Kind::Array,
        other => panic!("no kind '{other}'"),
    };
    Column::new(name, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_has_its_cursor_and_no_column_twice() {
        assert!(VIEWS.len() >= 26);
        for (name, view) in VIEWS.iter() {
            let cursor = view.columns.iter().find(|column| column.name == view.cursor);
            assert_eq!(cursor.map(|column| column.kind), Some(Kind::TimestampLtz), "{}", name);
            let names: std::collections::BTreeSet<&str> =
                view.columns.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(names.len(), view.columns.len(), "{}", name);
            assert!(crate::account::state::DATABASE_ROLES.contains(&view.database_role), "{}", name);
        }
        assert_eq!(find("QUERY_HISTORY").unwrap().columns.len(), 83);
    }
}
