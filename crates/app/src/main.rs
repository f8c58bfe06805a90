//! The binary `uncia`: the command line over everything else. It composes and prints; what is done is done elsewhere.

#![expect(clippy::print_stderr, reason = "a command-line tool talks")]

mod cli;
mod columns;
mod commands;
mod config;
mod content;
mod data_dir;
mod demo;
mod exit;
mod expiry;
mod lookups;
mod oauth;
mod output;
mod product;
mod reload;
mod snowflake;
mod standing;
mod vault;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::cli::{Alerts, Cli, Command, ConfigCommand, Detections, Failures, Global, Schema, Snowflake};
use crate::config::Config;
use crate::exit::Exit;
use crate::product::{Product, Purpose};

/// Batches come and go by the hundred megabytes, made on some threads and freed on others. Without huge pages: the kernel
/// would clear far more memory than is used.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Place of `purge_delay` among mimalloc's options, and what it is set to: after so many milliseconds freed memory goes
/// back to the system. The default is ten times as long, in which hostile input makes the process grow by a hundred megabytes.
const PURGE_DELAY: (i32, i64) = (15, 1);

#[expect(unsafe_code, reason = "mimalloc takes options only through C")]
fn give_memory_back_soon() {
    // SAFETY: sets a number, before there are other threads.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY.0, PURGE_DELAY.1) }
}

fn main() -> ExitCode {
    give_memory_back_soon();
    let cli = Cli::parse();
    log_to_stderr(cli.global.verbose);
    // One TLS provider for the process; the only way this fails is a second call.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("uncia: cannot start: {error}");
            return Exit::Unavailable.into();
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("uncia: {}", sentence(&error));
            exit::code_of(&error).into()
        }
    }
}

/// The error and its causes, each said once.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

async fn run(cli: Cli) -> Result<Exit> {
    let global = &cli.global;
    let format = global.format();
    let config = Config::load(global.config.as_deref(), std::env::vars());
    match &cli.command {
        Command::Version => commands::doctor::version(format),
        Command::Config(ConfigCommand::Check) => commands::config::check(&config?),
        Command::Config(ConfigCommand::Show) => commands::config::show(global, &config?),
        Command::Doctor => commands::doctor::doctor(&config?, &data_dir(global)?).await,
        Command::Demo(arguments) => commands::demo::demo(config?, global, arguments).await,
        Command::Serve(arguments) => commands::serve::serve(config?, &data_dir(global)?, arguments).await,
        Command::Ingest(arguments) => commands::ingest::ingest(config?, &data_dir(global)?, arguments, format).await,
        Command::Test(arguments) => {
            commands::detections::test(&with_packages(config?, global), arguments, format).await
        }
        Command::Conformance(arguments) => {
            commands::detections::conformance(&with_packages(config?, global), arguments, format).await
        }
        Command::Detections(Detections::List { detections }) => {
            let root = data_dir(global).ok();
            commands::scheduled::list(&config?, root.as_deref(), detections, format).await
        }
        Command::Detections(Detections::Run { ids, at, detections }) => {
            let which = (ids.as_slice(), at.as_deref());
            commands::scheduled::run(&config?, &data_dir(global)?, which, detections, format).await
        }
        Command::Detections(Detections::Setup { wheels, packages }) => {
            commands::environment::setup(&config?, &data_dir(global)?, wheels.as_deref(), packages).await
        }
        Command::Schema(Schema::List) => commands::schema::list(&config?, format),
        Command::Schema(Schema::Show { log_type }) => commands::schema::show(&config?, log_type, format),
        Command::Schema(Schema::Parse(arguments)) => {
            let mut config = config?;
            config.schemas.folders.extend(arguments.path.clone());
            commands::schema::parse(&config, &arguments.logs())
        }
        Command::Schema(Schema::Export { path }) => commands::schema::export(path),
        Command::Schema(Schema::Infer(arguments)) => commands::schema_infer::infer(arguments),
        Command::Schema(Schema::Test { paths, update }) => commands::schema_test::test(&config?, paths, *update),
        Command::Query(arguments) => {
            let product = Product::open(&data_dir(global)?, Purpose::Read).await?;
            commands::query::query(&product, arguments, format).await
        }
        Command::Replay(arguments) => commands::replay::replay(&config?, &data_dir(global)?, arguments, format).await,
        Command::Tables => {
            let product = Product::open(&data_dir(global)?, Purpose::Read).await?;
            commands::query::tables(&product, format).await
        }
        Command::Sources => {
            let product = Product::open(&data_dir(global)?, Purpose::Read).await?;
            commands::sources::sources(product.store(), format).await
        }
        Command::Snowflake(Snowflake::Pull { source, no_state }) => {
            commands::snowflake_pull::pull(config?, &data_dir(global)?, source.as_deref(), !no_state, format).await
        }
        Command::Snowflake(Snowflake::Status) => {
            let product = Product::open(&data_dir(global)?, Purpose::Read).await?;
            commands::snowflake_pull::status(product.store(), format).await
        }
        Command::Snowflake(Snowflake::Posture(arguments)) => {
            let product = Product::open(&data_dir(global)?, Purpose::Read).await?;
            commands::snowflake_posture::posture(&product, &config?, arguments, format).await
        }
        Command::Snowflake(Snowflake::Cost(arguments)) => {
            let product = Product::open(&data_dir(global)?, Purpose::Read).await?;
            commands::snowflake_cost::cost(&product, &config?, arguments, format).await
        }
        Command::Snowflake(Snowflake::Insight(arguments)) => {
            let product = Product::open(&data_dir(global)?, Purpose::Read).await?;
            commands::snowflake_insight::insight(&product, arguments, format).await
        }
        Command::Snowflake(command) => {
            commands::snowflake_setup::run(config?, &data_dir(global)?, command, format).await
        }
        Command::Secrets(command) => commands::secrets::run(&config?, &data_dir(global)?, command, format).await,
        Command::Failures(Failures::List(selection)) => {
            let product = Product::open(&data_dir(global)?, Purpose::Read).await?;
            commands::failures::list(&product, selection, format).await
        }
        Command::Failures(Failures::Show(selection)) => {
            let product = Product::open(&data_dir(global)?, Purpose::Read).await?;
            commands::failures::show(&product, selection, format).await
        }
        Command::Failures(Failures::Replay { selection, log_types, detections }) => {
            commands::failures::replay(config?, &data_dir(global)?, (selection, log_types, detections), format).await
        }
        Command::Alerts(command) => {
            let purpose = match command {
                Alerts::Update { .. } => Purpose::Triage,
                Alerts::List(_) | Alerts::Show { .. } => Purpose::Read,
            };
            let product = Product::open(&data_dir(global)?, purpose).await?;
            match command {
                Alerts::List(arguments) => commands::alerts::list(product.store(), arguments, format).await,
                Alerts::Show { id } => commands::alerts::show(product.store(), id, format).await,
                Alerts::Update { id, status } => commands::alerts::update(product.store(), id, status).await,
            }
        }
    }
}

/// The configuration with the packages that `uncia detections setup` has installed, for commands that open no data
/// directory.
fn with_packages(mut config: Config, global: &Global) -> Config {
    let root = data_dir(global).ok();
    config.detections.python_path.extend(root.and_then(|root| commands::environment::packages_of(&root)));
    config
}

fn data_dir(global: &Global) -> Result<PathBuf> {
    if let Some(dir) = &global.data_dir {
        return Ok(dir.clone());
    }
    let base = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    let none = || exit::ExitError::configuration("no data directory: give --data-dir or set UNCIA_DATA_DIR");
    Ok(base.ok_or_else(none)?.join("uncia"))
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info,datafusion=warn",
        _ => "debug,datafusion=info",
    };
    let filter = EnvFilter::try_from_env("UNCIA_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
