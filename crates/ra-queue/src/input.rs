//! The input ring: one source's frames on their way to the mixer, and beside them the stamps of their deliveries.
//! Knows nothing of rates or clocks; the stamps are carried, not read.

mod account;
#[cfg(not(loom))]
pub(crate) mod cells;
mod frame_size;
mod reader;
mod ring;
mod stamps;
mod writer;

use std::sync::Arc;

use ra_core::{ChannelCount, FramePosition};

pub use account::InputMonitor;
pub use reader::InputReader;
pub use writer::InputWriter;

use crate::QueueError;
use frame_size::FrameSize;
use ring::Ring;

/// The most samples that an input ring may hold: 256 MiB.
const MAX_SAMPLES: usize = 1 << 26;
/// The most stamps that an input ring may hold.
const MAX_PERIODS: usize = 1 << 20;

/// The sizes of an input ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputConfig {
    /// Samples in a frame. Default: stereo.
    pub channels: ChannelCount,
    /// Frames that the ring holds. Default: 16384 (341 ms at 48 kHz).
    pub capacity_frames: usize,
    /// Deliveries whose stamps the ring holds; a delivery without room for its stamp is lost as a whole. Default: 1024,
    /// enough for the default frames in periods of 16.
    pub capacity_periods: usize,
}

impl Default for InputConfig {
    fn default() -> Self {
        Self { channels: ChannelCount::STEREO, capacity_frames: 16_384, capacity_periods: 1_024 }
    }
}

/// Makes an input ring: the source's end, the mixer's end, and an account for anybody.
///
/// All memory is allocated and touched here, so that neither end meets a page fault later.
///
/// # Real-time safety
/// Not real-time safe: allocates.
///
/// # Errors
/// [`QueueError::CapacityFrames`] and [`QueueError::CapacityPeriods`] for a size of 0 or beyond 2^26 samples (256 MiB)
/// or 2^20 stamps.
///
/// # Examples
/// ```
/// use ra_core::PeriodInput;
/// use ra_queue::{InputConfig, input_ring};
///
/// let config = InputConfig { capacity_frames: 4, ..InputConfig::default() };
/// let (mut writer, mut reader, monitor) = input_ring(&config)?;
/// assert_eq!(writer.push(0, &[0.5; 12]), 4); // six stereo frames were offered, four fit
///
/// reader.poll_stamps(&mut |stamp| assert_eq!(stamp.n_frames, 4));
/// let mut out = [0.0; 12];
/// assert_eq!(reader.read(&mut out), 4);
/// let account = monitor.account();
/// assert_eq!((account.produced_frames, account.delivered_frames, account.dropped_frames), (6, 4, 2));
/// # Ok::<(), ra_queue::QueueError>(())
/// ```
pub fn input_ring(config: &InputConfig) -> Result<(InputWriter, InputReader, InputMonitor), QueueError> {
    input_ring_trial(config, &InputTrial::default())
}

/// What the counts of an input ring begin at, as if so many frames had been through it: for tests of the wrap.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default)]
pub struct InputTrial {
    /// Frames that were read.
    pub n_delivered: u64,
    /// Frames that the reader dropped.
    pub n_discarded: u64,
    /// Frames that were offered and did not fit.
    pub n_refused: u64,
}

impl InputTrial {
    /// The ring is empty, so all that went in came out.
    fn n_accepted(&self) -> u64 {
        self.n_delivered.wrapping_add(self.n_discarded)
    }

    /// Where the source's timeline goes on: behind all that was offered.
    fn position(&self) -> FramePosition {
        FramePosition(self.n_accepted().wrapping_add(self.n_refused))
    }
}

/// As [`input_ring`], with counts that begin where a test wants them.
///
/// # Real-time safety
/// Not real-time safe: allocates.
///
/// # Errors
/// As [`input_ring`].
#[doc(hidden)]
pub fn input_ring_trial(
    config: &InputConfig,
    trial: &InputTrial,
) -> Result<(InputWriter, InputReader, InputMonitor), QueueError> {
    let n_channels = config.channels.get();
    let max_frames = MAX_SAMPLES / n_channels;
    if !(1..=max_frames).contains(&config.capacity_frames) {
        return Err(QueueError::CapacityFrames { actual: config.capacity_frames, max: max_frames });
    }
    if !(1..=MAX_PERIODS).contains(&config.capacity_periods) {
        return Err(QueueError::CapacityPeriods { actual: config.capacity_periods, max: MAX_PERIODS });
    }
    let frames = FrameSize::new(config.channels);
    let ring = Arc::new(Ring::new(config.capacity_frames, n_channels, config.capacity_periods, trial));
    Ok((
        InputWriter::new(frames, trial, Arc::clone(&ring)),
        InputReader::new(frames, trial, Arc::clone(&ring)),
        InputMonitor::new(ring),
    ))
}
