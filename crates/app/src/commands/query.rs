//! `uncia query` and `uncia tables`: answers from the lake, beside a running writer if there is one.

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use uncia_lake::{Lake as _, QueryOutput};

use crate::cli;
use crate::exit::Exit;
use crate::output::{Format, Rows, write_out};
use crate::product::Product;

/// Rows of a table that are held to align columns; more are printed in portions of this many.
const PORTION: usize = 10_000;

pub(crate) async fn query(product: &Product, arguments: &cli::Query, format: Format) -> Result<Exit> {
    let sql = if arguments.sql == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the statement from stdin")?;
        text
    } else {
        arguments.sql.clone()
    };
    let output = product.lake().query(&sql).await?;
    print(output, format).await?;
    Ok(Exit::Ok)
}

/// Prints an answer as it comes; only a table waits for its rows.
pub(crate) async fn print(mut output: QueryOutput, format: Format) -> Result<u64> {
    let columns: Vec<String> = output.columns.iter().map(|column| column.name.clone()).collect();
    let mut count = 0;
    let mut rows = Rows { columns: columns.clone(), rows: Vec::new() };
    let mut text = Vec::new();
    if format == Format::Json {
        text.extend_from_slice(b"[\n");
    }
    while let Some(row) = output.rows.next().await {
        let row = row?;
        count += 1;
        match format {
            Format::Ndjson => {
                row.write_json(&mut text);
                text.push(b'\n');
            }
            Format::Json => {
                if count > 1 {
                    text.extend_from_slice(b",\n");
                }
                row.write_json(&mut text);
            }
            Format::Table | Format::Csv => {
                let cells = columns.iter().map(|column| match row.root().get(column) {
                    Some(cell) => serde_json::from_str(&cell.to_json()).unwrap_or_default(),
                    None => serde_json::Value::Null,
                });
                rows.rows.push(cells.collect());
                if rows.rows.len() >= PORTION {
                    rows.print(format)?;
                    rows.rows.clear();
                }
            }
        }
        if text.len() >= 1 << 20 {
            write_out(&text)?;
            text.clear();
        }
    }
    match format {
        Format::Json => text.extend_from_slice(if count > 0 { b"\n]\n" } else { b"]\n" }),
        Format::Table | Format::Csv if !rows.rows.is_empty() || count == 0 => rows.print(format)?,
        _ => {}
    }
    write_out(&text)?;
    if format == Format::Table && std::io::stdout().is_terminal() {
        eprintln!("{count} rows");
    }
    Ok(count)
}

/// `uncia tables`
pub(crate) async fn tables(product: &Product, format: Format) -> Result<Exit> {
    let mut rows = Rows::new(&["table", "rows", "files", "bytes"]);
    if format != Format::Table {
        rows.columns.push("data_files".to_owned());
    }
    for table in product.lake().tables().await? {
        let mut row = vec![table.table.to_string().into(), table.rows.into(), table.files.into(), table.bytes.into()];
        if format != Format::Table {
            row.push(table.data_files.into());
        }
        rows.rows.push(row);
    }
    rows.print(format)?;
    Ok(Exit::Ok)
}
