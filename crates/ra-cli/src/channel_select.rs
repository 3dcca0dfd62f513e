//! `channels = [2, 1]`: some of a source's channels, in another order. Changes no sample.

use ra_engine::core::{
    ChannelCount, ClockedSource, Granted, PeriodInput, PulledSource, Source, SourceError, StreamEvent, StreamSpec,
};

/// Which channels are taken, from 0, out of how many.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Selection {
    taken: Vec<usize>,
    n_in: usize,
    spec: StreamSpec,
}

impl Selection {
    /// Checks `channels`, counted from 1, against what there is.
    fn new(channels: &[u16], what: &str, spec: StreamSpec) -> Result<Self, SourceError> {
        let n_in = spec.channels.get();
        if let Some(&asked) = channels.iter().find(|&&channel| channel == 0 || usize::from(channel) > n_in) {
            let message = format!("channel {asked} was asked for, expected 1 to {n_in}: {what} has {}", spec.channels);
            return Err(SourceError::Setting { what: "channels".to_owned(), message });
        }
        let n_out = u16::try_from(channels.len()).unwrap_or(u16::MAX);
        let channels_out =
            ChannelCount::new(n_out).map_err(|cause| SourceError::Spec { what: "channels".to_owned(), cause })?;
        let taken = channels.iter().map(|&channel| usize::from(channel) - 1).collect();
        Ok(Self { taken, n_in, spec: StreamSpec { channels: channels_out, ..spec } })
    }

    /// Copies as many whole frames as both slices hold; returns how many those are.
    fn copy(&self, input: &[f32], out: &mut [f32]) -> usize {
        let frames = input.chunks_exact(self.n_in).zip(out.chunks_exact_mut(self.taken.len()));
        frames
            .map(|(frame, out)| {
                for (out, &channel) in out.iter_mut().zip(&self.taken) {
                    *out = frame[channel];
                }
            })
            .count()
    }
}

/// Some channels of a pulled source.
pub(crate) struct PulledSelect {
    inner: Box<dyn PulledSource>,
    selection: Selection,
    buffer: Vec<f32>,
}

impl PulledSelect {
    /// Takes `channels`, counted from 1, of `inner`.
    ///
    /// # Errors
    /// [`SourceError`] where the source has no such channel.
    pub(crate) fn new(inner: Box<dyn PulledSource>, channels: &[u16]) -> Result<Self, SourceError> {
        let selection = Selection::new(channels, &inner.describe(), inner.spec())?;
        Ok(Self { inner, selection, buffer: Vec::new() })
    }
}

impl Source for PulledSelect {
    fn spec(&self) -> StreamSpec {
        self.selection.spec
    }

    fn describe(&self) -> String {
        let taken: Vec<String> = self.selection.taken.iter().map(|channel| (channel + 1).to_string()).collect();
        format!("{}, channels {}", self.inner.describe(), taken.join(", "))
    }
}

impl PulledSource for PulledSelect {
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        let n_frames = out.len() / self.selection.taken.len();
        self.buffer.resize(n_frames * self.selection.n_in, 0.0);
        match self.inner.read(&mut self.buffer)? {
            StreamEvent::Frames { n_frames } => {
                let n_frames = self.selection.copy(&self.buffer[..n_frames * self.selection.n_in], out);
                Ok(StreamEvent::Frames { n_frames })
            }
            StreamEvent::FormatChanged { spec } => {
                let channels: Vec<u16> =
                    self.selection.taken.iter().filter_map(|&channel| u16::try_from(channel + 1).ok()).collect();
                self.selection = Selection::new(&channels, &self.inner.describe(), spec)?;
                Ok(StreamEvent::FormatChanged { spec: self.selection.spec })
            }
            other => Ok(other),
        }
    }

    fn remaining_frames(&self) -> Option<u64> {
        self.inner.remaining_frames()
    }
}

/// Some channels of a clocked source whose format never changes.
pub(crate) struct ClockedSelect {
    inner: Box<dyn ClockedSource>,
    selection: Selection,
    period_frames: usize,
}

impl ClockedSelect {
    /// Takes `channels`, counted from 1, of `inner`, which delivers `period_frames` at a time.
    ///
    /// # Errors
    /// [`SourceError`] where the source has no such channel.
    pub(crate) fn new(
        inner: Box<dyn ClockedSource>,
        channels: &[u16],
        period_frames: usize,
    ) -> Result<Self, SourceError> {
        let selection = Selection::new(channels, &inner.describe(), inner.spec())?;
        Ok(Self { inner, selection, period_frames: period_frames.max(1) })
    }
}

impl Source for ClockedSelect {
    fn spec(&self) -> StreamSpec {
        self.selection.spec
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

impl ClockedSource for ClockedSelect {
    fn start(&mut self, input: Box<dyn PeriodInput>) -> Result<Granted, SourceError> {
        let buffer = vec![0.0; self.selection.spec.samples(self.period_frames)];
        let select = SelectInput { inner: input, selection: self.selection.clone(), buffer };
        let granted = self.inner.start(Box::new(select))?;
        Ok(Granted { spec: self.selection.spec, ..granted })
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        self.inner.poll_event()
    }

    fn stop(&mut self) {
        self.inner.stop();
    }
}

/// Copies the channels of each period on its way into the ring.
struct SelectInput {
    inner: Box<dyn PeriodInput>,
    selection: Selection,
    buffer: Vec<f32>,
}

impl PeriodInput for SelectInput {
    fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
        let most_samples = self.buffer.len() / self.selection.taken.len() * self.selection.n_in;
        let (mut taken, mut done) = (0, 0);
        // One chunk, unless a delivery is larger than was said. Every frame is offered, so that the ring counts them all.
        for chunk in interleaved.chunks(most_samples) {
            let n_frames = self.selection.copy(chunk, &mut self.buffer);
            let chunk_ns = capture_ns + self.selection.spec.sample_rate.ns_of_frames(done);
            taken += self.inner.push(chunk_ns, &self.buffer[..self.selection.spec.samples(n_frames)]);
            done += n_frames as u64;
        }
        taken
    }

    fn mark_break(&mut self) {
        self.inner.mark_break();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Frame n holds n, n + 0.1, n + 0.2 in its three channels; 10 frames, then another format.
    struct Counting {
        next: usize,
    }

    impl Source for Counting {
        fn spec(&self) -> StreamSpec {
            StreamSpec::new(48_000, if self.next < 100 { 3 } else { 1 }).unwrap()
        }
        fn describe(&self) -> String {
            "counting".to_owned()
        }
    }

    impl PulledSource for Counting {
        fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
            if self.next >= 10 {
                self.next = 100;
                return Ok(StreamEvent::FormatChanged { spec: self.spec() });
            }
            let n_frames = (out.len() / 3).min(4).min(10 - self.next);
            for frame in out.chunks_exact_mut(3).take(n_frames) {
                frame.copy_from_slice(&[0.0, 0.1, 0.2].map(|x| x + self.next as f32));
                self.next += 1;
            }
            Ok(StreamEvent::Frames { n_frames })
        }
        fn remaining_frames(&self) -> Option<u64> {
            Some(10 - self.next as u64)
        }
    }

    #[test]
    fn channels_are_taken_in_the_order_asked_for() {
        let mut source = PulledSelect::new(Box::new(Counting { next: 0 }), &[3, 1]).unwrap();
        assert_eq!(source.spec(), StreamSpec::new(48_000, 2).unwrap());
        assert_eq!(source.describe(), "counting, channels 3, 1");
        let mut out = [0.0; 6];
        assert_eq!(source.read(&mut out).unwrap(), StreamEvent::Frames { n_frames: 3 });
        assert_eq!(out, [0.2, 0.0, 1.2, 1.0, 2.2, 2.0]);
        assert_eq!(source.remaining_frames(), Some(7));
        let mut rest = [0.0; 100];
        while let StreamEvent::Frames { .. } = source.read(&mut rest).unwrap() {
            if source.remaining_frames() == Some(0) {
                break;
            }
        }
        let error = source.read(&mut rest).unwrap_err();
        assert!(error.to_string().contains("channel 3 was asked for, expected 1 to 1: counting has mono"), "{error}");
    }

    #[test]
    fn a_channel_that_is_not_there_is_named() {
        for bad in [0, 4] {
            let error = PulledSelect::new(Box::new(Counting { next: 0 }), &[1, bad]).err().unwrap();
            let expected = format!("channels: channel {bad} was asked for, expected 1 to 3: counting has 3 channels");
            assert_eq!(error.to_string(), expected);
        }
    }

    /// What a ring was offered.
    type Offers = Arc<Mutex<Vec<(u64, Vec<f32>)>>>;

    struct Keeping(Offers);

    impl PeriodInput for Keeping {
        fn push(&mut self, capture_ns: u64, interleaved: &[f32]) -> usize {
            self.0.lock().unwrap().push((capture_ns, interleaved.to_vec()));
            interleaved.len() - 1 // as if the last frame had found no room
        }

        fn mark_break(&mut self) {}
    }

    #[test]
    fn periods_are_selected_and_long_ones_keep_their_stamps() {
        let offers: Offers = Arc::default();
        let spec = StreamSpec::new(48_000, 2).unwrap();
        let selection = Selection::new(&[2], "x", spec).unwrap();
        let mut input = SelectInput { inner: Box::new(Keeping(Arc::clone(&offers))), selection, buffer: vec![0.0; 3] };
        assert_eq!(input.push(1_000, &[0.0, 1.0, 0.0, 2.0, 0.0, 3.0]), 2);
        assert_eq!(input.push(5_000, &[0.0, 1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0]), 2);
        assert_eq!(
            *offers.lock().unwrap(),
            [(1_000, vec![1.0, 2.0, 3.0]), (5_000, vec![1.0, 2.0, 3.0]), (5_000 + 62_500, vec![4.0]),]
        );
    }
}
