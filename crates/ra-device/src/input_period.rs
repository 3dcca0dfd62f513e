//! The body of an input callback. Real-time code: nothing here allocates, locks, logs or waits.

use std::sync::Arc;

use ra_core::{PeriodInput, SampleRate};

use crate::{
    health::Health,
    sample::{DeviceSample, read_samples, read_selected},
    stamp,
    status::Status,
};

/// Frames that are converted and handed over at a time; a longer period goes in pieces.
pub(crate) const PIECE_FRAMES: usize = 1024;

/// Converts what the device brings and hands it over, stamped.
pub(crate) struct InputPeriod {
    input: Box<dyn PeriodInput>,
    status: Arc<Status>,
    sample_rate: SampleRate,
    device_channels: usize,
    /// Counted from 0, silence beyond the device's; empty for all channels in their order.
    selection: Box<[usize]>,
    scratch: Box<[f32]>,
    health: Health,
}

impl InputPeriod {
    /// `selection`: channels counted from 0; those that the device has not are silence. Empty for all in their order.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub(crate) fn new(
        input: Box<dyn PeriodInput>,
        status: Arc<Status>,
        sample_rate: SampleRate,
        device_channels: usize,
        selection: Box<[usize]>,
    ) -> Self {
        let channels = if selection.is_empty() { device_channels } else { selection.len() };
        let scratch = vec![0.0; PIECE_FRAMES * channels].into_boxed_slice();
        let health = Health::new(channels, u64::from(sample_rate.hz()));
        Self { input, status, sample_rate, device_channels, selection, scratch, health }
    }

    /// Takes one period. `now_ns` is the monotonic time in the callback, `age_ns` what the backend says of the age of
    /// the first frame (`None`: captured in the future).
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(crate) fn on_period<T: DeviceSample>(&mut self, data: &[T], now_ns: u64, age_ns: Option<u64>) {
        let n_frames = data.len() / self.device_channels;
        if n_frames == 0 || self.status.is_over() {
            return;
        }
        let stamp = stamp::capture(now_ns, age_ns, self.sample_rate.ns_of_frames(n_frames as u64));
        self.status.count_period(now_ns, n_frames as u64, stamp.trusted);
        let mut done_frames = 0;
        for piece in data[..n_frames * self.device_channels].chunks(PIECE_FRAMES * self.device_channels) {
            let piece_frames = piece.len() / self.device_channels;
            let samples = if self.selection.is_empty() {
                let samples = &mut self.scratch[..piece.len()];
                read_samples(piece, samples);
                samples
            } else {
                let samples = &mut self.scratch[..piece_frames * self.selection.len()];
                read_selected(piece, self.device_channels, &self.selection, samples);
                samples
            };
            self.health.examine(samples, &self.status);
            // What is not taken is counted where it is lost: on the other side of `push`.
            self.input.push(stamp.ns + self.sample_rate.ns_of_frames(done_frames), samples);
            done_frames += piece_frames as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assert_no_alloc::assert_no_alloc;
    use std::sync::Mutex;

    type Pushes = Arc<Mutex<Vec<(u64, Vec<f32>)>>>;
    struct Keep(Pushes);
    impl PeriodInput for Keep {
        fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
            self.0.lock().unwrap().push((capture_ns, interleaved.to_vec()));
            interleaved.len()
        }

        fn mark_break(&mut self) {}
    }

    fn period_of(channels: usize, selection: &[usize]) -> (InputPeriod, Pushes, Arc<Status>) {
        let (pushes, status) = (Pushes::default(), Arc::new(Status::new()));
        let input = Box::new(Keep(pushes.clone()));
        (InputPeriod::new(input, status.clone(), SampleRate::HZ_48000, channels, selection.into()), pushes, status)
    }

    #[test]
    fn a_giant_period_goes_in_pieces_each_with_its_own_time() {
        let (mut period, pushes, status) = period_of(2, &[]);
        let data: Vec<i16> = (0..94_000u32).flat_map(|i| [(i % 32_768) as i16, -((i % 32_768) as i16)]).collect();
        period.on_period(&data, 10_000_000_000, Some(2_000_000_000));
        let pushes = pushes.lock().unwrap();
        assert_eq!(pushes.len(), 94_000usize.div_ceil(PIECE_FRAMES));
        let mut frame = 0;
        for (capture_ns, samples) in pushes.iter() {
            assert_eq!(*capture_ns, 8_000_000_000 + SampleRate::HZ_48000.ns_of_frames(frame));
            for pair in samples.chunks_exact(2) {
                let expected = (frame % 32_768) as f32 / 32_768.0;
                assert_eq!(pair, [expected, -expected]);
                frame += 1;
            }
        }
        assert_eq!((frame, status.counts().frames, status.counts().periods), (94_000, 94_000, 1));
    }

    #[test]
    fn channels_are_selected_in_the_callback() {
        let (mut period, pushes, _) = period_of(4, &[2, 0]);
        period.on_period(&[0.1f32, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 1_000_000_000, Some(50_000));
        assert_eq!(pushes.lock().unwrap()[0].1, [0.3, 0.1, 0.7, 0.5]);
        let (mut period, pushes, _) = period_of(2, &[0, 1, usize::MAX]);
        period.on_period(&[i16::MIN, 16_384], 1_000_000_000, Some(50_000));
        assert_eq!(pushes.lock().unwrap()[0].1, [-1.0, 0.5, 0.0], "what is not there is silence");
    }

    #[test]
    fn a_stamp_of_the_future_is_replaced_and_counted() {
        let (mut period, pushes, status) = period_of(1, &[]);
        period.on_period(&[0.0f32; 480], 5_000_000_000, None);
        assert_eq!(pushes.lock().unwrap()[0].0, 5_000_000_000 - 10_000_000);
        assert_eq!(status.counts().replaced_stamps, 1);
    }

    #[test]
    fn nothing_is_delivered_after_closing() {
        let (mut period, pushes, status) = period_of(1, &[]);
        status.close();
        period.on_period(&[0.5f32; 480], 5_000_000_000, None);
        assert!(pushes.lock().unwrap().is_empty());
    }

    #[test]
    fn no_format_allocates() {
        struct Sum(f32);
        impl PeriodInput for Sum {
            fn push(&mut self, _: u64, interleaved: &[f32]) -> usize {
                self.0 += interleaved.iter().sum::<f32>();
                interleaved.len()
            }

            fn mark_break(&mut self) {}
        }
        fn run<T: DeviceSample>(selection: &[usize]) {
            let status = Arc::new(Status::new());
            let mut period = InputPeriod::new(Box::new(Sum(0.0)), status, SampleRate::HZ_48000, 4, selection.into());
            let data = [T::from_unit(0.25); 4 * (PIECE_FRAMES * 2 + 7)];
            assert_no_alloc(|| {
                for frames in [1, 24, 480, PIECE_FRAMES, PIECE_FRAMES * 2 + 7] {
                    period.on_period(&data[..frames * 4], 1_000_000_000, Some(1_000));
                }
            });
        }
        for selection in [&[][..], &[3, 1, 1], &[0, usize::MAX]] {
            run::<i8>(selection);
            run::<i16>(selection);
            run::<cpal::I24>(selection);
            run::<i32>(selection);
            run::<i64>(selection);
            run::<u8>(selection);
            run::<u16>(selection);
            run::<cpal::U24>(selection);
            run::<u32>(selection);
            run::<u64>(selection);
            run::<f32>(selection);
            run::<f64>(selection);
        }
    }
}
