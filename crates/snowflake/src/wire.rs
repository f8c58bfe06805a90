//! The SQL API's answers as they come over the wire (<https://docs.snowflake.com/en/developer-guide/sql-api/reference>).

use std::fmt;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::decode::{ColumnMeta, Kind};

/// Cells of some rows, in the order of the columns.
pub type Rows = Vec<Vec<Option<String>>>;

/// Code of an answer that says success and is none: the result was too large and is cut.
pub(crate) const RESULT_TOO_LARGE: &str = "391908";
/// Code of "still running".
pub(crate) const RUNNING: &str = "333334";

/// Any answer: what it may carry of a status, a failure or a result.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Answered {
    #[serde(deserialize_with = "lenient")]
    pub(crate) code: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) sql_state: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) message: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) statement_handle: String,
    pub(crate) result_set_meta_data: Option<MetaData>,
    #[serde(deserialize_with = "some_rows")]
    pub(crate) data: Option<Rows>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaData {
    #[serde(default)]
    pub(crate) num_rows: u64,
    #[serde(default)]
    pub(crate) row_type: Vec<RowType>,
    #[serde(default)]
    pub(crate) partition_info: Vec<PartitionInfo>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RowType {
    name: String,
    r#type: String,
    #[serde(default)]
    scale: Option<i32>,
    #[serde(default)]
    nullable: Option<bool>,
}

impl From<RowType> for ColumnMeta {
    fn from(row: RowType) -> Self {
        Self {
            name: row.name,
            kind: Kind::of(&row.r#type),
            scale: row.scale.unwrap_or(0),
            nullable: row.nullable.unwrap_or(true),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartitionInfo {
    pub(crate) row_count: u64,
}

/// A partition after the first: rows and nothing else.
#[derive(Deserialize)]
struct Partition {
    #[serde(deserialize_with = "rows")]
    data: Rows,
}

pub(crate) fn answered(body: &[u8]) -> Result<Answered, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

pub(crate) fn partition(body: &[u8]) -> Result<Rows, String> {
    serde_json::from_slice::<Partition>(body).map(|partition| partition.data).map_err(|error| error.to_string())
}

/// Unpacks a gzip body, which may not grow beyond the limit.
pub(crate) fn gunzip(packed: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::with_capacity(packed.len().saturating_mul(4).min(limit));
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(packed).take(most).read_to_end(&mut body).map_err(|error| format!("damaged gzip: {error}"))?;
    if body.len() > limit {
        return Err(format!("more than {limit} bytes once unpacked"));
    }
    Ok(body)
}

/// A cell. By the API's description it is text or null; whatever else came would be kept as its JSON text, rather than a
/// whole result lost.
struct Cell(Option<String>);

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell(Some(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cell, E> {
        Ok(Cell(Some(value.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Cell, A::Error> {
        let value = serde_json::Value::deserialize(SeqAccessDeserializer::new(items))?;
        Ok(Cell(Some(value.to_string())))
    }

    /// Objects, and numbers too: `serde_json` hands them over as a map where their digits are to be kept.
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Cell, A::Error> {
        let value = serde_json::Value::deserialize(MapAccessDeserializer::new(members))?;
        Ok(Cell(Some(value.to_string())))
    }
}

fn rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rows, D::Error> {
    let rows = Vec::<Vec<Cell>>::deserialize(deserializer)?;
    Ok(rows.into_iter().map(|row| row.into_iter().map(|cell| cell.0).collect()).collect())
}

fn some_rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rows>, D::Error> {
    let rows = Option::<Vec<Vec<Cell>>>::deserialize(deserializer)?;
    Ok(rows.map(|rows| rows.into_iter().map(|row| row.into_iter().map(|cell| cell.0).collect()).collect()))
}

/// Codes are text by the API's description, but null and numbers have been seen in its errors.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn failures_may_lack_or_bend_fields() {
        let answer = answered(br#"{"data":null,"message":null,"code":390303,"success":false}"#).unwrap();
        assert_eq!((answer.code.as_str(), answer.message.as_str()), ("390303", ""));
        assert!(answered(b"<html>").is_err());
        assert_eq!(partition(br#"{"data":[["1",null]]}"#).unwrap(), [vec![Some("1".to_owned()), None]]);
    }

    #[test]
    fn cells_that_are_no_text_are_kept_as_they_came() {
        let body = br#"{"data":[["a\u00e9",null,1.50,12345678901234567890123,true,{"b":[1]},[null]]],"code":null}"#;
        let expected = ["a\u{e9}", "", "1.50", "12345678901234567890123", "true", r#"{"b":[1]}"#, "[null]"];
        let rows = [partition(body).unwrap(), answered(body).unwrap().data.unwrap()];
        for mut rows in rows {
            let row: Vec<String> = rows.remove(0).into_iter().map(Option::unwrap_or_default).collect();
            assert_eq!(row, expected);
        }
        assert!(answered(br#"{"data":[{}]}"#).is_err());
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![b' '; 100_000]).unwrap();
        let packed = packer.finish().unwrap();
        assert_eq!(gunzip(&packed, 100_000).unwrap().len(), 100_000);
        assert_eq!(gunzip(&packed, 99_999).unwrap_err(), "more than 99999 bytes once unpacked");
        assert!(gunzip(&packed[..packed.len() - 9], 100_000).unwrap_err().starts_with("damaged gzip"));
    }
}
