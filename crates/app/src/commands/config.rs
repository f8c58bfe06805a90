//! `uncia config`: what the configuration says, by the code that starts with it.

use anyhow::{Context as _, Result};

use crate::cli::Global;
use crate::config::Config;
use crate::exit::Exit;
use crate::output::write_out;
use crate::product;

/// `uncia config check`
pub(crate) fn check(config: &Config) -> Result<Exit> {
    product::check(config)?;
    eprintln!("the configuration is good");
    Ok(Exit::Ok)
}

/// `uncia config show`
pub(crate) fn show(global: &Global, config: &Config) -> Result<Exit> {
    let mut text = format!("{config:#?}\n");
    if let Some(path) = &global.config {
        let path = path.canonicalize().with_context(|| format!("cannot resolve {}", path.display()))?;
        text.insert_str(0, &format!("# {}\n", path.display()));
    }
    write_out(text.as_bytes())?;
    Ok(Exit::Ok)
}
