//! The SQL API's answers as they come over the wire (<https://docs.snowflake.com/en/developer-guide/sql-api/reference>).

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

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

/// Codes are text by the API's description, but null and numbers have been seen in its errors.
fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
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
    fn a_bomb_does_not_go_off() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![b' '; 100_000]).unwrap();
        let packed = packer.finish().unwrap();
        assert_eq!(gunzip(&packed, 100_000).unwrap().len(), 100_000);
        assert_eq!(gunzip(&packed, 99_999).unwrap_err(), "more than 99999 bytes once unpacked");
        assert!(gunzip(&packed[..packed.len() - 9], 100_000).unwrap_err().starts_with("damaged gzip"));
    }
}
