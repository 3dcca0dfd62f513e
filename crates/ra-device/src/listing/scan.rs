//! Asks one sound system for its devices. Blocks for as long as that takes: the caller brings the deadline.

use std::collections::HashMap;

use cpal::{
    HostId,
    traits::{DeviceTrait, HostTrait},
};

use super::{DeviceInfo, Direction, LIST, name_of};
use crate::{
    DeviceError, find,
    hosts::HostLease,
    negotiate::{Offer, channel_counts},
    stream::offer_of,
};

/// Rates that people use, in hertz.
const USUAL_RATES_HZ: [u32; 14] =
    [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 352_800, 384_000];

/// ALSA's names that are not looked at: `null` calls back 100,000 times a second, and asking `jack` makes libjack print
/// and may start a JACK server (the feature `jack` lists what a running one has).
const PASSED_OVER: [&str; 2] = ["alsa:null", "alsa:jack"];

/// The sound system without a server: to ask a device for its formats, it opens the hardware.
const OPENS_THE_HARDWARE: &str = "alsa";

/// What one sound system answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostScan {
    /// It is not running, or is not to be found from the environment.
    Absent,
    /// Its devices; perhaps none.
    Devices(Vec<DeviceInfo>),
}

/// What a device was found to be when it was last asked; `None` for what is no device in that direction.
type Descriptions = HashMap<(String, Direction), Option<DeviceInfo>>;

/// Looks at one sound system once. May block.
pub(crate) fn scan_now(host: HostId) -> Result<HostScan, DeviceError> {
    HostScanner::new(host).scan()
}

/// Looks at one sound system again and again.
pub(crate) struct HostScanner {
    host: HostId,
    /// Of the last look, where asking costs: opening the hardware every second would keep others from opening it.
    known: Descriptions,
    n_looks: u32,
}

/// What could not be opened or was busy is asked again at every so many looks: asking takes nothing from anybody then.
const ASK_AGAIN_EVERY: u32 = 10;

impl HostScanner {
    pub(crate) fn new(host: HostId) -> Self {
        Self { host, known: Descriptions::new(), n_looks: 0 }
    }

    /// Looks. May block.
    ///
    /// A device of ALSA that was there at the last look keeps its description, unless another one came or went since. What
    /// ALSA could not open is asked again at every tenth look.
    pub(crate) fn scan(&mut self) -> Result<HostScan, DeviceError> {
        let refused = |error: cpal::Error| DeviceError::Refused { operation: LIST, message: error.to_string() };
        if !cpal::available_hosts().contains(&self.host) {
            self.known.clear();
            return Ok(HostScan::Absent);
        }
        let host = HostLease::take(self.host)?;
        let id_of = |device: cpal::Device| device.id().ok().map(|id| id.to_string());
        let defaults = [host.default_input_device().and_then(id_of), host.default_output_device().and_then(id_of)];
        let devices: Vec<_> =
            host.devices().map_err(refused)?.filter_map(|d| d.id().ok().map(|id| (id.to_string(), d))).collect();
        if name_of(self.host) != OPENS_THE_HARDWARE || !self.knows_exactly(devices.iter().map(|(id, _)| id)) {
            self.known.clear();
        }
        self.n_looks = self.n_looks.wrapping_add(1);
        if self.n_looks.is_multiple_of(ASK_AGAIN_EVERY) {
            self.known.retain(|_, info| info.as_ref().is_some_and(|info| !info.sample_rates.is_empty()));
        }
        let mut infos = Vec::new();
        for (id, device) in &devices {
            for (direction, default) in [Direction::Input, Direction::Output].into_iter().zip(&defaults) {
                let described = self.known.entry((id.clone(), direction));
                let info = described.or_insert_with(|| describe(device, direction)).clone();
                infos.extend(info.map(|info| DeviceInfo { default: default.as_ref() == Some(id), ..info }));
            }
        }
        Ok(HostScan::Devices(infos))
    }

    fn knows_exactly<'a>(&self, ids: impl Iterator<Item = &'a String> + Clone) -> bool {
        let mut known: Vec<&String> = self.known.keys().map(|(id, _)| id).collect();
        let mut found: Vec<&String> = ids.collect();
        known.sort();
        known.dedup();
        found.sort();
        found.dedup();
        known == found
    }
}

/// `None` for what is no device in that direction.
fn describe(device: &cpal::Device, direction: Direction) -> Option<DeviceInfo> {
    let id = device.id().ok()?;
    if !find::supports(device, direction) || PASSED_OVER.contains(&id.to_string().as_str()) {
        return None;
    }
    let (channels, sample_rates, sample_formats) = match offer_of(device, direction) {
        Ok(offer) if offer.ranges.is_empty() => return None,
        Ok(offer) => (channel_counts(&offer), rates(&offer), formats(&offer, own_format(device, direction))),
        // It is there, and somebody has it or keeps it from us: worth a line.
        Err(error) if matches!(error.kind(), cpal::ErrorKind::DeviceBusy | cpal::ErrorKind::PermissionDenied) => {
            (Vec::new(), Vec::new(), Vec::new())
        }
        Err(_) => return None,
    };
    let name = device.description().map_or_else(|_| id.id().to_owned(), |d| d.name().to_owned());
    let (host, id) = (id.host().to_string(), id.to_string());
    Some(DeviceInfo { id, host, name, direction, channels, sample_rates, sample_formats, default: false })
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

fn own_format(device: &cpal::Device, direction: Direction) -> Option<cpal::SampleFormat> {
    let own = match direction {
        Direction::Input => device.default_input_config(),
        Direction::Output => device.default_output_config(),
    };
    own.ok().map(|config| config.sample_format())
}

/// In ascending order of their size, integers before floats.
fn formats(offer: &Offer, own: Option<cpal::SampleFormat>) -> Vec<String> {
    let mut formats: Vec<_> = match own.filter(|_| offer.server_remixes) {
        Some(own) => vec![own],
        None => offer.ranges.iter().map(|r| r.sample_format()).collect(),
    };
    formats.sort_by_key(|format| (format.sample_size(), format.is_float(), format.to_string()));
    formats.dedup();
    formats.into_iter().map(format_name).collect()
}

/// As the rest of the project calls them: `s16` rather than `i16`.
fn format_name(format: cpal::SampleFormat) -> String {
    let name = format.to_string();
    if format.is_int() { name.replacen('i', "s", 1) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(ranges: Vec<cpal::SupportedStreamConfigRange>) -> Offer {
        Offer { own_rate_hz: 48_000, own_channels: 2, ranges, server_remixes: false }
    }

    fn range(min: u32, max: u32, format: cpal::SampleFormat) -> cpal::SupportedStreamConfigRange {
        cpal::SupportedStreamConfigRange::new(2, min, max, cpal::SupportedBufferSize::Unknown, format)
    }

    #[test]
    fn rates_are_the_usual_ones_within_the_range_and_odd_fixed_ones() {
        let format = cpal::SampleFormat::I16;
        let mut offer = offer(vec![range(44_100, 50_000, format), range(31_250, 31_250, format)]);
        assert_eq!(rates(&offer), [31_250, 44_100, 48_000]);
        offer.server_remixes = true;
        assert_eq!(rates(&offer), [48_000]);
    }

    #[test]
    fn formats_are_named_once_each_and_a_server_has_its_own_only() {
        let of = |format| range(48_000, 48_000, format);
        let all = [cpal::SampleFormat::F32, cpal::SampleFormat::I24, cpal::SampleFormat::I16, cpal::SampleFormat::U8];
        let mut offer = offer(all.into_iter().chain(all).map(of).collect());
        assert_eq!(formats(&offer, Some(cpal::SampleFormat::F32)), ["u8", "s16", "s24", "f32"]);
        offer.server_remixes = true;
        assert_eq!(formats(&offer, Some(cpal::SampleFormat::I16)), ["s16"]);
    }

    #[test]
    fn descriptions_are_kept_while_nothing_comes_or_goes() {
        let mut scanner = HostScanner::new(cpal::ALL_HOSTS[0]);
        let ids = ["alsa:a".to_owned(), "alsa:b".to_owned()];
        for id in &ids {
            scanner.known.insert((id.clone(), Direction::Input), None);
            scanner.known.insert((id.clone(), Direction::Output), None);
        }
        assert!(scanner.knows_exactly(ids.iter()));
        assert!(!scanner.knows_exactly(ids[..1].iter()), "one went");
        let more = [ids[0].clone(), ids[1].clone(), "alsa:c".to_owned()];
        assert!(!scanner.knows_exactly(more.iter()), "one came");
    }
}
