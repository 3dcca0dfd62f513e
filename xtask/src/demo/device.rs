//! The device of the demo: the person's own input, as `ra devices` lists it, or one of a private server's.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{server::Server, sound};
use crate::setup::has_program;

/// The devices that the demo uses.
pub(super) struct Devices {
    /// The id of an input.
    pub(super) input: Option<String>,
    /// The id of an output. Never the person's own: the demo must not be heard, nor hear itself.
    pub(super) output: Option<String>,
    /// What there is, for people.
    pub(super) what: String,
    server: Option<Server>,
}

impl Devices {
    /// No device, and why.
    pub(super) fn none(why: &str) -> Self {
        Self { input: None, output: None, what: format!("none: {why}"), server: None }
    }

    /// Looks for an input; starts a server of our own where there is none and PulseAudio is installed.
    pub(super) fn find(ra: &Path, dir: &Path) -> Result<Self> {
        let listing = list(ra, &[])?;
        if let Some(device) =
            first(&listing, "input", |device| device["default"] == true).or_else(|| first(&listing, "input", |_| true))
        {
            let what = format!("{} ({}), your own", device.name, device.id);
            return Ok(Self { input: Some(device.id), output: None, what, server: None });
        }
        let reason = listing["reason"].as_str().unwrap_or("no input").to_owned();
        if !["pulseaudio", "pactl", "paplay"].into_iter().all(has_program) {
            return Ok(Self::none(&format!("{reason}; with pulseaudio and pulseaudio-utils the demo makes one")));
        }
        let speech = sound::find(dir, 1)?;
        let server = Server::start(&speech.path)?;
        let listing = list(ra, &server.environment())?;
        let named = |direction, name: &str| {
            let found = first(&listing, direction, |device| {
                device["id"].as_str().and_then(|id| id.rsplit_once(':')).is_some_and(|(_, device)| device == name)
            });
            found.with_context(|| format!("ra devices does not list the {direction} {name} of the private PulseAudio"))
        };
        let (input, output) = (named("input", Server::INPUT)?, named("output", Server::OUTPUT)?);
        let what = format!("{} of a private PulseAudio, which hears {}", input.id, speech.what);
        Ok(Self { input: Some(input.id), output: Some(output.id), what, server: Some(server) })
    }

    /// What `ra` needs in its environment to find them.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        self.server.as_ref().map_or_else(Vec::new, Server::environment)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Device {
    id: String,
    name: String,
}

fn list(ra: &Path, environment: &[(&'static str, String)]) -> Result<Value> {
    let mut command = Command::new(ra);
    command.args(["devices", "--json"]).envs(environment.iter().cloned());
    let output = command.output().with_context(|| format!("cannot run {}", ra.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ra devices --json: {}: {}", output.status, errors.trim());
    serde_json::from_slice(&output.stdout).context("ra devices --json gave no JSON")
}

fn first(listing: &Value, direction: &str, is_fit: impl Fn(&Value) -> bool) -> Option<Device> {
    let devices = listing["devices"].as_array()?;
    let device = devices.iter().find(|device| device["direction"] == direction && is_fit(device))?;
    let id = device["id"].as_str()?.to_owned();
    Some(Device { name: device["name"].as_str().unwrap_or(&id).to_owned(), id })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn inputs_are_chosen_by_direction_and_fitness() {
        let listing = json!({ "devices": [
            { "id": "alsa:out", "name": "Out", "direction": "output", "default": true },
            { "id": "alsa:one", "name": "One", "direction": "input", "default": false },
            { "id": "alsa:two", "name": "Two", "direction": "input", "default": true },
        ] });
        let id = |device: Option<Device>| device.map(|device| device.id);
        assert_eq!(id(first(&listing, "input", |_| true)).as_deref(), Some("alsa:one"));
        assert_eq!(id(first(&listing, "input", |device| device["default"] == true)).as_deref(), Some("alsa:two"));
        assert_eq!(first(&json!({ "devices": [], "reason": "none" }), "input", |_| true), None);
    }
}
