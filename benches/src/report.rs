//! The one JSON document that a bench leaves. Its fields are an interface: see `docs/reports.md`, and change them with a
//! changelog entry only.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{Load, Machine};

/// What surrounds every bench's own figures, which are flattened into it.
#[derive(Clone, Debug, Serialize)]
pub struct Report<T> {
    /// The version of this document's form.
    pub schema: u32,
    /// The bench's name, as in `cargo xtask bench NAME`.
    pub bench: &'static str,
    /// Whether this was a short run, whose figures are not for publication.
    pub quick: bool,
    /// Where it ran.
    pub machine: Machine,
    /// What else ran there.
    pub load: Load,
    /// The bench's own figures.
    #[serde(flatten)]
    pub figures: T,
}

impl<T: Serialize> Report<T> {
    /// Puts figures into their frame. `load` was taken before the measurement.
    pub fn new(bench: &'static str, quick: bool, load: Load, figures: T) -> Self {
        Self { schema: 1, bench, quick, machine: Machine::describe(), load: load.at_end(), figures }
    }

    /// Writes the report where the arguments say, if they do.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: Option<&Path>) -> Result<()> {
        let Some(file) = file else { return Ok(()) };
        let mut text = serde_json::to_string_pretty(self).context("the report does not go into JSON")?;
        text.push('\n');
        std::fs::write(file, text).with_context(|| format!("cannot write the report {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Figures {
        publish_ns: u64,
    }

    #[test]
    fn the_figures_stand_beside_the_frame() {
        let report = Report::new("queue", true, Load::at_start(), Figures { publish_ns: 7 });
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["bench"], "queue");
        assert_eq!(json["quick"], true);
        assert_eq!(json["publish_ns"], 7);
        assert!(json["machine"]["cores"].as_u64().unwrap() >= 1);
        assert!(json["load"].get("before").is_some());
    }

    #[test]
    fn a_report_that_cannot_be_written_names_its_file() {
        let report = Report::new("queue", true, Load::at_start(), Figures { publish_ns: 7 });
        let error = report.write(Some(Path::new("/nowhere/at/all.json"))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all.json"), "{error}");
    }
}
