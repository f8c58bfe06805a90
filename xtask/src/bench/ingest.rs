//! `./x bench ingest`: gzip files to committed rows, from files and by HTTP, beside DuckDB writing the same to Parquet.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use super::{Figure, Findings, answer, folder, script};
use crate::build::{Profile, build};
use crate::python;
use crate::run::run;

/// What the script prints.
#[derive(Deserialize)]
struct Measured {
    results: Vec<Figure>,
    megabytes: f64,
    rows: u64,
    duckdb: String,
    parquet_mb: ParquetSize,
}

#[derive(Deserialize)]
struct ParquetSize {
    uncia: f64,
    duckdb: f64,
}

pub(super) fn bench(samples: &Path) -> Result<Option<Findings>> {
    let binary = std::path::absolute(build(Profile::Release)?)?;
    let python = python::test_environment()?;
    let data = folder("ingest")?;
    run(script("bench_data.py").arg("ingest").arg(samples).arg(&data))?;
    let scratch = folder("ingest-scratch")?;
    let mut command = Command::new(python);
    let measured: Measured = answer(command.arg("xtask/python/bench_ingest.py").arg(binary).arg(&data).arg(&scratch))?;
    println!("{:.0} MB of NDJSON in gzip files, {} rows", measured.megabytes, measured.rows);
    let mut figures = measured.results;
    let ParquetSize { uncia, duckdb } = measured.parquet_mb;
    figures.push(Figure::beside("Parquet written", "MB", uncia, "DuckDB COPY", duckdb));
    Ok(Some(Findings { figures, versions: vec![("duckdb".to_owned(), measured.duckdb)] }))
}
