//! What differs between two listings. Pure: asks nobody.

use crate::{DeviceInfo, DeviceListing, HostInfo};

/// One difference between two listings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum DeviceChange {
    /// A device is there that was not.
    Appeared {
        /// What it is now.
        device: DeviceInfo,
    },
    /// A device is gone.
    Vanished {
        /// What it was.
        device: DeviceInfo,
    },
    /// A device of the same id and direction has other rates, channels or formats, another name, or has become the
    /// default or ceased to be it.
    Changed {
        /// What it was.
        before: DeviceInfo,
        /// What it is now.
        device: DeviceInfo,
    },
    /// A sound system has begun to answer, has ceased to, or has another reason for having no devices.
    HostChanged {
        /// What it was.
        before: HostInfo,
        /// What it is now.
        host: HostInfo,
    },
}

/// What one listing has that the other has not: sound systems first, then what has gone, what has changed, what has come.
///
/// A device is the same where id and direction are. Of several with one id the first is compared with the first.
pub fn changes(before: &DeviceListing, after: &DeviceListing) -> Vec<DeviceChange> {
    let hosts = after.hosts.iter().filter_map(|host| {
        let before = before.hosts.iter().find(|other| other.name == host.name)?;
        (before != host).then(|| DeviceChange::HostChanged { before: before.clone(), host: host.clone() })
    });
    let mut all: Vec<_> = hosts.collect();
    let mut left: Vec<Option<&DeviceInfo>> = after.devices.iter().map(Some).collect();
    let mut changed = Vec::new();
    for old in &before.devices {
        let is_same =
            |new: &&mut Option<&DeviceInfo>| new.is_some_and(|new| new.id == old.id && new.direction == old.direction);
        match left.iter_mut().find(is_same).and_then(Option::take) {
            None => all.push(DeviceChange::Vanished { device: old.clone() }),
            Some(new) if new != old => {
                changed.push(DeviceChange::Changed { before: old.clone(), device: new.clone() });
            }
            Some(_) => {}
        }
    }
    all.append(&mut changed);
    all.extend(left.into_iter().flatten().map(|device| DeviceChange::Appeared { device: device.clone() }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Direction;
    use proptest::prelude::*;

    fn device(id: &str, direction: Direction, hz: u32) -> DeviceInfo {
        DeviceInfo {
            id: id.into(),
            host: "pulseaudio".into(),
            name: id.into(),
            direction,
            channels: vec![2],
            sample_rates: vec![hz],
            sample_formats: vec!["f32".into()],
            default: false,
        }
    }

    fn listing(devices: Vec<DeviceInfo>) -> DeviceListing {
        let hosts = vec![HostInfo { name: "pulseaudio".into(), running: true, problem: None }];
        DeviceListing { devices, hosts, reason: None }
    }

    #[test]
    fn arrivals_losses_and_changes_are_told_apart() {
        let mic = device("mic", Direction::Input, 48_000);
        let room = device("room", Direction::Output, 48_000);
        let bluetooth = device("headset", Direction::Input, 48_000);
        let before = listing(vec![mic.clone(), bluetooth.clone()]);
        let flipped = device("headset", Direction::Input, 16_000);
        let after = listing(vec![flipped.clone(), room.clone()]);
        assert_eq!(
            changes(&before, &after),
            [
                DeviceChange::Vanished { device: mic.clone() },
                DeviceChange::Changed { before: bluetooth, device: flipped },
                DeviceChange::Appeared { device: room },
            ]
        );
        let chosen = DeviceInfo { default: true, ..mic.clone() };
        let expected = [DeviceChange::Changed { before: mic.clone(), device: chosen.clone() }];
        assert_eq!(changes(&listing(vec![mic]), &listing(vec![chosen])), expected, "a new default is a change");
    }

    #[test]
    fn one_id_in_two_directions_is_two_devices() {
        let (input, output) = (device("duplex", Direction::Input, 48_000), device("duplex", Direction::Output, 48_000));
        let both = listing(vec![input.clone(), output]);
        let expected = [DeviceChange::Appeared { device: input }];
        assert_eq!(changes(&listing(vec![both.devices[1].clone()]), &both), expected);
    }

    #[test]
    fn a_server_that_goes_is_told_before_its_devices() {
        let mic = device("mic", Direction::Input, 48_000);
        let mut after = listing(Vec::new());
        after.hosts[0] =
            HostInfo { name: "pulseaudio".into(), running: false, problem: Some("connection refused".into()) };
        let told = changes(&listing(vec![mic]), &after);
        assert!(matches!(&told[..], [DeviceChange::HostChanged { .. }, DeviceChange::Vanished { .. }]), "{told:?}");
    }

    /// What a watcher believes, told nothing but the changes.
    fn apply(devices: &mut Vec<DeviceInfo>, changes: &[DeviceChange]) {
        for change in changes {
            match change {
                DeviceChange::Appeared { device } => devices.push(device.clone()),
                DeviceChange::Vanished { device } => {
                    let at = devices.iter().position(|d| d == device).unwrap();
                    devices.remove(at);
                }
                DeviceChange::Changed { before, device } => {
                    let at = devices.iter().position(|d| d == before).unwrap();
                    devices[at] = device.clone();
                }
                DeviceChange::HostChanged { .. } => {}
            }
        }
    }

    proptest! {
        #[test]
        fn who_hears_of_every_change_knows_what_is_there(
            lists in prop::collection::vec(prop::collection::vec((0..4usize, any::<bool>(), 0..3u32), 0..6), 1..6)
        ) {
            let mut believed = Vec::new();
            let mut before = listing(Vec::new());
            for list in lists {
                let devices = list.into_iter().map(|(id, is_input, hz)| {
                    let direction = if is_input { Direction::Input } else { Direction::Output };
                    device(["a", "b", "c", "d"][id], direction, 44_100 + hz)
                });
                let after = listing(devices.collect());
                apply(&mut believed, &changes(&before, &after));
                let key = |d: &DeviceInfo| (d.id.clone(), d.direction == Direction::Input, d.sample_rates.clone());
                let sorted = |devices: &[DeviceInfo]| {
                    let mut keys: Vec<_> = devices.iter().map(key).collect();
                    keys.sort();
                    keys
                };
                prop_assert_eq!(sorted(&believed), sorted(&after.devices));
                prop_assert!(changes(&after, &after).is_empty());
                before = after;
            }
        }
    }
}
