//! Whether a sink is in trouble, and how often people are told: one that fails and recovers all the time must not fill the log.
//! Logs nothing itself; its time is the stream's.

use ra_core::{FramePosition, SampleRate};

/// A sink that has worked for so long was a good one: what happens then is told anew. In seconds.
const GOOD_S: u64 = 10;

/// The trouble of one sink.
///
/// It is over when a block was taken *and* a flush behind it succeeded: a buffer takes blocks for a while on a full disk, too.
#[derive(Debug)]
pub(crate) struct Trouble {
    step: Step,
    good_frames: u64,
    /// What was told last, and where.
    told: Option<(String, FramePosition)>,
    /// Whether the trouble that is there, or was last, was told.
    is_told: bool,
    /// Where the last one was over.
    over_at: FramePosition,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    None,
    Failing,
    TookABlock,
}

impl Trouble {
    /// None yet.
    pub(crate) fn new(sample_rate: SampleRate) -> Self {
        let good_frames = GOOD_S * u64::from(sample_rate.hz());
        Self { step: Step::None, good_frames, told: None, is_told: false, over_at: FramePosition(0) }
    }

    /// Whether there is any.
    pub(crate) fn is_there(&self) -> bool {
        self.step != Step::None
    }

    /// The sink has failed. True: that is to be told, as it is new.
    pub(crate) fn failed(&mut self, reason: String, at: FramePosition) -> bool {
        if std::mem::replace(&mut self.step, Step::Failing) != Step::None {
            return false;
        }
        let is_known = self.told.as_ref().is_some_and(|(told, told_at)| {
            at.frames_since(self.over_at) < self.good_frames
                && (*told == reason || at.frames_since(*told_at) < self.good_frames)
        });
        self.is_told = !is_known;
        if self.is_told {
            self.told = Some((reason, at));
        }
        self.is_told
    }

    /// The sink has taken a block.
    pub(crate) fn took_a_block(&mut self) {
        if self.step == Step::Failing {
            self.step = Step::TookABlock;
        }
    }

    /// A flush has succeeded. `Some`: the trouble is over by that; true: that is to be told, as the trouble was.
    pub(crate) fn flushed(&mut self, at: FramePosition) -> Option<bool> {
        if self.step != Step::TookABlock {
            return None;
        }
        self.step = Step::None;
        self.over_at = at;
        Some(self.is_told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 48_000;

    /// Fails at a second, recovers half a second later; whether each was told.
    fn fail(trouble: &mut Trouble, second: u64, reason: &str) -> (bool, bool) {
        let failed = trouble.failed(reason.to_owned(), FramePosition(second * SECOND));
        assert!(!trouble.failed("again".to_owned(), FramePosition(second * SECOND + 10)), "one trouble is told once");
        let over = FramePosition(second * SECOND + SECOND / 2);
        assert_eq!((trouble.flushed(over), trouble.is_there()), (None, true), "no block was taken yet");
        trouble.took_a_block();
        let recovered = trouble.flushed(over).unwrap();
        assert_eq!((trouble.flushed(over), trouble.is_there()), (None, false));
        (failed, recovered)
    }

    #[test]
    fn a_sink_that_fails_all_the_time_is_told_of_now_and_then() {
        let mut trouble = Trouble::new(SampleRate::new(48_000).unwrap());
        assert_eq!(fail(&mut trouble, 0, "gone"), (true, true));
        for second in 2..60 {
            assert_eq!(fail(&mut trouble, second, "gone"), (false, false), "second {second}");
        }
        assert_eq!(fail(&mut trouble, 60, "full"), (true, true), "something else");
        assert_eq!(fail(&mut trouble, 62, "gone"), (false, false), "and not in turns");
        assert_eq!(fail(&mut trouble, 73, "full"), (true, true), "it had worked for ten seconds");
    }
}
