//! Snapshots of an account's state as they are read: rows that know who they are by what they say.
//!
//! A row of a snapshot is named by a hash of its content, so that the same row has the same id in every snapshot, and two
//! snapshots differ exactly in the ids that only one of them has.

use bytes::Bytes;
use uncia_document::Timestamp;
use uncia_model::sql::quoted_name;
use uncia_model::{LogType, Origin, Payload, Record, RowId, SourceId};
use uncia_snowflake::decode::write_row;
use uncia_snowflake::state::StateView;
use uncia_snowflake::{Answer, ColumnMeta};

use super::pull::{AccountPuller, PullError};
use super::{SnowflakeSourceConfig, statements};

/// The rows of a snapshot, as they come.
pub struct StateAnswer {
    answer: Answer,
    /// By the names that schemas have for them.
    columns: Vec<ColumnMeta>,
    /// Places of the columns that are taken.
    taken: Vec<usize>,
    source: SourceId,
    feed: String,
}

impl AccountPuller {
    /// Asks for the rows of a view that are in force.
    pub async fn state(&self, view: &StateView) -> Result<StateAnswer, PullError> {
        let (config, feed) = (self.config(), view.feed());
        let statement = match view.show {
            Some(show) => statements::ask(config, &feed, show.to_owned(), Vec::new()),
            None => {
                let there = self.columns_there(view.name, &feed).await?;
                statements::ask(config, &feed, rows(config, view, &there)?, Vec::new())
            }
        };
        let answer = self.client().execute(&statement).await?;
        StateAnswer::new(answer, view, config.id.clone())
    }

    /// What goes with records of this account.
    #[must_use]
    pub fn payload(&self, place: &str, key: String, log_type: &str) -> Payload {
        let config = self.config();
        let (database, schema) = config.place();
        Payload {
            origin: Origin {
                source: config.id.clone(),
                source_label: config.label().into(),
                key: key.into(),
                place: Some(format!("{database}.{schema}.{place}").into()),
            },
            bytes: Bytes::new(),
            received: Timestamp::from_micros(self.clock().now().micros),
            log_types: vec![LogType::from(log_type)],
            head: None,
        }
    }
}

impl StateAnswer {
    fn new(answer: Answer, view: &StateView, source: SourceId) -> Result<Self, PullError> {
        let mut columns = answer.columns.clone();
        for column in &mut columns {
            // SHOW has its names in lower case.
            column.name = column.name.to_uppercase();
        }
        let taken: Vec<usize> = view.wanted().filter_map(|name| columns.iter().position(|c| c.name == name)).collect();
        let missing = statements::missing(view.required, |name| taken.iter().any(|&place| columns[place].name == name));
        if !missing.is_empty() {
            return Err(PullError::Columns(missing));
        }
        let columns = taken.iter().map(|&place| columns[place].clone()).collect();
        Ok(Self { answer, columns, taken, source, feed: view.feed() })
    }

    /// The names of the columns that rows may have.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Some more rows; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, PullError> {
        let Some(rows) = self.answer.next_rows().await? else { return Ok(None) };
        Ok(Some(rows.iter().map(|row| self.record(row)).collect()))
    }

    fn record(&self, row: &[Option<String>]) -> Record {
        let cells: Vec<Option<String>> = self.taken.iter().map(|&place| row.get(place).cloned().flatten()).collect();
        let mut text = Vec::with_capacity(512);
        // Without the cells that are null: a new column says nothing of the rows that have no value in it.
        write_row(&self.columns, &cells, |_| false, &mut text);
        let content = format!("snowflake:{}:{}", self.feed, blake3::hash(&text).to_hex());
        let row_id = RowId::of(&self.source, &content, 0, 0);
        Record::alone(0, Bytes::from(text)).known_as(row_id)
    }
}

/// All rows in force, with the wanted columns that are there, by the names that the view has.
fn rows(config: &SnowflakeSourceConfig, view: &StateView, there: &[String]) -> Result<String, PullError> {
    let find = |name: &str| there.iter().find(|column| column.eq_ignore_ascii_case(name));
    let missing = statements::missing(view.required, |name| find(name).is_some());
    if !missing.is_empty() {
        return Err(PullError::Columns(missing));
    }
    // Some names are words of the language.
    let list: Vec<String> = view.wanted().filter_map(find).map(|name| quoted_name(name)).collect();
    let table = statements::place(config, view.name);
    let condition = match view.deleted.and_then(find) {
        Some(deleted) => format!(" WHERE {} IS NULL", quoted_name(deleted)),
        None => String::new(),
    };
    Ok(format!("SELECT {} FROM {table}{condition}", list.join(", ")))
}

#[cfg(test)]
mod tests {
    use uncia_snowflake::state::STATE_VIEWS;

    use super::*;

    #[test]
    fn what_is_asked() {
        let config: SnowflakeSourceConfig =
            toml::from_str("id = \"prod\"\naccount = \"acme-main\"\nwarehouse = \"WH\"").unwrap();
        let view = |name| STATE_VIEWS.iter().find(|view| view.name == name).unwrap();
        let there = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let sql =
            rows(&config, view("GRANTS_TO_USERS"), &there("role grantee_name CREATED_ON DELETED_ON NEW")).unwrap();
        assert_eq!(
            sql,
            "SELECT \"CREATED_ON\", \"role\", \"grantee_name\" FROM SNOWFLAKE.ACCOUNT_USAGE.GRANTS_TO_USERS \
             WHERE \"DELETED_ON\" IS NULL"
        );
        let sql = rows(&config, view("CREDENTIALS"), &there("CREDENTIAL_ID TYPE DOMAIN")).unwrap();
        assert!(sql.ends_with("CREDENTIALS"), "no condition where nothing says what is gone");
        let error = rows(&config, view("USERS"), &there("NAME")).unwrap_err().to_string();
        assert_eq!(error, "the view lacks columns that its rows are of no use without: USER_ID, CREATED_ON");
    }
}
