//! The fuzz targets, in one program: `UNCIA_FUZZ_TARGET` chooses. A panic is a finding, also one that the product would
//! catch and turn into a failure row.
//!
//! `UNCIA_FUZZ_SEEDS=FOLDER` writes the target's seeds and ends; `UNCIA_FUZZ_LIST=1` prints the targets' names and ends.

#![no_main]

#[cfg(feature = "columnar")]
mod columnar;
mod learning;
mod plant;
mod seeds;
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

use crate::targets::{TARGETS, Target};

static TARGET: OnceLock<Box<dyn Target>> = OnceLock::new();

fuzz_target!(
    init: {
        if std::env::var_os("UNCIA_FUZZ_LIST").is_some() {
            TARGETS.iter().for_each(|(name, _)| println!("{name}"));
            std::process::exit(0);
        }
        let wanted = std::env::var("UNCIA_FUZZ_TARGET").unwrap_or_default();
        let Some((name, make)) = TARGETS.iter().find(|(name, _)| *name == wanted) else {
            eprintln!("UNCIA_FUZZ_TARGET must name a target; UNCIA_FUZZ_LIST=1 prints them");
            std::process::exit(2);
        };
        if let Some(folder) = std::env::var_os("UNCIA_FUZZ_SEEDS") {
            seeds::write(name, folder.as_ref()).expect("seeds can be written");
            std::process::exit(0);
        }
        let target = TARGET.get_or_init(|| make());
        if target.forgives_panics() {
            // In place of libFuzzer's, which ends the program; what nobody catches still ends it.
            std::panic::set_hook(Box::new(|panic| {
                // Ours are no part of the readers.
                if panic.location().is_some_and(|place| place.file().starts_with("src/")) {
                    eprintln!("{panic}");
                }
            }));
        }
    },
    |data: &[u8]| {
        TARGET.get().expect("chosen before the first run").run(data);
    }
);
