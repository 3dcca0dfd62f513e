//! What a watch knows: each sound system's last answer, and when it came. Pure: the time is a parameter.

use std::time::Duration;

use super::{DeviceChange, changes};
use crate::{
    DeviceError, DeviceListing,
    listing::{HostScan, assemble},
};

struct Host {
    name: String,
    scan: Result<HostScan, DeviceError>,
    /// Since the watch began; `None` before the first answer.
    answered_at: Option<Duration>,
}

/// The last answers, and what was told of them.
pub(super) struct Picture {
    hosts: Vec<Host>,
    told: DeviceListing,
    /// Without an answer for so long, a sound system is silent.
    silent_after: Duration,
}

impl Picture {
    pub(super) fn new(names: Vec<String>, silent_after: Duration) -> Self {
        // Nobody has answered yet, which is not the same as absent; it shows only if it stays so.
        let scan = Ok(HostScan::Absent);
        let hosts = names.into_iter().map(|name| Host { name, scan: scan.clone(), answered_at: None });
        let mut picture = Self { hosts: hosts.collect(), told: DeviceListing::default(), silent_after };
        picture.told = picture.look(Duration::ZERO);
        picture
    }

    /// Whether every sound system has answered once.
    pub(super) fn is_complete(&self) -> bool {
        self.hosts.iter().all(|host| host.answered_at.is_some())
    }

    /// Takes a sound system's answer.
    pub(super) fn answer(&mut self, host: usize, scan: Result<HostScan, DeviceError>, at: Duration) {
        let Some(host) = self.hosts.get_mut(host) else { return };
        (host.scan, host.answered_at) = (scan, Some(at));
    }

    /// What is new since the last call.
    pub(super) fn take_changes(&mut self, now: Duration) -> Vec<DeviceChange> {
        let listing = self.look(now);
        let changes = changes(&self.told, &listing);
        self.told = listing;
        changes
    }

    /// What was there at the last [`Picture::take_changes`].
    pub(super) fn listing(&self) -> DeviceListing {
        self.told.clone()
    }

    fn look(&self, now: Duration) -> DeviceListing {
        let answers = self.hosts.iter().map(|host| (host.name.clone(), host.scan.clone()));
        let mut listing = assemble(answers);
        for (info, host) in listing.hosts.iter_mut().zip(&self.hosts) {
            let silent_for = now.saturating_sub(host.answered_at.unwrap_or_default());
            if silent_for > self.silent_after || host.answered_at.is_none() && now > Duration::ZERO {
                // Its devices are listed as they were last seen: that it is silent does not say that they are gone.
                info.running = false;
                info.problem = Some("it does not answer; its devices are as they were last seen".to_owned());
            }
        }
        listing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceInfo, Direction};

    fn devices(host: &str, names: &[&str], default: Option<&str>) -> Result<HostScan, DeviceError> {
        let device = |name: &&str| DeviceInfo {
            id: format!("{host}:{name}"),
            host: host.into(),
            name: (*name).into(),
            direction: Direction::Input,
            channels: vec![1],
            sample_rates: vec![48_000],
            sample_formats: vec!["s16".into()],
            default: default == Some(*name),
        };
        Ok(HostScan::Devices(names.iter().map(device).collect()))
    }

    fn at(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    /// Two sound systems that have answered, one device each.
    fn picture() -> Picture {
        let mut picture = Picture::new(vec!["alsa".into(), "pulseaudio".into()], at(5));
        assert!(!picture.is_complete());
        picture.answer(0, devices("alsa", &["card"], Some("card")), at(1));
        picture.answer(1, devices("pulseaudio", &["mic"], Some("mic")), at(1));
        assert!(picture.is_complete());
        picture.take_changes(at(1));
        picture
    }

    #[test]
    fn a_device_that_comes_and_goes_is_told_once_each() {
        let mut picture = picture();
        assert_eq!(picture.take_changes(at(2)), []);
        picture.answer(1, devices("pulseaudio", &["mic", "usb"], Some("mic")), at(2));
        let told = picture.take_changes(at(2));
        assert!(matches!(&told[..], [DeviceChange::Appeared { device }] if device.id == "pulseaudio:usb"), "{told:?}");
        picture.answer(1, devices("pulseaudio", &["mic"], Some("mic")), at(3));
        let told = picture.take_changes(at(3));
        assert!(matches!(&told[..], [DeviceChange::Vanished { device }] if device.id == "pulseaudio:usb"), "{told:?}");
    }

    #[test]
    fn the_default_moves_to_the_next_sound_system_when_the_first_has_none() {
        let mut picture = picture();
        let defaults = |picture: &Picture| {
            picture.listing().devices.into_iter().filter(|d| d.default).map(|d| d.id).collect::<Vec<_>>()
        };
        assert_eq!(defaults(&picture), ["alsa:card"]);
        picture.answer(0, devices("alsa", &[], None), at(2));
        let told = picture.take_changes(at(2));
        assert_eq!(defaults(&picture), ["pulseaudio:mic"]);
        let is_new_default = |c: &DeviceChange| matches!(c, DeviceChange::Changed { before, device } if !before.default && device.default);
        assert!(told.iter().any(is_new_default), "{told:?}");
    }

    #[test]
    fn a_sound_system_that_hangs_is_silent_and_its_devices_stay() {
        let mut picture = picture();
        picture.answer(0, devices("alsa", &["card"], Some("card")), at(6));
        assert_eq!(picture.take_changes(at(6)), [], "five seconds are allowed");
        let told = picture.take_changes(at(7));
        assert!(matches!(&told[..], [DeviceChange::HostChanged { host, .. }] if !host.running), "{told:?}");
        assert_eq!(picture.listing().devices.len(), 2);
        picture.answer(0, devices("alsa", &["card"], Some("card")), at(8));
        picture.answer(1, devices("pulseaudio", &[], None), at(8));
        let told = picture.take_changes(at(8));
        let is_back = |c: &DeviceChange| matches!(c, DeviceChange::HostChanged { host, .. } if host.running);
        let is_gone = |c: &DeviceChange| matches!(c, DeviceChange::Vanished { device } if device.name == "mic");
        assert!(told.iter().any(is_back) && told.iter().any(is_gone), "{told:?}");
    }

    #[test]
    fn a_server_that_was_killed_takes_its_devices_with_it() {
        let mut picture = picture();
        let dead = DeviceError::Refused { operation: "list its devices", message: "connection refused".into() };
        picture.answer(1, Err(dead), at(2));
        let told = picture.take_changes(at(2));
        assert!(
            matches!(&told[..], [DeviceChange::HostChanged { .. }, DeviceChange::Vanished { .. }]),
            "the server, then its devices: {told:?}"
        );
    }
}
