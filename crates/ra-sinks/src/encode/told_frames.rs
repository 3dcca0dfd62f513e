//! Which frames a logical stream has taken, and which of them its pages have told of. Knows no codec.

/// Frames of one logical stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ToldFrames {
    taken_frames: u64,
    told_frames: u64,
}

impl ToldFrames {
    /// The encoder was given `n_frames` more.
    pub(super) fn take(&mut self, n_frames: u64) {
        self.taken_frames += n_frames;
    }

    /// How many frames are new in a page where `n_frames` of the stream are there behind it: never more than were taken,
    /// whatever a codec adds.
    pub(super) fn tell(&mut self, n_frames: u64) -> u64 {
        let new = n_frames.min(self.taken_frames).saturating_sub(self.told_frames);
        self.told_frames += new;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_tell_each_frame_once_and_none_that_was_not_taken() {
        let mut frames = ToldFrames::default();
        frames.take(100);
        assert_eq!([frames.tell(40), frames.tell(30), frames.tell(130)], [40, 0, 60]);
        frames.take(5);
        assert_eq!([frames.tell(u64::MAX), frames.tell(u64::MAX)], [5, 0]);
    }
}
