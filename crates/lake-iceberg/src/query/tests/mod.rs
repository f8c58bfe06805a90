//! Queries over small tables, made of plain Parquet files.

mod answers;
mod faults;
mod fixture;
mod patterns;
mod published;
mod pushdown;
mod resolution;
