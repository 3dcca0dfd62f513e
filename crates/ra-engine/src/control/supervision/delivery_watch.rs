//! Tells from when a source delivers whether it still does. Sees counts of frames and times; knows no source.

/// What is allowed beyond two periods, in nanoseconds: looks are this far apart, and callbacks come late on a busy machine.
const TOLERANCE_NS: u64 = 30_000_000;
/// A source that was silent for this many times what makes it stalled is lost, and for this long at least.
const LOST_TIMES: u64 = 4;
const LOST_NS: u64 = 2_000_000_000;
/// A device that has not delivered anything for so long since it was opened is opened anew.
const NEVER_NS: u64 = 10_000_000_000;
/// The largest interval of so many deliveries counts: sound servers deliver in lumps, and a mishap is forgotten.
const N_INTERVALS: usize = 32;
/// Looks that were further apart than this say nothing of the source: it was us who were away.
const MOST_LOOK_NS: u64 = 25_000_000;

/// What a source does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It was opened, and nothing has come yet.
    Awaited,
    /// It delivers.
    Flowing,
    /// It has delivered nothing for longer than it ever takes.
    Stalled,
    /// And for so long that it has to be opened anew.
    Lost,
}

/// Watches one source from one start on.
#[derive(Clone, Debug)]
pub(super) struct DeliveryWatch {
    n_frames: u64,
    /// For how long nothing has come, as far as we looked.
    quiet_ns: u64,
    looked_ns: Option<u64>,
    /// What the device was granted.
    period_ns: u64,
    /// The last intervals between two deliveries, those within one look apart.
    intervals_ns: [u64; N_INTERVALS],
    at: usize,
    has_delivered: bool,
    flowing_ns: u64,
}

impl DeliveryWatch {
    /// Of a source that was just opened, with that period.
    pub(super) fn new(period_ns: u64) -> Self {
        Self {
            n_frames: 0,
            quiet_ns: 0,
            looked_ns: None,
            period_ns,
            intervals_ns: [0; N_INTERVALS],
            at: 0,
            has_delivered: false,
            flowing_ns: 0,
        }
    }

    /// Learns that so many frames were delivered up to now.
    pub(super) fn look(&mut self, n_frames: u64, now_ns: u64) -> Delivery {
        let passed_ns = now_ns.saturating_sub(self.looked_ns.replace(now_ns).unwrap_or(now_ns)).min(MOST_LOOK_NS);
        if n_frames == self.n_frames {
            self.quiet_ns += passed_ns;
            return match self.has_delivered {
                true if self.quiet_ns >= self.lost_ns() => Delivery::Lost,
                true if self.quiet_ns >= self.stalled_ns() => Delivery::Stalled,
                true => Delivery::Flowing,
                false if self.quiet_ns >= NEVER_NS => Delivery::Lost,
                false => Delivery::Awaited,
            };
        }
        self.n_frames = n_frames;
        let interval_ns = std::mem::take(&mut self.quiet_ns) + passed_ns;
        if std::mem::replace(&mut self.has_delivered, true) {
            let stalled_ns = self.stalled_ns();
            self.intervals_ns[self.at] = interval_ns;
            self.at = (self.at + 1) % N_INTERVALS;
            self.flowing_ns = if interval_ns < stalled_ns { self.flowing_ns + interval_ns } else { 0 };
        }
        Delivery::Flowing
    }

    /// For how long it has delivered without a stall.
    pub(super) fn flowing_ns(&self) -> u64 {
        self.flowing_ns
    }

    /// For how long it has delivered nothing.
    pub(super) fn quiet_ns(&self) -> u64 {
        self.quiet_ns
    }

    /// Silence for so long is a stall: two periods and the tolerance, by what was granted and by what was seen.
    pub(super) fn stalled_ns(&self) -> u64 {
        2 * self.intervals_ns.iter().copied().fold(self.period_ns, u64::max) + TOLERANCE_NS
    }

    /// Silence for so long is a loss.
    pub(super) fn lost_ns(&self) -> u64 {
        (LOST_TIMES * self.stalled_ns()).max(LOST_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Looks every 10 ms for `n_ms`; `frames` says how many there are by then.
    fn run(watch: &mut DeliveryWatch, from_ms: u64, n_ms: u64, frames: impl Fn(u64) -> u64) -> Vec<(u64, Delivery)> {
        let mut changes: Vec<(u64, Delivery)> = Vec::new();
        for ms in (from_ms..from_ms + n_ms).step_by(10) {
            let delivery = watch.look(frames(ms), ms * MS);
            if changes.last().is_none_or(|last| last.1 != delivery) {
                changes.push((ms - from_ms, delivery));
            }
        }
        changes
    }

    #[test]
    fn silence_is_a_stall_first_and_a_loss_later() {
        let mut watch = DeliveryWatch::new(5_333_333);
        assert_eq!(run(&mut watch, 0, 1000, |ms| ms * 48), [(0, Delivery::Awaited), (10, Delivery::Flowing)]);
        assert!(watch.flowing_ns() > 900 * MS);
        let changes = run(&mut watch, 1000, 3000, |_| 990 * 48);
        // Two intervals of 10 ms, which is how far apart the looks are, and 30 ms; the last delivery was 10 ms before.
        assert_eq!(changes, [(0, Delivery::Flowing), (40, Delivery::Stalled), (1990, Delivery::Lost)]);
        let changes = run(&mut watch, 4000, 100, |ms| ms * 48);
        assert_eq!(changes, [(0, Delivery::Flowing)], "it goes on, should nobody have taken it away");
        assert!(watch.flowing_ns() < 200 * MS);
    }

    #[test]
    fn who_delivers_in_lumps_is_stalled_once_and_then_known() {
        let mut watch = DeliveryWatch::new(10 * MS);
        // Two seconds' worth every two seconds, as some sound servers do.
        let changes = run(&mut watch, 0, 20_000, |ms| ms / 1960 * 94_000);
        use Delivery::{Awaited, Flowing, Stalled};
        assert_eq!(changes.iter().map(|change| change.1).collect::<Vec<_>>(), [Awaited, Flowing, Stalled, Flowing]);
        let changes = run(&mut watch, 20_000, 30_000, |_| 940_000);
        let stalled = changes.iter().find(|change| change.1 == Delivery::Stalled).unwrap().0;
        let lost = changes.iter().find(|change| change.1 == Delivery::Lost).unwrap().0;
        assert!((3_000..4_100).contains(&stalled) && (14_000..16_500).contains(&lost), "{stalled} {lost}");
    }

    #[test]
    fn one_mishap_is_forgotten() {
        let mut watch = DeliveryWatch::new(5 * MS);
        run(&mut watch, 0, 1000, |ms| ms * 48);
        run(&mut watch, 1000, 500, |_| 990 * 48);
        run(&mut watch, 1500, 20, |ms| ms * 48);
        assert!(watch.stalled_ns() > 1000 * MS, "half a second may have been its way");
        run(&mut watch, 1520, 1000, |ms| ms * 48);
        assert_eq!(watch.stalled_ns(), 50 * MS);
    }

    #[test]
    fn when_nobody_looked_nobody_was_silent() {
        let mut watch = DeliveryWatch::new(5 * MS);
        run(&mut watch, 0, 1000, |ms| ms * 48);
        // The whole process was stopped for five seconds.
        assert_eq!(watch.look(990 * 48, 6_000 * MS), Delivery::Flowing);
    }

    #[test]
    fn a_device_that_never_delivers_is_given_up_in_the_end() {
        let mut watch = DeliveryWatch::new(5 * MS);
        let changes = run(&mut watch, 0, 12_000, |_| 0);
        assert_eq!(changes, [(0, Delivery::Awaited), (10_000, Delivery::Lost)]);
    }
}
