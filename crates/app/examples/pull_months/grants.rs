//! `pull_months BINARY grants ROWS CHANGES`: what a large `GRANTS_TO_ROLES` costs: its first snapshot, one in which nothing has
//! changed, and one with a few changes. Times are the pull's whole, the account's answer among them.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use uncia_snowflake::auth::{KeySize, RsaKey};
use uncia_snowflake::setup::{Setup, SignIn};
use uncia_snowflake_double::{Double, DoubleConfig};

use crate::month::product::Product;

pub(crate) async fn measure(binary: &Path, rows: u64, changes: u64) -> Result<Value> {
    let folder = std::env::temp_dir().join(format!("uncia-grants-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let double = account(&folder).await?;
    let mut product = Product::new(binary, &folder);
    product.configure(&format!(
        "[detections]\nbundled = false\n[[sources.snowflake]]\nid = \"sf\"\naccount = \"{}\"\nurl = \"{}\"\n\
         warehouse = \"UNCIA_AUDIT_WH\"\nviews = [\"LOGIN_HISTORY\"]\nstate_views = [\"GRANTS_TO_ROLES\"]\n\
         sign_in = {{ method = \"key_pair\", private_key = \"file:{}/key.pem\" }}\n",
        double.identifier(),
        double.url(),
        folder.display(),
    ))?;
    let mut ids = Vec::new();
    for number in 0..rows {
        ids.push(double.insert("GRANTS_TO_ROLES", &grant(number, None))?);
    }
    let mut figures = Vec::new();
    for (name, added, gone) in [("first", 0, 0), ("unchanged", 0, 0), ("changed", changes / 2, changes / 2)] {
        for number in 0..added {
            double.insert("GRANTS_TO_ROLES", &grant(rows + number, None))?;
        }
        for number in 0..gone {
            let (place, deleted) = (number * (rows / gone.max(1)), Some("2026-03-01T00:00:00Z"));
            double.revise("GRANTS_TO_ROLES", ids[usize::try_from(place)?], &grant(place, deleted), i64::MIN)?;
        }
        product.peak = 0;
        let before = cpu_of_children();
        let pull = product.pull(None).await?;
        let said = String::from_utf8_lossy(&pull.output.stdout).into_owned();
        let views: Vec<Value> = serde_json::from_str(&said)
            .with_context(|| format!("the pull says {said} {}", String::from_utf8_lossy(&pull.output.stderr)))?;
        let view = views.iter().find(|row| row["view"] == "GRANTS_TO_ROLES/state").context("no snapshot was taken")?;
        ensure!(view["problem"].is_null(), "{view}");
        ensure!(name == "first" || view["revised"] == added + gone, "{name}: {view}");
        figures.push(json!({
            "snapshot": name, "rows": view["read"], "changes": view["revised"],
            "seconds": pull.took.as_secs_f64(), "cpu_seconds": cpu_of_children() - before, "peak_bytes": product.peak,
        }));
    }
    let there = product.number("SELECT count(*) FROM lookups.snowflake_grantstoroles WHERE NAME LIKE 'T%'")?;
    ensure!(there == rows, "{there} rows are there");
    std::fs::remove_dir_all(&folder)?;
    Ok(json!({ "rows": rows, "changes": changes, "snapshots": figures }))
}

/// Seconds of user and system time of the processes that have ended, as the kernel counts them.
fn cpu_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, behind)| behind);
    let hundredths: u64 = behind_name.split(' ').skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    hundredths as f64 / 100.0
}

fn grant(number: u64, deleted: Option<&str>) -> Value {
    json!({
        "CREATED_ON": "2025-03-01T00:00:00Z", "MODIFIED_ON": "2025-03-01T00:00:00Z", "PRIVILEGE": "SELECT",
        "GRANTED_ON": "TABLE", "NAME": format!("T{number}"), "TABLE_CATALOG": format!("DB{}", number % 50),
        "TABLE_SCHEMA": format!("S{}", number % 1_000), "GRANTED_TO": "ROLE",
        "GRANTEE_NAME": format!("ROLE_{}", number % 300), "GRANT_OPTION": false, "GRANTED_BY": "SYSADMIN",
        "DELETED_ON": deleted,
    })
}

async fn account(folder: &Path) -> Result<Double> {
    let config = DoubleConfig { rows_per_partition: 50_000, result_bytes: 4 << 30, ..DoubleConfig::default() };
    let double = Double::start(config).await?;
    let key = RsaKey::generate(KeySize::Bits2048)?;
    std::fs::write(folder.join("key.pem"), key.to_pem()?.expose())?;
    let setup = Setup {
        source: "sf".to_owned(),
        user: "UNCIA_AUDIT_VIEW_USER".to_owned(),
        role: "UNCIA_AUDIT_VIEW_ROLE".to_owned(),
        warehouse: "UNCIA_AUDIT_WH".to_owned(),
        create_warehouse: true,
        place: None,
        views: ["LOGIN_HISTORY", "GRANTS_TO_ROLES"].map(str::to_owned).to_vec(),
        imported_privileges: false,
        sign_in: SignIn::KeyPair { public_key: key.public_base64(), second: false },
        addresses: Vec::new(),
    };
    double.run_script(&setup.sql()?)?;
    Ok(double)
}
