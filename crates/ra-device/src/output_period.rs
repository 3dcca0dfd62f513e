//! The body of an output callback. Real-time code: nothing here allocates, locks, logs or waits.

use std::sync::Arc;

use ra_core::SampleRate;

use crate::{
    input_period::PIECE_FRAMES,
    sample::{DeviceSample, write_samples},
    stamp,
    status::Status,
};

/// What plays on an output device.
pub trait PeriodOutput: Send {
    /// Learns that the device wants `n_frames` now, the first of which will be heard at the monotonic time `playback_ns`, as
    /// far as the sound system knows. Called once per period, before the period is filled; does nothing unless it is
    /// overridden.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn begin_period(&mut self, _playback_ns: u64, _n_frames: usize) {}

    /// Fills one period, or a piece of one, with interleaved samples. It comes as silence.
    ///
    /// `playback_ns` is the monotonic time at which its first frame will be heard, as far as the sound system knows.
    /// `interleaved.len()` is a multiple of the channel count. Called from the device's callback.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn render(&mut self, playback_ns: u64, interleaved: &mut [f32]);
}

/// Asks for what the device wants and converts it.
pub(crate) struct OutputPeriod {
    output: Box<dyn PeriodOutput>,
    status: Arc<Status>,
    sample_rate: SampleRate,
    channels: usize,
    scratch: Box<[f32]>,
}

impl OutputPeriod {
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub(crate) fn new(
        output: Box<dyn PeriodOutput>,
        status: Arc<Status>,
        sample_rate: SampleRate,
        channels: usize,
    ) -> Self {
        let scratch = vec![0.0; PIECE_FRAMES * channels].into_boxed_slice();
        Self { output, status, sample_rate, channels, scratch }
    }

    /// Fills one period. `now_ns` is the monotonic time in the callback, `ahead_ns` what the backend says of how far
    /// away the first frame is (`None`: in the past).
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(crate) fn on_period<T: DeviceSample>(&mut self, data: &mut [T], now_ns: u64, ahead_ns: Option<u64>) {
        let n_frames = data.len() / self.channels;
        let closed = self.status.is_over();
        let stamp = stamp::playback(now_ns, ahead_ns, self.sample_rate.ns_of_frames(n_frames as u64));
        if !closed && n_frames > 0 {
            self.status.count_period(now_ns, n_frames as u64, stamp.trusted);
            self.output.begin_period(stamp.ns, n_frames);
        }
        let mut done_frames = 0;
        for piece in data.chunks_mut(PIECE_FRAMES * self.channels) {
            let samples = &mut self.scratch[..piece.len()];
            samples.fill(0.0);
            let piece_frames = piece.len() / self.channels;
            if !closed {
                let whole = &mut samples[..piece_frames * self.channels];
                self.output.render(stamp.ns + self.sample_rate.ns_of_frames(done_frames), whole);
            }
            self.status.count_clipped(write_samples(samples, piece));
            done_frames += piece_frames as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_no_alloc::assert_no_alloc;
    use std::sync::Mutex;

    /// Plays a ramp and remembers when it was asked.
    struct Ramp(f32, Arc<Mutex<Vec<(u64, usize)>>>);
    impl PeriodOutput for Ramp {
        fn begin_period(&mut self, playback_ns: u64, n_frames: usize) {
            self.1.lock().unwrap().push((playback_ns, n_frames));
        }
        fn render(&mut self, playback_ns: u64, interleaved: &mut [f32]) {
            self.1.lock().unwrap().push((playback_ns, interleaved.len()));
            for sample in interleaved {
                *sample = self.0;
                self.0 += 1.0 / 32_768.0;
            }
        }
    }

    #[test]
    fn a_long_period_is_asked_for_in_pieces_and_converted() {
        let (asked, status) = (Arc::default(), Arc::new(Status::new()));
        let ramp = Box::new(Ramp(0.0, Arc::clone(&asked)));
        let mut period = OutputPeriod::new(ramp, status.clone(), SampleRate::HZ_48000, 2);
        let mut data = vec![7i16; 2 * (PIECE_FRAMES + 480)];
        period.on_period(&mut data, 1_000_000_000, Some(40_000_000));
        assert!(data.iter().enumerate().all(|(i, &x)| x == i as i16));
        let second_ns = 1_040_000_000 + SampleRate::HZ_48000.ns_of_frames(PIECE_FRAMES as u64);
        let whole = (1_040_000_000, PIECE_FRAMES + 480);
        assert_eq!(*asked.lock().unwrap(), [whole, (1_040_000_000, 2 * PIECE_FRAMES), (second_ns, 960)]);
        assert_eq!(status.counts().frames, PIECE_FRAMES as u64 + 480);
    }

    #[test]
    fn clipped_samples_and_wild_stamps_are_counted() {
        struct Loud;
        impl PeriodOutput for Loud {
            fn render(&mut self, _: u64, interleaved: &mut [f32]) {
                interleaved.fill(1.5);
            }
        }
        let status = Arc::new(Status::new());
        let mut period = OutputPeriod::new(Box::new(Loud), status.clone(), SampleRate::HZ_48000, 1);
        let mut data = [0u8; 100];
        period.on_period(&mut data, 1_000_000_000, None);
        assert_eq!(data, [255; 100]);
        assert_eq!((status.counts().clipped_samples, status.counts().replaced_stamps), (100, 1));
        status.close();
        period.on_period(&mut data, 1_000_000_000, None);
        assert_eq!((data, status.counts().periods), ([128; 100], 1), "silence, and not counted");
    }

    #[test]
    fn no_format_allocates() {
        struct Half;
        impl PeriodOutput for Half {
            fn render(&mut self, _: u64, interleaved: &mut [f32]) {
                interleaved.fill(0.5);
            }
        }
        fn run<T: DeviceSample>() {
            let mut period = OutputPeriod::new(Box::new(Half), Arc::new(Status::new()), SampleRate::HZ_48000, 2);
            let mut data = vec![T::from_unit(0.0); 2 * (PIECE_FRAMES + 1)];
            assert_no_alloc(|| period.on_period(&mut data, 1_000_000_000, Some(1_000)));
            assert!(data.iter().all(|x| x.to_unit() == 0.5));
        }
        run::<i8>();
        run::<i16>();
        run::<cpal::I24>();
        run::<i32>();
        run::<i64>();
        run::<u8>();
        run::<u16>();
        run::<cpal::U24>();
        run::<u32>();
        run::<u64>();
        run::<f32>();
        run::<f64>();
    }
}
