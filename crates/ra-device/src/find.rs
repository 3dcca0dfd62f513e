//! Finds a device by its id or as the default, and says what there is where it finds none.

use std::str::FromStr;

use cpal::{
    DeviceId, HostId,
    traits::{DeviceTrait, HostTrait},
};

use crate::{DeviceError, Direction, hosts::HostLease};

/// Stands for the default device of the first sound system that has one.
pub const DEFAULT_DEVICE: &str = "default";

/// A device, and the connection that it is used by.
pub(crate) type Found = (cpal::Device, HostLease);

/// Finds a device; `None` where there is none of that id. May block: it asks the sound system. The connection has to be
/// kept for as long as the device is used. `default_of`: the sound system whose default [`DEFAULT_DEVICE`] is to be.
///
/// # Errors
/// [`DeviceError`]: there is no default, or no answer.
pub(crate) fn find(id: &str, default_of: Option<&str>, direction: Direction) -> Result<Option<Found>, DeviceError> {
    if id == DEFAULT_DEVICE { find_default(default_of, direction).map(Some) } else { find_by_id(id, direction) }
}

fn find_default(default_of: Option<&str>, direction: Direction) -> Result<Found, DeviceError> {
    let mut reasons = Vec::new();
    let is_wanted = |host: &HostId| default_of.is_none_or(|wanted| host.to_string() == wanted);
    for host_id in cpal::available_hosts().into_iter().filter(is_wanted) {
        let host = match HostLease::take(host_id) {
            Ok(host) => host,
            // It is there, and will answer again: the next system's default is another device.
            Err(error @ DeviceError::Unanswered { .. }) => return Err(error),
            Err(error) => {
                reasons.push(format!("{host_id}: {error}"));
                continue;
            }
        };
        let (device, config) = match direction {
            Direction::Input => {
                let device = host.default_input_device();
                let config = device.as_ref().map(|d| d.default_input_config());
                (device, config)
            }
            Direction::Output => {
                let device = host.default_output_device();
                let config = device.as_ref().map(|d| d.default_output_config());
                (device, config)
            }
        };
        // ALSA always names a default; whether there is one shows only in its format.
        match (device, config) {
            (Some(device), Some(Ok(_))) => return Ok((device, host)),
            (_, Some(Err(error))) => reasons.push(format!("{host_id}: {error}")),
            _ => reasons.push(format!("{host_id}: it has none")),
        }
    }
    if reasons.is_empty() {
        let not_there = |name| format!("{name}: not running, or not to be found from the environment");
        reasons.push(default_of.map_or("no sound system".to_owned(), not_there));
    }
    Err(DeviceError::NoDefault { direction, reason: reasons.join("; ") })
}

fn find_by_id(id: &str, direction: Direction) -> Result<Option<Found>, DeviceError> {
    let Ok(wanted) = DeviceId::from_str(id) else { return Ok(None) };
    let host = HostLease::take(wanted.host())?;
    let is_it = |d: &cpal::Device| d.id().is_ok_and(|id| id == wanted) && supports(d, direction);
    let only = || only_device(&host, &wanted, direction).filter(is_it);
    // Not `device_by_id` alone: it takes the first device of that id, in whichever direction.
    let by_listing = || host.devices().ok()?.find(is_it);
    let by_id = || host.device_by_id(&wanted).filter(|d| supports(d, direction));
    let device = only().or_else(by_listing).or_else(by_id);
    Ok(device.map(|device| (device, host)))
}

/// Says that there is no device of that id, and which ones there are. May block: it asks every sound system, which takes
/// far longer than to look for one device again.
pub(crate) fn not_found(id: &str, direction: Direction) -> DeviceError {
    let available = all_ids(direction);
    DeviceError::NotFound { id: id.to_owned(), direction, nearest: nearest(id, &available), available }
}

/// JACK's one device of a direction. To look at both, as a listing does, joins its graph twice: 130 ms.
fn only_device(host: &HostLease, wanted: &DeviceId, direction: Direction) -> Option<cpal::Device> {
    match direction {
        _ if wanted.host().to_string() != "jack" => None,
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    }
}

/// Whether a device's sound goes that way. JACK's backend says that both of its devices can do both, and describes them
/// right.
pub(crate) fn supports(device: &cpal::Device, direction: Direction) -> bool {
    let described = device.description().map_or(cpal::DeviceDirection::Unknown, |d| d.direction());
    match direction {
        Direction::Input => device.supports_input() && described != cpal::DeviceDirection::Output,
        Direction::Output => device.supports_output() && described != cpal::DeviceDirection::Input,
    }
}

/// Every id of a direction, without asking the devices for more than their names.
fn all_ids(direction: Direction) -> Vec<String> {
    let mut ids = Vec::new();
    for host in cpal::available_hosts().into_iter().filter_map(|id| HostLease::take(id).ok()) {
        let devices = host.devices().into_iter().flatten().filter(|d| supports(d, direction));
        ids.extend(devices.filter_map(|d| d.id().ok()).map(|id| id.to_string()));
    }
    ids
}

/// The id that takes the fewest changes to become, if that is a third of its letters at most.
fn nearest(id: &str, available: &[String]) -> Option<String> {
    let wanted: Vec<char> = id.chars().flat_map(char::to_lowercase).collect();
    let candidates = available.iter().map(|candidate| {
        let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        // Whoever leaves out the sound system's name means the rest.
        let bare: Vec<char> = letters.iter().copied().skip_while(|&c| c != ':').skip(1).collect();
        (distance(&wanted, &letters).min(distance(&wanted, &bare)), candidate)
    });
    let (changes, best) = candidates.min_by_key(|&(changes, _)| changes)?;
    (changes * 3 <= wanted.len()).then(|| best.clone())
}

/// The number of letters to put in, take out or replace (Levenshtein 1966), by the two-row method of Wagner and
/// Fischer (1974).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_changes() {
        let between = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(between("kitten", "sitting"), 3);
        assert_eq!((between("", "abc"), between("abc", ""), between("same", "same")), (3, 3, 0));
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_nonsense_is_not() {
        let ids = ["pulseaudio:studio.monitor", "pulseaudio:line.monitor", "alsa:hw:CARD=Mic,DEV=0"].map(String::from);
        assert_eq!(nearest("pulseaudio:studo.monitor", &ids).as_deref(), Some("pulseaudio:studio.monitor"));
        assert_eq!(nearest("PulseAudio:Line.Monitor", &ids).as_deref(), Some("pulseaudio:line.monitor"));
        assert_eq!(nearest("studio.monitor", &ids).as_deref(), Some("pulseaudio:studio.monitor"));
        assert_eq!(nearest("wasapi:{0.0.1}", &ids), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
