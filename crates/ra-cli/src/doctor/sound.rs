//! Which sound systems answer, and what they have.

use super::report::Sound;
#[cfg(feature = "device")]
use super::report::SoundHost;

/// Asks them all; for 5 s at most.
#[cfg(feature = "device")]
pub(super) fn look() -> Sound {
    use ra_device::{DeviceListing, Direction, list_devices};

    let DeviceListing { devices, hosts, reason } = list_devices();
    let of = |direction| devices.iter().filter(move |device| device.direction == direction);
    let default = |direction| of(direction).find(|device| device.default).map(|device| device.id.clone());
    let hosts = hosts.into_iter().map(|host| {
        let n = devices.iter().filter(|device| device.host == host.name).count();
        SoundHost { name: host.name, running: host.running, devices: n, problem: host.problem }
    });
    Sound {
        hosts: hosts.collect(),
        inputs: of(Direction::Input).count(),
        outputs: of(Direction::Output).count(),
        default_input: default(Direction::Input),
        default_output: default(Direction::Output),
        reason,
    }
}

/// Says that this build has no devices.
#[cfg(not(feature = "device"))]
pub(super) fn look() -> Sound {
    let reason = Some("this build of ra has no sound devices (feature device)".to_owned());
    Sound { reason, ..Sound::default() }
}
