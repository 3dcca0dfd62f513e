//! What can be captured and played: a look at every sound system. Opens devices only as far as asking them for their
//! formats takes, and starts none.

mod scan;

use std::thread;

use crate::{DeviceError, deadline};

use scan::scan_now;
pub(crate) use scan::{HostScan, HostScanner};

/// The way sound goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Direction {
    /// From the device to us.
    Input,
    /// From us to the device.
    Output,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Direction::Input => "input",
            Direction::Output => "output",
        })
    }
}

/// One device in one direction. A device that can do both is listed twice, with one id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeviceInfo {
    /// What finds it again, also after a restart: `pulseaudio:studio.monitor`, `alsa:hw:CARD=Mic,DEV=0`.
    pub id: String,
    /// The sound system that it belongs to: `alsa`, `pulseaudio`, `jack`, `coreaudio`, `wasapi` …
    pub host: String,
    /// Its name for people.
    pub name: String,
    /// Which way its sound goes.
    pub direction: Direction,
    /// Channel counts with which it can be opened, ascending. A server's device has its own count only: the server
    /// would make up the others. Empty where the device does not say, because somebody else has it.
    pub channels: Vec<u16>,
    /// Rates with which it can be opened, in hertz, ascending: the usual ones within its range. A server's device has
    /// its own rate only: the server would resample to the others. Empty where the device does not say.
    pub sample_rates: Vec<u32>,
    /// Sample formats with which it can be opened: `s16`, `s24`, `s32`, `f32` … A server's device has its own format
    /// only: the server would convert to the others. Empty where the device does not say.
    pub sample_formats: Vec<String>,
    /// Whether `"default"` stands for it.
    pub default: bool,
}

/// One sound system that this build knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HostInfo {
    /// Its name, as in [`DeviceInfo::host`].
    pub name: String,
    /// Whether it answered when it was asked for its devices.
    pub running: bool,
    /// Why it has no devices, or has not answered.
    pub problem: Option<String>,
}

/// The names of the sound systems that this build knows, running or not.
pub fn host_names() -> Vec<String> {
    cpal::ALL_HOSTS.iter().map(|host| name_of(*host)).collect()
}

/// The sound system of a device's id; `None` of `"default"`, whose it is not known.
pub fn host_of(id: &str) -> Option<&str> {
    id.split_once(':').map(|(host, _)| host)
}

pub(crate) fn name_of(host: cpal::HostId) -> String {
    host.to_string()
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeviceListing {
    /// Every device that can be used, sound system by sound system.
    pub devices: Vec<DeviceInfo>,
    /// Every sound system that this build knows.
    pub hosts: Vec<HostInfo>,
    /// Why nothing was found, or which sound system could not be asked.
    pub reason: Option<String>,
}

/// Looks at every sound system at once, each for 5 s at most.
///
/// ALSA's names for things that are no device are left out: those that can't be opened, `null`, which runs free, and
/// `jack`, which starts servers. By their ids they can be opened all the same.
/// alsa-lib's own messages on the way are dropped; what matters in them is in the reason.
///
/// # Real-time safety
/// Not real-time safe: allocates, does I/O, starts threads.
pub fn list_devices() -> DeviceListing {
    let look = |host| thread::spawn(move || scan_with_deadline(host));
    let scans: Vec<_> = cpal::ALL_HOSTS.iter().map(|&host| (host, look(host))).collect();
    let answers = scans.into_iter().map(|(host, scan)| {
        let panicked = |_| Err(DeviceError::Refused { operation: LIST, message: "the sound backend panicked".into() });
        (name_of(host), scan.join().unwrap_or_else(panicked))
    });
    assemble(answers)
}

/// What is tried, for errors.
const LIST: &str = "list its devices";

fn scan_with_deadline(host: cpal::HostId) -> Result<HostScan, DeviceError> {
    deadline::run(LIST, deadline::LIST_LIMIT, move || scan_now(host))?
}

/// Joins what the sound systems answered, in the order in which `"default"` asks them.
pub(crate) fn assemble(answers: impl Iterator<Item = (String, Result<HostScan, DeviceError>)>) -> DeviceListing {
    let mut listing = DeviceListing::default();
    let (mut absences, mut failures) = (Vec::new(), Vec::new());
    for (name, answer) in answers {
        let (running, problem) = match answer {
            Ok(HostScan::Absent) => {
                let problem = "not running, or not to be found from the environment".to_owned();
                absences.push(format!("{name}: {problem}"));
                (false, Some(problem))
            }
            Ok(HostScan::Devices(devices)) if devices.is_empty() => {
                let problem = "no device that can be opened".to_owned();
                absences.push(format!("{name}: {problem}"));
                (true, Some(problem))
            }
            Ok(HostScan::Devices(devices)) => {
                listing.devices.extend(devices);
                (true, None)
            }
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                (false, Some(error.to_string()))
            }
        };
        listing.hosts.push(HostInfo { name, running, problem });
    }
    // "default" opens the first sound system's default that works: the later ones' are none.
    for direction in [Direction::Input, Direction::Output] {
        let defaults = listing.devices.iter_mut().filter(|d| d.direction == direction && d.default);
        defaults.skip(1).for_each(|d| d.default = false);
    }
    if listing.devices.is_empty() {
        absences.extend(failures);
        listing.reason = Some(format!("no sound devices: {}", absences.join("; ")));
    } else if !failures.is_empty() {
        listing.reason = Some(failures.join("; "));
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "serde")]
    #[test]
    fn the_json_has_the_documented_keys() {
        let info = DeviceInfo {
            id: "pulseaudio:studio.monitor".into(),
            host: "pulseaudio".into(),
            name: "Monitor of Studio".into(),
            direction: Direction::Input,
            channels: vec![2],
            sample_rates: vec![48_000],
            sample_formats: vec!["s16".into()],
            default: true,
        };
        let host = HostInfo { name: "pulseaudio".into(), running: true, problem: None };
        let json =
            serde_json::to_value(DeviceListing { devices: vec![info], hosts: vec![host], reason: None }).unwrap();
        assert_eq!(
            json,
            serde_json::json!({ "devices": [{ "id": "pulseaudio:studio.monitor", "host": "pulseaudio",
                "name": "Monitor of Studio", "direction": "input", "channels": [2], "sample_rates": [48000],
                "sample_formats": ["s16"], "default": true }],
                "hosts": [{ "name": "pulseaudio", "running": true, "problem": null }], "reason": null })
        );
    }

    fn device(host: &str, name: &str, default: bool) -> DeviceInfo {
        DeviceInfo {
            id: format!("{host}:{name}"),
            host: host.into(),
            name: name.into(),
            direction: Direction::Input,
            channels: vec![1],
            sample_rates: vec![48_000],
            sample_formats: vec!["f32".into()],
            default,
        }
    }

    #[test]
    fn the_first_default_is_the_default_and_what_failed_is_said() {
        let dead = DeviceError::TimedOut { operation: LIST, limit_ms: 5000 };
        let answers = [
            ("a", Ok(HostScan::Devices(vec![device("a", "x", false), device("a", "y", true)]))),
            ("b", Ok(HostScan::Devices(vec![device("b", "z", true)]))),
            ("c", Ok(HostScan::Absent)),
            ("d", Err(dead)),
            ("e", Ok(HostScan::Devices(Vec::new()))),
        ];
        let listing = assemble(answers.into_iter().map(|(name, answer)| (name.to_owned(), answer)));
        let defaults: Vec<_> = listing.devices.iter().filter(|d| d.default).map(|d| d.id.as_str()).collect();
        assert_eq!(defaults, ["a:y"]);
        assert_eq!(listing.hosts.iter().map(|h| h.running).collect::<Vec<_>>(), [true, true, false, false, true]);
        assert_eq!(listing.reason.as_deref(), Some("d: can't list its devices: no answer within 5000 ms"));
        let none = assemble([("c".to_owned(), Ok(HostScan::Absent))].into_iter());
        assert_eq!(
            none.reason.as_deref(),
            Some("no sound devices: c: not running, or not to be found from the environment")
        );
    }
}
