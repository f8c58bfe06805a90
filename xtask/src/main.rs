//! The developers' tasks behind `./x`: build, test, bench, demo, conformance, accept.
//!
//! Each task is a list of commands that it prints before it runs them, so that any of them can be run by hand.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks")]

mod accept;
mod bench;
mod build;
mod check;
mod conformance;
mod fuzz;
mod python;
mod run;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "x", bin_name = "./x", about = "Uncia's developer door", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the binary and the Python extension, laid side by side: target/<profile>/uncia and lib/uncia/.
    Build {
        #[arg(long)]
        release: bool,
    },
    /// What CI runs: formatting, layers and house rules, lints, all tests.
    Test {
        /// Only the cheap checks: formatting, house rules, lints.
        #[arg(long)]
        quick: bool,
        /// Only the tests whose names contain this.
        filter: Option<String>,
    },
    /// Build (release) and run the demo; arguments go to `uncia demo`.
    Demo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure one figure beside its peer: process, ingest, detect.
    Bench {
        name: String,
        /// End with one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Every unit test of panther-analysis (its folder in `PANTHER_ANALYSIS_DIR`) on our engine.
    Conformance {
        /// Run Panther's own tool as well, from pip in an environment of its own, and print how long both took.
        #[arg(long)]
        peer: bool,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The long proofs: kill sweeps, simulated power loss, hostile input, real data.
    Accept {
        /// Only the proofs whose names contain this.
        filter: Option<String>,
    },
    /// Print the help.
    Help,
}

fn main() -> std::process::ExitCode {
    match run_task() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("x: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run_task() -> Result<()> {
    let root = run::root()?;
    std::env::set_current_dir(&root)?;
    match Arguments::parse().task {
        Task::Build { release } => build::build(build::Profile::from_release(release)).map(drop),
        Task::Test { quick, filter } => check::test(quick, filter.as_deref()),
        Task::Demo { arguments } => build::run_product("demo", &arguments),
        Task::Bench { name, json } => bench::bench(&name, json),
        Task::Conformance { peer, arguments } => conformance::conformance(peer, &arguments),
        Task::Accept { filter } => accept::accept(filter.as_deref()),
        Task::Help => {
            use clap::CommandFactory as _;
            Arguments::command().print_long_help().map_err(Into::into)
        }
    }
}
