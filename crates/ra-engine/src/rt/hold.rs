//! Keeps a source silent that the latency is too short for, until it has grown: sound that is whole late is better than
//! sound in shreds at once. Reads no ring.

/// For so many of its longest periods everything has to come in time before less latency is believed to be enough.
const PROVEN_PERIODS: f64 = 2.0;

/// Whether a source waits for a longer latency.
#[derive(Debug)]
pub(crate) struct Hold {
    /// Until it is so long, in nanoseconds; 0: it does not wait.
    until_ns: f64,
    /// For how long everything has come in time without.
    in_time_ns: f64,
    /// The period that it was granted, which is a part of what it waits for.
    granted_ns: f64,
    /// The longest that was seen.
    seen_ns: f64,
}

impl Hold {
    /// Of a source that does not wait, and was granted such periods; 0: that is not known.
    pub(crate) fn new(granted_ns: f64) -> Self {
        Self { until_ns: 0.0, in_time_ns: 0.0, granted_ns, seen_ns: 0.0 }
    }

    /// It waits until the latency is so long, in nanoseconds; 0: it does not.
    pub(crate) fn set_until_ns(&mut self, until_ns: f64) {
        self.until_ns = until_ns;
        self.in_time_ns = 0.0;
    }

    /// The latency that it waits for, if it does.
    pub(crate) fn until_ns(&self) -> Option<f64> {
        (self.until_ns > 0.0).then_some(self.until_ns)
    }

    /// So much came at once.
    pub(crate) fn see_period_ns(&mut self, period_ns: f64) {
        self.seen_ns = self.seen_ns.max(period_ns);
    }

    /// Learns of a block of that length whether all that it would read was there in time; returns whether the source waits on.
    pub(crate) fn look(&mut self, latency_ns: f64, is_in_time: bool, block_ns: f64) -> bool {
        self.in_time_ns = if is_in_time { self.in_time_ns + block_ns } else { 0.0 };
        // What comes in shorter periods than were granted needs less, if it comes one by one.
        let is_proven = self.in_time_ns >= PROVEN_PERIODS * self.granted_ns.max(self.seen_ns);
        let least_ns =
            if is_proven { self.until_ns + (self.seen_ns - self.granted_ns).min(0.0) } else { self.until_ns };
        if latency_ns >= least_ns {
            self.set_until_ns(0.0);
        }
        self.until_ns > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK_NS: f64 = 2_666_667.0;

    #[test]
    fn it_waits_for_the_latency_or_for_a_proof_that_less_will_do() {
        let mut hold = Hold::new(21e6);
        hold.set_until_ns(25e6);
        for n in 0..1000 {
            // Of a period of eight blocks, the last three are there too late.
            assert!(hold.look(20e6, n % 8 < 5, BLOCK_NS));
        }
        assert_eq!(hold.until_ns(), Some(25e6));
        assert!(!hold.look(25e6, false, BLOCK_NS));
        hold.set_until_ns(25e6);
        hold.see_period_ns(5e6);
        assert!((0..1000).all(|n| hold.look(20e6, n % 8 < 5, BLOCK_NS)), "it comes in lumps");
        assert!((0..1000).all(|_| hold.look(8e6, true, BLOCK_NS)), "sometimes it would come too late");
        hold.set_until_ns(25e6);
        let n_held = (0..100).take_while(|_| hold.look(10e6, true, BLOCK_NS)).count();
        assert_eq!((n_held, hold.until_ns()), (15, None), "two periods of 21 ms, and no block more");
        hold.set_until_ns(25e6);
        hold.see_period_ns(21e6);
        assert!((0..1000).all(|_| hold.look(24e6, true, BLOCK_NS)), "it stands on our blocks' edges, and may slide");
    }
}
