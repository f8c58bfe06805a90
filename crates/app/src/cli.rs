//! The command line: every command, its arguments and its help.

#![expect(clippy::doc_markdown, reason = "these comments are the help, read on a terminal")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::output::Format;

#[derive(Parser)]
#[command(
    name = "uncia",
    version,
    about = "Security data lake and detection engine",
    long_about = "Uncia turns raw logs into typed events in open Iceberg tables, judges them by Python rules as they are \
                  in panther-analysis, and raises alerts. One binary, your own machine.\n\nTry `uncia demo` first.",
    after_help = "Exit codes: 0 ok, 1 failed or found, 2 usage, 3 configuration, 4 authentication, 5 unavailable."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
pub(crate) struct Global {
    /// Where state lives [default: $XDG_DATA_HOME/uncia].
    #[arg(long, global = true, env = "UNCIA_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file (TOML).
    #[arg(long, global = true, env = "UNCIA_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON where a person would see a table (= --format json).
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Form of the answer.
    #[arg(long, global = true, value_enum)]
    pub(crate) format: Option<Format>,
    /// Say more; twice: say everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Global {
    pub(crate) fn format(&self) -> Format {
        self.format.unwrap_or(if self.json { Format::Json } else { Format::Table })
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Play an attack on an AWS and a Snowflake account through the real walk; needs nothing beforehand.
    Demo(Demo),
    /// Run the product: sources, the walk, alerts out.
    Serve(Serve),
    /// Take files (or `-` for stdin) through the whole walk, once.
    #[command(
        after_help = "Examples:\n  uncia ingest --log-type AWS.CloudTrail logs/*.json.gz\n  uncia ingest /var/log/zeek\n  \
                            zcat okta.ndjson.gz | uncia ingest --log-type Okta.SystemLog -"
    )]
    Ingest(Ingest),
    /// Run one SQL statement (Snowflake dialect) over the lake.
    #[command(
        after_help = "Examples:\n  uncia query \"SELECT eventName, count(*) FROM logs.aws_cloudtrail GROUP BY 1 ORDER BY 2 DESC\"\n  \
                            uncia query --format ndjson \"SELECT * FROM views.all_logs WHERE array_contains('203.0.113.7'::variant, p_any_ip_addresses)\""
    )]
    Query(Query),
    /// List the lake's tables with rows, files and bytes.
    Tables,
    /// Records that became no event: look at them, and replay them once their schema is mended.
    #[command(subcommand)]
    Failures(Failures),
    /// Run detections over the lake's history: what they would have found and raised. Writes nothing.
    #[command(
        after_help = "Works beside `uncia serve`, whose detections are not slowed down.\n\nExamples:\n  uncia replay --from 7d --rule AWS.Root.Activity\n  \
                            uncia replay --from 2026-01-01 --to 2026-02-01 --content ./new-rules --json"
    )]
    Replay(Replay),
    /// What came from each source, and what became of it.
    Sources,
    /// Snowflake accounts: pull their audit views, and see how that goes.
    #[command(subcommand)]
    Snowflake(Snowflake),
    /// Secrets that Uncia keeps itself, sealed in its data directory.
    #[command(subcommand)]
    Secrets(Secrets),
    /// Triage alerts.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Run the unit tests of detections.
    #[command(
        after_help = "Examples:\n  uncia test --path rules/aws_cloudtrail_rules\n  uncia test --filter Severity=High --json"
    )]
    Test(Test),
    /// Run every unit test of a detection repository and count verdicts per analysis type.
    Conformance(Conformance),
    /// Detections: what is there, what runs by the clock, what their Python may import.
    #[command(subcommand)]
    Detections(Detections),
    /// Schemas of log types.
    #[command(subcommand)]
    Schema(Schema),
    /// The configuration as it is understood.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at what the product needs: interpreter, extension, directory, content.
    Doctor,
    /// Print version and build.
    Version,
}

#[derive(Args)]
pub(crate) struct Demo {
    /// End by itself once the story is told.
    #[arg(long)]
    pub(crate) once: bool,
    /// Another seed tells the same story with other background.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Play these logs instead of the story.
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Address of the HTTP sources [default: the configuration's http.listen].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
}

#[derive(Args)]
pub(crate) struct Ingest {
    #[command(flatten)]
    pub(crate) logs: Logs,
    /// Folder of detections in the layout of panther-analysis, in addition to the configured ones.
    #[arg(long, value_name = "DIR")]
    pub(crate) detections: Vec<PathBuf>,
}

/// What to read, and as what.
#[derive(Args)]
pub(crate) struct Logs {
    /// Files and folders; `-` is stdin.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only these log types; otherwise every known one is tried.
    #[arg(long = "log-type", value_name = "TYPE")]
    pub(crate) log_types: Vec<String>,
    /// Name of the source that the rows carry; a part of every `p_row_id`.
    #[arg(long, default_value = "ingest", value_name = "NAME")]
    pub(crate) source: String,
    /// How the bytes are cut into records: auto, lines, json, json_array[:path.to.array], cloudwatch_logs or xml[:root].
    #[arg(long, default_value = "auto", value_name = "STREAM")]
    pub(crate) stream: String,
}

#[derive(Args)]
pub(crate) struct Query {
    /// The statement; `-` reads it from stdin.
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
}

#[derive(Args)]
pub(crate) struct Replay {
    /// Events from this time on: an instant as in RFC 3339, a day, or an age such as 24h or 7d.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// Events before this time [default: now].
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only this rule, enabled or not; can be given several times [default: all enabled ones].
    #[arg(long = "rule", value_name = "ID")]
    pub(crate) rules: Vec<String>,
    /// Only events of this log type; can be given several times.
    #[arg(long = "log-type", value_name = "TYPE")]
    pub(crate) log_types: Vec<String>,
    /// Folder of detections that are not deployed yet: only its rules run, with the helpers of the configured content.
    #[arg(long, value_name = "DIR")]
    pub(crate) content: Vec<PathBuf>,
    /// Take as much of the processor as other processes do, instead of what they leave.
    #[arg(long)]
    pub(crate) no_yield: bool,
}

#[derive(Subcommand)]
pub(crate) enum Failures {
    /// How many there are, by source, reason and what is wrong.
    List(FailuresSelection),
    /// Failures with their records.
    Show(FailuresSelection),
    /// Process the records again. Those that become events move to their tables, run through the detections, and are
    /// failures no more.
    #[command(
        after_help = "Stop `uncia serve` before. Doing it twice adds nothing.\n\nExample:\n  uncia failures replay --source door --log-type Custom.Door"
    )]
    Replay {
        #[command(flatten)]
        selection: FailuresSelection,
        /// Try the records as these log types only, instead of those of the configured source or all.
        #[arg(long = "log-type", value_name = "TYPE")]
        log_types: Vec<String>,
        /// Folder of detections in the layout of panther-analysis, in addition to the configured ones.
        #[arg(long, value_name = "DIR")]
        detections: Vec<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(crate) enum Snowflake {
    /// Pull the configured accounts once, and return when the rows can be queried and the alerts are stored.
    #[command(
        after_help = "`uncia serve` pulls by itself; stop it before. Doing it twice adds nothing.\n\nExample:\n  uncia snowflake pull prod"
    )]
    Pull {
        /// Only this source.
        #[arg(value_name = "SOURCE")]
        source: Option<String>,
        /// Take no snapshots of users, roles, grants and their kin.
        #[arg(long)]
        no_state: bool,
    },
    /// How far each view is read, how late its rows came, and what is wrong.
    Status,
    /// Print the script with which an ACCOUNTADMIN lets a source in. It can be run any number of times.
    #[command(
        after_help = "Example:\n  uncia snowflake key prod\n  uncia snowflake setup-sql prod --create-warehouse | snow sql --stdin"
    )]
    SetupSql(SnowflakeSetup),
    /// Print the script that takes away what setup-sql gave.
    UndoSql(SnowflakeSetup),
    /// Try everything that pulls need, and say what is missing and how to get it.
    Check {
        /// Only this source.
        #[arg(value_name = "SOURCE")]
        source: Option<String>,
    },
    /// Make or take in the key pair with which a source signs in, and show its public part. The private part stays sealed.
    Key {
        /// The source; can be left out if there is one only.
        #[arg(value_name = "SOURCE")]
        source: Option<String>,
        #[command(flatten)]
        key: NewKey,
    },
    /// Replace a source's key pair while it goes on pulling: stage, set the public part over there, save.
    #[command(
        after_help = "Steps:\n  uncia snowflake rotate prod             stages a new key and prints the SQL for it\n  \
                      uncia snowflake rotate prod --save      tries the new key alone, and swaps if it signs in\n  \
                      uncia snowflake rotate prod --clean-up  an hour later: prints the SQL that removes the former key"
    )]
    Rotate(SnowflakeRotate),
    /// Ask a person for their consent to a source that signs in by OAuth. `uncia serve` must run to take their answer.
    #[command(visible_alias = "authorize")]
    Authorise {
        /// The source; can be left out if there is one only.
        #[arg(value_name = "SOURCE")]
        source: Option<String>,
    },
    /// Hold the accounts' newest state against the controls: what fails, with evidence and what to do.
    #[command(after_help = "Ends with 1 if a control fails.\n\nExample:\n  uncia snowflake posture --json")]
    Posture(Posture),
    /// What pulling costs the accounts, in credits: expected, and measured by their own history of queries.
    #[command(
        after_help = "`awake_h` and `credits` are those of the warehouse if nobody else uses it, `metered_a_day` is what \
                            WAREHOUSE_METERING_HISTORY says of it, if that view is pulled.\n\nExamples:\n  uncia snowflake cost\n  uncia snowflake cost prod --days 7 --by view"
    )]
    Cost(Cost),
    /// What is known of one person: a risk score with its reasons, sign-ins, roles, peers, data moved, what to do.
    #[command(after_help = "Example:\n  uncia snowflake insight maya --days 90")]
    Insight(Insight),
}

#[derive(Args)]
pub(crate) struct Cost {
    /// Only this source.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: Option<String>,
    /// How far to look back.
    #[arg(long, default_value_t = 30, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=365))]
    pub(crate) days: u32,
    /// One line for each of these.
    #[arg(long, value_enum, default_value_t = CostBy::Source)]
    pub(crate) by: CostBy,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum CostBy {
    Source,
    View,
    Day,
}

#[derive(Args)]
pub(crate) struct Posture {
    /// Only the account of this source.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Only this control; can be given several times.
    #[arg(long = "control", value_name = "ID")]
    pub(crate) only: Vec<String>,
    /// Folder of controls, in addition to the bundled and the configured ones.
    #[arg(long, value_name = "DIR")]
    pub(crate) controls: Vec<PathBuf>,
    /// What was found before, as of each new state of the accounts, in place of what is found now.
    #[arg(long)]
    pub(crate) history: bool,
}

#[derive(Args)]
pub(crate) struct Insight {
    /// Name of the user.
    pub(crate) user: String,
    /// Only the account of this source.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// How far to look back.
    #[arg(long, default_value_t = 30, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
    /// The name is as it is written here; otherwise it is in capitals, as unquoted names are.
    #[arg(long)]
    pub(crate) exact: bool,
}

#[derive(Args)]
pub(crate) struct SnowflakeSetup {
    /// The source; can be left out if there is one only.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: Option<String>,
    /// Terraform (provider snowflakedb/snowflake) in place of SQL.
    #[arg(long)]
    pub(crate) terraform: bool,
    /// Also make the warehouse, the smallest there is, which sleeps after a minute.
    #[arg(long)]
    pub(crate) create_warehouse: bool,
    /// Grant all of the SNOWFLAKE database in place of the few database roles that the views need.
    #[arg(long)]
    pub(crate) imported_privileges: bool,
    /// Let the user in from this address or range only; can be given several times.
    #[arg(long = "address", value_name = "IPV4[/BITS]")]
    pub(crate) addresses: Vec<String>,
    /// Name of the security integration of a source that signs in by OAuth.
    #[arg(long, default_value = "UNCIA", value_name = "NAME")]
    pub(crate) integration: String,
}

#[derive(Args)]
pub(crate) struct NewKey {
    /// Take this key in place of a new one: a PEM file.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Passphrase of that file, as file:<path> or env:<name>.
    #[arg(long, value_name = "REFERENCE", requires = "from")]
    pub(crate) passphrase: Option<String>,
    /// Size of a new key: 2048 or 4096.
    #[arg(long, default_value = "2048", value_parser = ["2048", "4096"])]
    pub(crate) bits: String,
}

#[derive(Args)]
pub(crate) struct SnowflakeRotate {
    /// The source; can be left out if there is one only.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: Option<String>,
    /// Try the staged key alone, and use it from now on if it signs in.
    #[arg(long, group = "step")]
    pub(crate) save: bool,
    /// Give the staged key up.
    #[arg(long, group = "step")]
    pub(crate) cancel: bool,
    /// Go back to the former key; possible for a day.
    #[arg(long, group = "step")]
    pub(crate) roll_back: bool,
    /// Forget the former key, and print the SQL that removes it over there. An hour after the swap at the earliest.
    #[arg(long, group = "step")]
    pub(crate) clean_up: bool,
    /// Only say where the keys stand.
    #[arg(long, group = "step")]
    pub(crate) show: bool,
    /// Use a named key pair in place of RSA_PUBLIC_KEY and RSA_PUBLIC_KEY_2.
    #[arg(long, value_name = "NAME")]
    pub(crate) named: Option<String>,
    #[command(flatten)]
    pub(crate) key: NewKey,
}

#[derive(Subcommand)]
pub(crate) enum Secrets {
    /// Names of the sealed secrets, and when they changed.
    List,
    /// What happened to credentials: who did what, when.
    Log,
    /// Destroy a sealed secret, as when a source is given up.
    Forget {
        /// As `uncia secrets list` names it.
        #[arg(value_name = "SECRET")]
        name: String,
    },
    /// Replace the key-encryption key: every secret is wrapped anew.
    RotateKey,
}

/// Which failures are meant; all of them if nothing is said.
#[derive(Args)]
pub(crate) struct FailuresSelection {
    /// Row ids, or beginnings of them.
    #[arg(value_name = "ROW_ID")]
    pub(crate) ids: Vec<String>,
    /// Only of this source.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Only of this reason, e.g. no_schema_matched.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Alerts {
    /// Newest first.
    List(AlertsList),
    /// One alert with everything known of it.
    Show { id: String },
    /// Change an alert's status.
    Update {
        id: String,
        /// OPEN, TRIAGED, CLOSED or RESOLVED.
        #[arg(long)]
        status: String,
    },
}

#[derive(Args)]
pub(crate) struct AlertsList {
    /// OPEN, TRIAGED, CLOSED or RESOLVED.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// INFO, LOW, MEDIUM, HIGH or CRITICAL.
    #[arg(long)]
    pub(crate) severity: Option<String>,
    /// Only alerts of this detection.
    #[arg(long)]
    pub(crate) detection: Option<String>,
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
}

#[derive(Args)]
pub(crate) struct Test {
    /// The repository or a folder of it.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) path: PathBuf,
    /// Only detections with this value, e.g. Severity=High, RuleID=…, Enabled!=true.
    #[arg(long, value_name = "K=V")]
    pub(crate) filter: Vec<String>,
    /// Only tests with this name; can be given several times.
    #[arg(long = "test-name", value_name = "NAME")]
    pub(crate) test_names: Vec<String>,
    /// Detections with fewer tests fail; above 1, one test must expect true and one false.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) minimum_tests: usize,
    /// Leave out what is not enabled.
    #[arg(long)]
    pub(crate) skip_disabled_tests: bool,
    /// Print only what failed.
    #[arg(long)]
    pub(crate) show_failures_only: bool,
}

#[derive(Args)]
pub(crate) struct Conformance {
    /// The repository.
    #[arg(env = "PANTHER_ANALYSIS_DIR", value_name = "DIR")]
    pub(crate) path: PathBuf,
    /// How far rules are decided without asking Python: off, index or full.
    #[arg(long, value_name = "MODE")]
    pub(crate) optimise: Option<uncia_detection::Optimise>,
    /// Turn this many expected results round, to see that exactly these fail.
    #[arg(long, default_value_t = 0)]
    pub(crate) flip: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Pass each rule's events through the schema of their log type first, as they would come on the walk.
    #[arg(long)]
    pub(crate) through_schemas: bool,
}

#[derive(Subcommand)]
pub(crate) enum Detections {
    /// All loaded content, with what is wrong with it.
    List {
        /// Folder of detections, in addition to the configured ones.
        #[arg(long, value_name = "DIR")]
        detections: Vec<PathBuf>,
    },
    /// Run correlation rules, or scheduled queries with their rules, now.
    Run {
        /// Correlation rules, queries, or scheduled rules, in the order they shall run.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// The instant to run for, as in RFC 3339 [default: now].
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Folder of detections, in addition to the configured ones.
        #[arg(long, value_name = "DIR")]
        detections: Vec<PathBuf>,
    },
    /// Make the environment with the packages that detections may import.
    Setup {
        /// Folder with wheels, instead of the network.
        #[arg(long, value_name = "DIR")]
        wheels: Option<PathBuf>,
        /// Packages, as pip takes them [default: what panther-analysis imports].
        #[arg(value_name = "PACKAGE")]
        packages: Vec<String>,
    },
}

#[derive(Subcommand)]
pub(crate) enum Schema {
    /// All known log types.
    List,
    /// One schema's columns.
    Show { log_type: String },
    /// Print the normal form of events, as rules see it, one JSON object a line.
    Parse(Parse),
    /// Write the bundled schemas as files.
    Export {
        /// The folder; made if it is not there.
        #[arg(long, value_name = "DIR")]
        path: PathBuf,
    },
    /// Guess a schema from samples and print it as YAML.
    #[command(
        after_help = "Samples are JSON objects, or rows with a header line. Every sample is then parsed with the result.\n\n\
                      Example:\n  uncia schema infer --name Custom.Door door.ndjson > Custom.Door.yml"
    )]
    Infer(Infer),
    /// Check schema files: load them, compare their samples with what they expect, and run the tests beside them.
    #[command(
        after_help = "Files and folders may hold tests in pantherlog's form: `*_tests.yml` with the keys name, logType, input, result, results."
    )]
    Test {
        /// Schema files and folders of them; without any, the bundled and configured schemas are checked.
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Write what the samples become into their files, as what they expect from now on.
        #[arg(long)]
        update: bool,
    },
}

#[derive(Args)]
pub(crate) struct Parse {
    /// Files and folders of logs; `-` is stdin.
    #[arg(default_value = "-", value_name = "FILE")]
    pub(crate) paths: Vec<PathBuf>,
    /// Schema file, or folder of them, beside the bundled and configured ones.
    #[arg(long, value_name = "SCHEMA")]
    pub(crate) path: Option<PathBuf>,
    /// Only these log types; otherwise every known one is tried.
    #[arg(long, visible_alias = "log-type", value_delimiter = ',', value_name = "TYPE")]
    pub(crate) schemas: Vec<String>,
    /// How the bytes are cut into records: auto, lines, json, or json_array[:path.to.array].
    #[arg(long, default_value = "auto", value_name = "STREAM")]
    pub(crate) stream: String,
}

impl Parse {
    pub(crate) fn logs(&self) -> Logs {
        let (paths, log_types, stream) = (self.paths.clone(), self.schemas.clone(), self.stream.clone());
        Logs { paths, log_types, source: "parse".to_owned(), stream }
    }
}

#[derive(Args)]
pub(crate) struct Infer {
    /// Files and folders of samples; `-` is stdin.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) paths: Vec<PathBuf>,
    /// The schema's name.
    #[arg(long, default_value = "Custom.Inferred", value_name = "TYPE")]
    pub(crate) name: String,
    /// How the bytes are cut into records: auto, lines, json, json_array[:path.to.array], cloudwatch_logs or xml[:root].
    #[arg(long, default_value = "auto", value_name = "STREAM")]
    pub(crate) stream: String,
    /// Do not parse the samples with the result.
    #[arg(long, alias = "skip-test")]
    pub(crate) skip_check: bool,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what is wrong with the configuration, or that nothing is.
    Check,
    /// Print it with defaults and overrides applied; secrets stay references.
    Show,
}
