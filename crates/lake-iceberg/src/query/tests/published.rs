//! The queries of a checkout of panther-analysis, if there is one.
//!
//! Each runs on the tables that the bundled schemas make, without rows. Those that cannot are listed with the reason.

use std::path::{Path, PathBuf};

use uncia_model::Database;
use uncia_processing::SchemaSet;

use super::fixture::{Engine, Fixture};

/// Views of an account's state; their tables are lookups.
const STATE: &[&str] = &["Snowflake.Users", "Snowflake.Roles", "Snowflake.Stages", "Snowflake.Shares"];

/// Queries as (file, text).
fn queries(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("queries")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "yml") {
                let text = std::fs::read_to_string(&entry).expect("a file");
                found.extend(query_of(&text).map(|query| (entry, query)));
            }
        }
    }
    found.sort();
    found
}

/// The `Query:` or `SnowflakeQuery:` of a file; enough of YAML for block and one-line strings.
fn query_of(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let first = lines.find_map(|line| line.strip_prefix("SnowflakeQuery:").or_else(|| line.strip_prefix("Query:")))?;
    let first = first.trim();
    let block: Vec<&str> = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '\t'])).collect();
    let plain = first.trim_start_matches(['|', '>', '-', '+']).trim_matches('"');
    Some(format!("{plain}\n{}", block.join("\n")))
}

/// A lake with an empty table for every log type.
fn lake() -> Engine {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/schemas")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let text = std::fs::read_to_string(&entry).expect("a file");
                files.push((entry.display().to_string(), text));
            }
        }
    }
    files.sort();
    let (schemas, errors) = SchemaSet::load(files);
    assert!(errors.is_empty(), "{errors:?}");
    let mut fixture = Fixture::new();
    for schema in schemas.iter() {
        let is_state = STATE.contains(&schema.log_type().as_str());
        let database = if is_state { Database::Lookups } else { Database::Logs };
        fixture.table(database, &schema.log_type().table_name(), &schema.table_schema().columns, &[]);
    }
    fixture.engine()
}

#[tokio::test]
async fn published_queries_run() {
    let Some(root) = std::env::var_os("PANTHER_ANALYSIS_DIR") else {
        println!("skipped: PANTHER_ANALYSIS_DIR names no checkout of panther-analysis");
        return;
    };
    let lake = lake();
    let (mut templates, mut ran, mut cannot) = (0, 0, Vec::new());
    let queries = queries(Path::new(&root));
    for (file, query) in &queries {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if query.contains("{{") || query.contains("{%") {
            templates += 1;
            continue;
        }
        match lake.rows(query).await {
            Ok(rows) => {
                assert!(rows.len() <= 1, "{name}: rows out of nothing: {rows:?}");
                ran += 1;
            }
            Err(error) => cannot.push(format!("{name}: {error}")),
        }
    }
    cannot.sort();
    println!("{} queries, {templates} of them templates: {ran} run", queries.len());
    insta::assert_snapshot!(cannot.join("\n"), @r"
    CrowdStrike_Large_Zip_Creation: unknown column zips.contextprocessid at line 29, column 10; did you mean ContextProcessId, ParentProcessId or TargetProcessId?
    CrowdStrike_Large_Zip_Creation_FDREvent: unknown field Size of event
    Okta_Login_From_CrowdStrike_Unmanaged_Device_FDREvent: unknown column okta_systemlog.p_any_serial_numbers
    Okta_Login_From_CrowdStrike_Unmanaged_Device_Query: unknown column okta_systemlog.p_any_serial_numbers
    kubernetes_ioc_activity_query: syntax error: expected: end of statement, found: INNER at line 13, column 3
    kubernetes_service_type_node_port_deployed_query: unknown table panther_logs.public.kubernetes_control_plane at line 18, column 15; SHOW TABLES lists all
    okta_ad_agent_auth_zscore_anomaly_query: unknown table panther_lookups.public.okta_ad_pantherflow_baseline_90d at line 212, column 17; SHOW TABLES lists all
    okta_ad_agent_token_abuse_behavioral_query: not supported: physical plan does not support logical expression Exists(Exists { subquery: <subquery>, negated: true })
    okta_skeleton_key_bypass_behavioral_query: unknown table panther_lookups.public.okta_baseline_90d at line 234, column 17; SHOW TABLES lists all
    okta_swa_bulk_access_behavioral_query: unknown table panther_lookups.public.okta_baseline_90d at line 112, column 17; SHOW TABLES lists all
    okta_swa_offhours_access_behavioral_query: unknown table panther_lookups.public.okta_baseline_90d at line 38, column 17; SHOW TABLES lists all
    onepass_login_from_crowdstrike_unmanaged_device_FDREvent: unknown column onepassword_signinattempt.p_any_serial_numbers
    onepass_login_from_crowdstrike_unmanaged_device_query: unknown column onepassword_signinattempt.p_any_serial_numbers
    otx_high_impact_pulses: unknown table panther_lookups.public.otx_pulses at line 18, column 12; did you mean logs.otx_pulses?
    otx_pulses_summary: unknown table panther_lookups.public.otx_pulses at line 23, column 8; did you mean logs.otx_pulses?
    ");
}
