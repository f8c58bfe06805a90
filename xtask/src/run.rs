//! Running a command in sight of the person: printed first, its output shown, its failure an error that repeats it.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result, bail};

/// The repository's root.
pub(crate) fn root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).context("xtask lies in the repository")
}

/// Prints the command and runs it to its end.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = show(command);
    let status = command.status().with_context(|| format!("cannot start {line}"))?;
    status_error(&line, status)
}

/// Prints the command and returns it as a line.
pub(crate) fn show(command: &Command) -> String {
    let line = line(command);
    eprintln!("\x1b[2m$ {line}\x1b[0m");
    line
}

/// An error that repeats the command, if it failed.
pub(crate) fn status_error(line: &str, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// `cargo` with these arguments, by the toolchain that runs us.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    // Of the `cargo run` that started us; build scripts that watch them would make the product's build differ from one by
    // hand, and half of it be compiled again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
