//! The config file of the demo, as a person would write it.

use std::path::{Path, PathBuf};

/// What the config names.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The file of speech.
    pub(super) speech: PathBuf,
    /// Where recordings go.
    pub(super) recordings: PathBuf,
    /// The id of an input device.
    pub(super) input: Option<String>,
    /// The id of an output device; only of a private server, and never without an input.
    pub(super) output: Option<String>,
}

impl Plan {
    /// The config file's text.
    pub(super) fn to_toml(&self) -> String {
        let mut text = format!(
            "# Written by `cargo xtask demo`; try it with `ra run`.\n\n\
             [[source]]\nname = \"speech\"\nkind = \"file\"\npath = {}\nloop = true\ngain_db = -3.0\n\n\
             [[source]]\nname = \"pair\"\nkind = \"mock\"\n\
             signal = {{ kind = \"pair\", correlation = 0.5, dbfs = -40.0 }}\n\n",
            quoted(&self.speech.to_string_lossy())
        );
        if let Some(input) = &self.input {
            text += &format!("[[source]]\nname = \"device\"\nkind = \"device\"\ndevice = {}\n\n", quoted(input));
        }
        text += &format!(
            "[[sink]]\nname = \"mix\"\nkind = \"record\"\nfrom = \"main\"\npath = {}\nformat = \"f32\"\n\n",
            self.recording()
        );
        text += &format!(
            "[[sink]]\nname = \"speech-alone\"\nkind = \"record\"\nfrom = \"source:speech\"\npath = {}\nformat = \"s16\"\n",
            self.recording()
        );
        if let Some(output) = &self.output {
            // Then the input is no person's, and has to be heard: a recording of it by itself shows that it was.
            text += &format!(
                "\n[[sink]]\nname = \"device-alone\"\nkind = \"record\"\nfrom = \"source:device\"\npath = {}\nformat = \"s16\"\n",
                self.recording()
            );
            text += &format!("\n[[sink]]\nname = \"speakers\"\nkind = \"output\"\ndevice = {}\n", quoted(output));
        }
        text
    }

    fn recording(&self) -> String {
        quoted(&Path::new(&self.recordings).join("{name}-{time}.wav").to_string_lossy())
    }
}

/// A basic string of TOML. JSON's escapes are all known to it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_appear_where_there_are_some() {
        let mut plan = Plan { speech: "a b\\c.wav".into(), recordings: "rec".into(), input: None, output: None };
        let text = plan.to_toml();
        assert!(text.contains("path = \"a b\\\\c.wav\""), "{text}");
        assert!(!text.contains("kind = \"device\"") && !text.contains("kind = \"output\""));
        plan.input = Some("pulseaudio:hall.monitor".to_owned());
        plan.output = Some("pulseaudio:speakers".to_owned());
        let text = plan.to_toml();
        assert!(text.contains("device = \"pulseaudio:hall.monitor\"") && text.contains("kind = \"output\""), "{text}");
        assert!(text.contains("from = \"source:device\""), "{text}");
    }
}
