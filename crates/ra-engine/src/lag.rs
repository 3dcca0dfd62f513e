//! What is done with a reader that is later than it may be. Decides and moves the cursor; counts nothing.

use ra_core::OnLag;
use ra_queue::BlockReader;

/// How late a reader may be, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LagRule {
    on_lag: OnLag,
    /// `u64::MAX`: as late as its ring is long.
    max_blocks: u64,
}

/// What a lag led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lag {
    /// It is not too late.
    None,
    /// It has lost so many blocks.
    Lost(u64),
    /// It gets nothing more: it was so many blocks behind.
    Disconnected(u64),
}

impl LagRule {
    /// As late as the ring is long; then the oldest go. Time does not press where nobody waits for it.
    pub(crate) const PATIENT: LagRule = LagRule { on_lag: OnLag::DropOldest, max_blocks: u64::MAX };

    /// For a reader of a ring of `ring_blocks`.
    pub(crate) fn new(on_lag: OnLag, max_blocks: u64, ring_blocks: u64) -> Self {
        Self { on_lag, max_blocks: if max_blocks < ring_blocks { max_blocks } else { u64::MAX } }
    }

    /// To be asked before every read.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(crate) fn before_read(&self, reader: &mut dyn BlockReader) -> Lag {
        if self.max_blocks == u64::MAX {
            return Lag::None;
        }
        let lag_blocks = reader.lag_blocks();
        if lag_blocks <= self.max_blocks {
            return Lag::None;
        }
        match self.on_lag {
            OnLag::DropOldest => Lag::Lost(reader.keep_newest(self.max_blocks - self.max_blocks / 8)),
            OnLag::SkipToLive => Lag::Lost(reader.skip_ahead()),
            OnLag::Disconnect => Lag::Disconnected(lag_blocks),
        }
    }

    /// To be asked when the writer has overtaken the reader, which has lost `n_blocks` already.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub(crate) fn overtaken(&self, reader: &mut dyn BlockReader, n_blocks: u64) -> Lag {
        match self.on_lag {
            OnLag::DropOldest => Lag::Lost(n_blocks),
            OnLag::SkipToLive => Lag::Lost(n_blocks + reader.skip_ahead()),
            OnLag::Disconnect => Lag::Disconnected(n_blocks + reader.lag_blocks()),
        }
    }
}

#[cfg(test)]
mod tests {
    use ra_core::BlockStamp;
    use ra_queue::{BlockWriter, Join, ReadOutcome, ring_fan_out};

    use super::*;

    /// What a rule does to a reader of a ring of 64 blocks that is `lag_blocks` behind, and which block it reads next.
    fn act(on_lag: OnLag, max_blocks: u64, lag_blocks: u64) -> (Lag, Option<u64>) {
        let (mut writer, bus) = ring_fan_out(64, 2).unwrap();
        let mut reader = bus.join(Join::Next);
        for seq in 0..lag_blocks {
            writer.publish(&BlockStamp { seq, ..BlockStamp::default() }, &[0.0; 2]);
        }
        let rule = LagRule::new(on_lag, max_blocks, 64);
        let mut lag = rule.before_read(&mut reader);
        let mut outcome = reader.read(&mut [0.0; 2]);
        if let ReadOutcome::Lagged { n_blocks } = outcome {
            lag = rule.overtaken(&mut reader, n_blocks);
            outcome = reader.read(&mut [0.0; 2]);
        }
        assert!(reader.counts().is_balanced());
        let next = if let ReadOutcome::Block(stamp) = outcome { Some(stamp.seq) } else { None };
        (lag, next)
    }

    #[test]
    fn each_rule_does_what_it_says_and_only_when_it_must() {
        for on_lag in [OnLag::DropOldest, OnLag::SkipToLive, OnLag::Disconnect] {
            assert_eq!(act(on_lag, 16, 16), (Lag::None, Some(0)));
            assert_eq!(act(on_lag, 64, 64), (Lag::None, Some(0)), "as late as the ring is long");
        }
        assert_eq!(act(OnLag::DropOldest, 16, 17), (Lag::Lost(3), Some(3)));
        assert_eq!(act(OnLag::SkipToLive, 16, 17), (Lag::Lost(16), Some(16)));
        assert_eq!(act(OnLag::Disconnect, 16, 17).0, Lag::Disconnected(17));
        // Overtaken: an eighth of the ring clear of the writer is the ring's own doing.
        assert_eq!(act(OnLag::DropOldest, 64, 100), (Lag::Lost(44), Some(44)));
        assert_eq!(act(OnLag::SkipToLive, 1_000, 100), (Lag::Lost(99), Some(99)));
        assert_eq!(act(OnLag::Disconnect, 64, 100).0, Lag::Disconnected(100));
        assert_eq!(act(OnLag::DropOldest, 1, 5), (Lag::Lost(4), Some(4)), "the newest is always left");
    }
}
