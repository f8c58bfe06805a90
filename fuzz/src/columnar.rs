//! Files of columns. The readers are others' work and are known to panic on damaged files; the product makes a failure of
//! that, so here a panic of theirs is no finding. What is one: a panic past the guard, endless work, memory without end.

use bytes::Bytes;

use crate::plant;
use crate::targets::Target;

// The product's own module: its crate would bring the whole lake along.
#[path = "../../crates/lake-iceberg/src/rows/mod.rs"]
mod rows;

pub(crate) struct Parquet;

pub(crate) struct Avro;

impl Target for Parquet {
    fn run(&self, data: &[u8]) {
        read(rows::parquet_rows(Bytes::copy_from_slice(data)));
    }

    fn forgives_panics(&self) -> bool {
        true
    }
}

impl Target for Avro {
    fn run(&self, data: &[u8]) {
        read(rows::avro_rows(Bytes::copy_from_slice(data)));
    }

    fn forgives_panics(&self) -> bool {
        true
    }
}

fn read(lines: Result<rows::Lines, rows::RowsError>) {
    let Ok(lines) = lines else { return };
    // A few bytes can say that there are very many rows.
    for piece in lines.take(16).flatten() {
        for line in piece.split(|&byte| byte == b'\n').take(64) {
            let row: serde_json::Value = match line {
                [] => continue,
                line => serde_json::from_slice(line).expect("a row is JSON"),
            };
            plant::bug(row["b"].as_str().unwrap_or_default().as_bytes(), b"buy");
        }
    }
}
