//! Chooses rate, channels, format and period from what a device offers. Pure: opens nothing.

use cpal::{BufferSize, SampleFormat, StreamConfig, SupportedBufferSize, SupportedStreamConfigRange as Range};
use ra_core::{SampleRate, SpecError, StreamSpec};

use crate::DeviceError;

/// What a device offers in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// What it is opened with when nobody asks for anything: rate in hertz, channels.
    pub(crate) own_rate_hz: u32,
    pub(crate) own_channels: u16,
    pub(crate) ranges: Vec<Range>,
    /// Whether a sound server mixes channels up and down and resamples, so that counts and rates other than the device's own
    /// mean nothing.
    pub(crate) server_remixes: bool,
}

/// What is wanted of it.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) sample_rate: Option<SampleRate>,
    /// The channel count to open with, where that is possible.
    pub(crate) channels: Option<u16>,
    /// The highest channel that must be there, counted from 1.
    pub(crate) highest_channel: Option<u16>,
    pub(crate) period_frames: Option<u32>,
    /// How many periods make a second where `period_frames` is `None` and the device is no server's.
    pub(crate) usual_periods_per_second: u32,
}

/// What to open it with.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) spec: StreamSpec,
    pub(crate) format: SampleFormat,
    pub(crate) config: StreamConfig,
}

/// Formats that can be converted, the best first: those that lose least against `f32`, then the smaller ones.
const FORMATS: [SampleFormat; 12] = [
    SampleFormat::F32,
    SampleFormat::I32,
    SampleFormat::I24,
    SampleFormat::U32,
    SampleFormat::U24,
    SampleFormat::F64,
    SampleFormat::I64,
    SampleFormat::U64,
    SampleFormat::I16,
    SampleFormat::U16,
    SampleFormat::I8,
    SampleFormat::U8,
];

/// A server's period where nobody asks for one: 20 ms. cpal lets PulseAudio keep one period of a capture and two of a
/// playback; on a busy machine 5 ms periods lost 18 ms of a second's capture, idle ones a period now and then, and nobody
/// reports it. Nor is it left to the server: its own choice has been seen to be two seconds.
const SERVER_PERIODS_PER_SECOND: u32 = 50;

/// A period where nobody asks for one: `per_second` of them make a second, rounded up to a power of two of frames.
fn usual_period_frames(rate_hz: u32, per_second: u32) -> u32 {
    (rate_hz / per_second).max(16).next_power_of_two()
}

/// Chooses. A rate that the device does not have gives the device's own one (the engine resamples, and says so); a channel
/// that it does not have is an error.
///
/// # Errors
/// [`DeviceError::Channels`], [`DeviceError::Format`], [`DeviceError::Refused`] for a spec that is out of range.
pub(crate) fn choose(offer: &Offer, wish: &Wish) -> Result<Choice, DeviceError> {
    let channels = choose_channels(offer, wish)?;
    let ranges = || offer.ranges.iter().filter(move |r| r.channels() == channels);
    let has = |hz: u32| ranges().any(|r| r.contains_rate(hz) && FORMATS.contains(&r.sample_format()));
    let is_its_own = |hz: u32| !offer.server_remixes || hz == offer.own_rate_hz;
    let rate_hz = match wish.sample_rate {
        Some(rate) if is_its_own(rate.hz()) && has(rate.hz()) => rate.hz(),
        _ if has(offer.own_rate_hz) => offer.own_rate_hz,
        _ => ranges().map(|r| r.max_sample_rate()).filter(|&hz| has(hz)).min().unwrap_or(offer.own_rate_hz),
    };
    let best = FORMATS
        .iter()
        .find_map(|&format| ranges().find(|r| r.contains_rate(rate_hz) && r.sample_format() == format))
        .ok_or_else(|| {
            let mut offered: Vec<_> = offer.ranges.iter().map(|r| r.sample_format().to_string()).collect();
            offered.sort();
            offered.dedup();
            DeviceError::Format { offered: if offered.is_empty() { "nothing".into() } else { offered.join(", ") } }
        })?;
    let spec = StreamSpec::new(rate_hz, channels).map_err(|cause: SpecError| DeviceError::Refused {
        operation: "use the device's format",
        message: cause.to_string(),
    })?;
    let per_second = if offer.server_remixes { SERVER_PERIODS_PER_SECOND } else { wish.usual_periods_per_second };
    let period_frames = wish.period_frames.unwrap_or_else(|| usual_period_frames(rate_hz, per_second)).max(1);
    let buffer_size = match *best.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max => {
            BufferSize::Fixed(period_frames.clamp(min.max(1), max.max(1)))
        }
        // A backend that names no sizes refuses most of them.
        _ => BufferSize::Default,
    };
    let config = StreamConfig { channels, sample_rate: rate_hz, buffer_size };
    Ok(Choice { spec, format: best.sample_format(), config })
}

/// The channel counts with which the device can be opened, ascending.
pub(crate) fn channel_counts(offer: &Offer) -> Vec<u16> {
    if offer.server_remixes {
        return vec![offer.own_channels];
    }
    let mut counts: Vec<u16> = offer.ranges.iter().map(|r| r.channels()).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn choose_channels(offer: &Offer, wish: &Wish) -> Result<u16, DeviceError> {
    let counts = channel_counts(offer);
    let highest = wish.highest_channel.unwrap_or(1);
    let fits = |&n: &u16| n >= highest && counts.contains(&n);
    wish.channels
        .filter(fits)
        .or(Some(offer.own_channels).filter(fits))
        .or_else(|| counts.iter().copied().find(|n| fits(n)))
        .ok_or_else(|| DeviceError::Channels {
            asked: highest,
            most: counts.last().copied().unwrap_or(0),
            available: counts.clone(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WISH: Wish = Wish {
        sample_rate: None,
        channels: None,
        highest_channel: None,
        period_frames: None,
        usual_periods_per_second: 200,
    };

    fn range(channels: u16, hz: std::ops::RangeInclusive<u32>, format: SampleFormat) -> Range {
        Range::new(channels, *hz.start(), *hz.end(), SupportedBufferSize::Range { min: 32, max: 4096 }, format)
    }

    fn interface() -> Offer {
        let mut ranges = Vec::new();
        for hz in [44_100, 48_000, 96_000] {
            for (channels, format) in [(2, SampleFormat::I16), (2, SampleFormat::I32), (8, SampleFormat::I24)] {
                ranges.push(range(channels, hz..=hz, format));
            }
        }
        Offer { own_rate_hz: 48_000, own_channels: 2, ranges, server_remixes: false }
    }

    fn server() -> Offer {
        let ranges = (1..32).map(|n| range(n, 1..=384_000, SampleFormat::F32)).collect();
        Offer { own_rate_hz: 44_100, own_channels: 2, ranges, server_remixes: true }
    }

    #[test]
    fn no_wish_gives_the_devices_own_format_at_its_best_and_a_short_period() {
        let choice = choose(&interface(), &NO_WISH).unwrap();
        assert_eq!((choice.spec, choice.format), (StreamSpec::new(48_000, 2).unwrap(), SampleFormat::I32));
        assert_eq!(choice.config.buffer_size, BufferSize::Fixed(256));
        assert_eq!((usual_period_frames(96_000, 200), usual_period_frames(8_000, 50)), (512, 256));
    }

    #[test]
    fn a_server_gets_longer_periods() {
        assert_eq!(choose(&server(), &NO_WISH).unwrap().config.buffer_size, BufferSize::Fixed(1024));
    }

    #[test]
    fn a_high_channel_opens_more_of_them() {
        let wish = Wish { highest_channel: Some(4), ..NO_WISH };
        let choice = choose(&interface(), &wish).unwrap();
        assert_eq!((choice.config.channels, choice.format), (8, SampleFormat::I24));
        let wish = Wish { highest_channel: Some(9), ..NO_WISH };
        assert_eq!(
            choose(&interface(), &wish).unwrap_err(),
            DeviceError::Channels { asked: 9, most: 8, available: vec![2, 8] }
        );
    }

    #[test]
    fn a_server_that_invents_channels_is_not_asked_for_them() {
        let wish = Wish { highest_channel: Some(3), ..NO_WISH };
        assert_eq!(
            choose(&server(), &wish).unwrap_err(),
            DeviceError::Channels { asked: 3, most: 2, available: vec![2] }
        );
        let wish = Wish { channels: Some(6), ..NO_WISH };
        assert_eq!(choose(&server(), &wish).unwrap().config.channels, 2);
    }

    #[test]
    fn a_wished_rate_is_taken_where_it_is_there() {
        let at = |hz| Wish { sample_rate: Some(SampleRate::new(hz).unwrap()), ..NO_WISH };
        assert_eq!(choose(&interface(), &at(96_000)).unwrap().config.sample_rate, 96_000);
        assert_eq!(choose(&interface(), &at(22_050)).unwrap().config.sample_rate, 48_000, "its own instead");
        assert_eq!(choose(&server(), &at(44_100)).unwrap().config.sample_rate, 44_100);
        assert_eq!(
            choose(&server(), &at(22_050)).unwrap().config.sample_rate,
            44_100,
            "a server would resample unsaid"
        );
    }

    #[test]
    fn the_period_stays_within_what_is_offered() {
        for (asked, given) in [(1, 32), (100, 100), (100_000, 4096)] {
            let wish = Wish { period_frames: Some(asked), ..NO_WISH };
            assert_eq!(choose(&interface(), &wish).unwrap().config.buffer_size, BufferSize::Fixed(given));
        }
    }

    #[test]
    fn a_backend_without_sizes_chooses_by_itself() {
        let range = Range::new(2, 48_000, 48_000, SupportedBufferSize::Unknown, SampleFormat::F32);
        let choice = choose(&Offer { ranges: vec![range], ..interface() }, &NO_WISH).unwrap();
        assert_eq!(choice.config.buffer_size, BufferSize::Default);
    }

    #[test]
    fn formats_that_are_no_pcm_are_refused_by_name() {
        let offer = Offer { ranges: vec![range(2, 48_000..=48_000, SampleFormat::DsdU8)], ..interface() };
        assert_eq!(
            choose(&offer, &NO_WISH).unwrap_err(),
            DeviceError::Format { offered: SampleFormat::DsdU8.to_string() }
        );
    }
}
