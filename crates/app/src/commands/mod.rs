//! One file a command; each gets what it needs passed in and returns an exit code.

pub(crate) mod alerts;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod detections;
pub(crate) mod doctor;
pub(crate) mod environment;
pub(crate) mod failures;
pub(crate) mod ingest;
pub(crate) mod query;
pub(crate) mod replay;
pub(crate) mod scheduled;
pub(crate) mod schema;
pub(crate) mod schema_infer;
pub(crate) mod schema_test;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod snowflake_cost;
pub(crate) mod snowflake_insight;
pub(crate) mod snowflake_posture;
pub(crate) mod snowflake_pull;
pub(crate) mod snowflake_setup;
pub(crate) mod sources;
pub(crate) mod through_schemas;
