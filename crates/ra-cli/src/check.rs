//! `ra check`: says what a config describes, or everything that is wrong with it. Opens sound files, never a device.

use std::path::Path;

use crate::Failure;
use crate::assemble::assemble;
use crate::config::load_config;
use crate::stdout::print_result;

/// Checks a config.
pub(crate) fn check(file: &Path) -> Result<(), Failure> {
    let config = load_config(file).map_err(Failure::usage)?;
    let assembly = assemble(&config).map_err(Failure::usage)?;
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    let (n_sources, n_sinks) = (assembly.sources.len(), assembly.sinks.len());
    let mut text = format!("ok: {}, {}\n", counted(n_sources, "source"), counted(n_sinks, "sink"));
    for source in &assembly.sources {
        text.push_str(&format!("source {:?}: {}\n", source.config.name, source.description));
    }
    for sink in &assembly.sinks {
        text.push_str(&format!("sink {:?}: {} from {}\n", sink.config.name, sink.description, sink.config.from));
    }
    print_result(&text)
}

/// `1 source`, `2 sources`.
pub(crate) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
