//! `uncia snowflake cost`: what pulling costs the accounts, from their own history of queries.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use uncia_detection::EvidenceRow;
use uncia_document::Timestamp;
use uncia_lake::LakeError;
use uncia_model::sql::literal;
use uncia_model::{Clock as _, SystemClock};
use uncia_sources::SnowflakeSourceConfig;
use uncia_sources::snowflake::cost::{awake_seconds, credits_an_hour, expected_credits_a_day};

use crate::cli;
use crate::commands::snowflake_posture::rows;
use crate::config::Config;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows};
use crate::product::Product;

const DAY_MICROS: i64 = 86_400_000_000;

/// What statements of ours have used.
#[derive(Default)]
struct Used {
    statements: u64,
    running_seconds: f64,
    bytes_scanned: u64,
    cloud_credits: f64,
    /// Begins and ends, by the size of the warehouse.
    runs: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Used {
    fn add(&mut self, row: &EvidenceRow) {
        let number = |name: &str| row.get(name).and_then(number).unwrap_or(0.0);
        let (begin, seconds) = (number("begin"), number("elapsed") / 1_000.0);
        self.statements += 1;
        self.running_seconds += seconds;
        self.bytes_scanned += row.get("bytes").and_then(Value::as_u64).unwrap_or(0);
        self.cloud_credits += number("cloud");
        if let Some(size) = row.get("size").and_then(Value::as_str) {
            self.runs.entry(size.to_owned()).or_default().push((begin, begin + seconds));
        }
    }

    /// Seconds awake, and credits for them.
    fn warehouse(&mut self) -> (f64, f64) {
        self.runs.iter_mut().fold((0.0, 0.0), |(seconds, credits), (size, runs)| {
            let awake = awake_seconds(runs);
            (seconds + awake, credits + awake / 3_600.0 * credits_an_hour(size))
        })
    }
}

/// Numbers with fractions may come as texts, which keeps their digits.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

pub(crate) async fn cost(product: &Product, config: &Config, arguments: &cli::Cost, format: Format) -> Result<Exit> {
    let known = |id: &str| config.sources.snowflake.iter().any(|source| source.id.as_str() == id);
    if let Some(id) = arguments.source.as_deref().filter(|id| !known(id)) {
        return Err(ExitError::configuration(format!("no Snowflake source is configured as {id}")));
    }
    let of_source =
        |source: &&SnowflakeSourceConfig| arguments.source.as_ref().is_none_or(|id| source.id.as_str() == id);
    let sources: Vec<&SnowflakeSourceConfig> = config.sources.snowflake.iter().filter(of_source).collect();
    if sources.is_empty() {
        return Err(ExitError::configuration("no Snowflake source is configured: add [[sources.snowflake]]"));
    }
    let from = Timestamp::from_micros(SystemClock.now().micros - i64::from(arguments.days) * DAY_MICROS).to_string();
    let mut table = Rows::new(match arguments.by {
        cli::CostBy::Source => &[
            "source",
            "days",
            "statements",
            "running_s",
            "bytes_scanned",
            "awake_h",
            "credits",
            "cloud_credits",
            "credits_a_day",
            "expected_a_day",
            "metered_a_day",
        ],
        cli::CostBy::View => &["source", "view", "statements", "running_s", "bytes_scanned", "cloud_credits"],
        cli::CostBy::Day => {
            &["source", "day", "statements", "running_s", "bytes_scanned", "awake_h", "credits", "cloud_credits"]
        }
    });
    for source in sources {
        match arguments.by {
            cli::CostBy::Source => table.rows.push(of_a_source(product, source, &from).await?),
            by @ (cli::CostBy::View | cli::CostBy::Day) => table.rows.extend(parts(product, source, &from, by).await?),
        }
    }
    table.print(format)?;
    Ok(Exit::Ok)
}

async fn of_a_source(product: &Product, source: &SnowflakeSourceConfig, from: &str) -> Result<Vec<Value>> {
    let mut by_day = used(product, source, from, "day").await?;
    // The days that are there: a source is often younger than what is asked for.
    let days = by_day.len() as f64;
    let mut all = Used::default();
    for used in by_day.values_mut() {
        all.statements += used.statements;
        all.running_seconds += used.running_seconds;
        all.bytes_scanned += used.bytes_scanned;
        all.cloud_credits += used.cloud_credits;
        for (size, runs) in &mut used.runs {
            all.runs.entry(size.clone()).or_default().append(runs);
        }
    }
    let (awake, credits) = all.warehouse();
    let a_day = |credits: f64| if days > 0.0 { json!(rounded(credits / days)) } else { Value::Null };
    Ok(vec![
        json!(source.id),
        json!(by_day.len()),
        json!(all.statements),
        json!(rounded(all.running_seconds)),
        json!(all.bytes_scanned),
        json!(rounded(awake / 3_600.0)),
        json!(rounded(credits)),
        json!(rounded(all.cloud_credits)),
        a_day(credits),
        json!(rounded(expected_credits_a_day(source.interval_minutes))),
        metered(product, source, from).await?,
    ])
}

/// One line for each view or day; what woke the warehouse can be told of days only.
async fn parts(
    product: &Product,
    source: &SnowflakeSourceConfig,
    from: &str,
    by: cli::CostBy,
) -> Result<Vec<Vec<Value>>> {
    let of_days = matches!(by, cli::CostBy::Day);
    let mut lines = Vec::new();
    for (part, mut used) in used(product, source, from, if of_days { "day" } else { "view" }).await? {
        let mut line = vec![
            json!(source.id),
            json!(part),
            json!(used.statements),
            json!(rounded(used.running_seconds)),
            json!(used.bytes_scanned),
        ];
        if of_days {
            let (awake, credits) = used.warehouse();
            line.extend([json!(rounded(awake / 3_600.0)), json!(rounded(credits))]);
        }
        line.push(json!(rounded(used.cloud_credits)));
        lines.push(line);
    }
    Ok(lines)
}

/// What statements that carry our tag have used, by their day or by the view that they asked.
async fn used(
    product: &Product,
    source: &SnowflakeSourceConfig,
    from: &str,
    by: &str,
) -> Result<BTreeMap<String, Used>> {
    let sql = format!(
        "SELECT TO_VARCHAR(START_TIME::DATE) AS day, TRY_PARSE_JSON(QUERY_TAG):view::STRING AS view, \
         DATE_PART('epoch_second', START_TIME) AS begin, TOTAL_ELAPSED_TIME AS elapsed, BYTES_SCANNED AS bytes, \
         CREDITS_USED_CLOUD_SERVICES AS cloud, WAREHOUSE_SIZE AS size FROM logs.snowflake_queryhistory \
         WHERE p_event_time >= {} AND p_source_id = {} AND STARTSWITH(QUERY_TAG, '{{\"app\":\"uncia\",') \
         AND TRY_PARSE_JSON(QUERY_TAG):source::STRING = {}",
        literal(from),
        literal(source.id.as_str()),
        literal(source.id.as_str()),
    );
    let mut used: BTreeMap<String, Used> = BTreeMap::new();
    for row in asked(product, &sql).await? {
        let key = row.get(by).and_then(Value::as_str).unwrap_or_default().to_owned();
        used.entry(key).or_default().add(&row);
    }
    Ok(used)
}

/// Credits a day of the source's warehouse as the account meters them, whoever used it; null if that view is not pulled.
async fn metered(product: &Product, source: &SnowflakeSourceConfig, from: &str) -> Result<Value> {
    // An hour that was metered while it went on comes again with more.
    let sql = format!(
        "SELECT SUM(credits) / NULLIF(COUNT(DISTINCT hour::DATE), 0) AS a_day FROM \
         (SELECT START_TIME AS hour, MAX(CREDITS_USED) AS credits FROM logs.snowflake_warehousemeteringhistory \
         WHERE p_event_time >= {} AND p_source_id = {} AND WAREHOUSE_NAME = {} GROUP BY START_TIME) AS hours",
        literal(from),
        literal(source.id.as_str()),
        literal(&source.warehouse),
    );
    let rows = asked(product, &sql).await?;
    let a_day = rows.first().and_then(|row| row.get("a_day")).and_then(number);
    Ok(a_day.map_or(Value::Null, |credits| json!(rounded(credits))))
}

/// No rows where the table is not there yet.
async fn asked(product: &Product, sql: &str) -> Result<Vec<EvidenceRow>> {
    match rows(product.lake().as_ref(), sql).await {
        Ok(rows) => Ok(rows),
        Err(LakeError::NoTable { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
