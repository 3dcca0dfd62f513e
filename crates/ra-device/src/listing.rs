//! What can be captured and played: a look at every sound system. Opens devices only as far as asking them for their
//! formats takes, and starts none.

use std::thread;

use cpal::{
    HostId,
    traits::{DeviceTrait, HostTrait},
};

use crate::{
    DeviceError, deadline, find,
    negotiate::{Offer, channel_counts},
    stream::offer_of,
};

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
    /// Whether `"default"` stands for it.
    pub default: bool,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeviceListing {
    /// Every device that can be used, sound system by sound system.
    pub devices: Vec<DeviceInfo>,
    /// Why nothing was found, or which sound system could not be asked.
    pub reason: Option<String>,
}

/// Rates that people use, in hertz.
const USUAL_RATES_HZ: [u32; 14] =
    [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 352_800, 384_000];

/// Looks at every sound system at once, each for 5 s at most.
///
/// ALSA's names for things that are no device are left out: those that can't be opened, `null`, which runs free, and
/// `jack`, which starts servers. By their ids they can be opened all the same.
/// alsa-lib's own messages on the way are dropped; what matters in them is in the reason.
///
/// # Real-time safety
/// Not real-time safe: allocates, does I/O, starts threads.
pub fn list_devices() -> DeviceListing {
    let hosts = cpal::available_hosts();
    let scans: Vec<_> = hosts.iter().map(|&host| (host, thread::spawn(move || scan_with_deadline(host)))).collect();
    let mut listing = DeviceListing::default();
    let mut problems: Vec<String> = cpal::ALL_HOSTS
        .iter()
        .filter(|host| !hosts.contains(host))
        .map(|host| format!("{host}: not running, or not to be found from the environment"))
        .collect();
    let mut failures = Vec::new();
    for (host, scan) in scans {
        match scan.join() {
            Ok(Ok(devices)) if devices.is_empty() => problems.push(format!("{host}: no device that can be opened")),
            Ok(Ok(devices)) => listing.devices.extend(devices),
            Ok(Err(error)) => failures.push(format!("{host}: {error}")),
            Err(_) => failures.push(format!("{host}: the sound backend panicked")),
        }
    }
    // "default" opens the first sound system's default that works: the later ones' are none.
    for direction in [Direction::Input, Direction::Output] {
        let defaults = listing.devices.iter_mut().filter(|d| d.direction == direction && d.default);
        defaults.skip(1).for_each(|d| d.default = false);
    }
    if listing.devices.is_empty() {
        problems.extend(failures);
        listing.reason = Some(format!("no sound devices: {}", problems.join("; ")));
    } else if !failures.is_empty() {
        listing.reason = Some(failures.join("; "));
    }
    listing
}

fn scan_with_deadline(host: HostId) -> Result<Vec<DeviceInfo>, DeviceError> {
    deadline::run("list its devices", deadline::LIST_LIMIT, move || scan(host))?
}

fn scan(id: HostId) -> Result<Vec<DeviceInfo>, DeviceError> {
    let refused =
        |error: cpal::Error| DeviceError::Refused { operation: "list its devices", message: error.to_string() };
    let host = cpal::host_from_id(id).map_err(refused)?;
    let id_of = |device: cpal::Device| device.id().ok().map(|id| id.to_string());
    let defaults = [host.default_input_device().and_then(id_of), host.default_output_device().and_then(id_of)];
    let mut infos = Vec::new();
    for device in host.devices().map_err(refused)? {
        for (direction, default) in [Direction::Input, Direction::Output].into_iter().zip(&defaults) {
            infos.extend(describe(&device, direction, default.as_deref()));
        }
    }
    Ok(infos)
}

/// ALSA's names that are not looked at: `null` calls back 100,000 times a second, and asking `jack` makes libjack print
/// and may start a JACK server (the feature `jack` lists what a running one has).
const PASSED_OVER: [&str; 2] = ["alsa:null", "alsa:jack"];

/// `None` for what is no device in that direction.
fn describe(device: &cpal::Device, direction: Direction, default: Option<&str>) -> Option<DeviceInfo> {
    let id = device.id().ok()?;
    if !find::supports(device, direction) || PASSED_OVER.contains(&id.to_string().as_str()) {
        return None;
    }
    let (channels, sample_rates) = match offer_of(device, direction) {
        Ok(offer) if offer.ranges.is_empty() => return None,
        Ok(offer) => (channel_counts(&offer), rates(&offer)),
        // It is there, and somebody has it or keeps it from us: worth a line.
        Err(error) if matches!(error.kind(), cpal::ErrorKind::DeviceBusy | cpal::ErrorKind::PermissionDenied) => {
            (Vec::new(), Vec::new())
        }
        Err(_) => return None,
    };
    let name = device.description().map_or_else(|_| id.id().to_owned(), |d| d.name().to_owned());
    let (host, id) = (id.host().to_string(), id.to_string());
    let default = default == Some(id.as_str());
    Some(DeviceInfo { id, host, name, direction, channels, sample_rates, default })
}

fn rates(offer: &Offer) -> Vec<u32> {
    if offer.server_remixes {
        return vec![offer.own_rate_hz];
    }
    let mut rates: Vec<u32> = USUAL_RATES_HZ.to_vec();
    // A device with an odd fixed rate has that one.
    rates.extend(
        offer.ranges.iter().filter(|r| r.min_sample_rate() == r.max_sample_rate()).map(|r| r.min_sample_rate()),
    );
    rates.retain(|&hz| offer.ranges.iter().any(|r| r.contains_rate(hz)));
    rates.sort_unstable();
    rates.dedup();
    rates
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
            default: true,
        };
        let json = serde_json::to_value(DeviceListing { devices: vec![info], reason: None }).unwrap();
        assert_eq!(
            json,
            serde_json::json!({ "devices": [{ "id": "pulseaudio:studio.monitor", "host": "pulseaudio",
                "name": "Monitor of Studio", "direction": "input", "channels": [2], "sample_rates": [48000],
                "default": true }], "reason": null })
        );
    }

    #[test]
    fn rates_are_the_usual_ones_within_the_range_and_odd_fixed_ones() {
        let range = |min, max| {
            let unknown = cpal::SupportedBufferSize::Unknown;
            cpal::SupportedStreamConfigRange::new(2, min, max, unknown, cpal::SampleFormat::I16)
        };
        let mut offer = Offer {
            own_rate_hz: 48_000,
            own_channels: 2,
            ranges: vec![range(44_100, 50_000), range(31_250, 31_250)],
            server_remixes: false,
        };
        assert_eq!(rates(&offer), [31_250, 44_100, 48_000]);
        offer.server_remixes = true;
        assert_eq!(rates(&offer), [48_000]);
    }
}
