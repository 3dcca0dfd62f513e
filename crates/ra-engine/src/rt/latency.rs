//! How long sound takes from capture to the mix point: one latency for all clocked sources of an engine.
//!
//! Fixed, or the least that covers what is seen. It is found from the slack: how much earlier than it had to a source's
//! newest frame was there. Reads no clock and knows no source.

/// What is kept in hand beyond the least slack that was seen, in nanoseconds: timers and wake-ups have tails.
const GUARD_NS: f64 = 500_000.0;
/// How much more than needed is left in place: a device's periods slide along our blocks, so that the slack comes and goes by
/// a block of usual length. Shrinking for less would only be growing again later.
const HYSTERESIS_NS: f64 = 3_500_000.0;
/// How much of it stays where there is shrinking.
const LEFT_NS: f64 = 500_000.0;
/// The slack is judged by the least of each interval of this length …
const INTERVAL_NS: f64 = 10e9;
/// … over so many intervals, of which the worst one is left out: what happens once a minute is a gap, and not worth a
/// cushion for all.
const N_INTERVALS: usize = 6;
/// The most that the latency grows, per second of time: 9 cents of pitch, for as long as gaps would be worse.
const GROWTH: f64 = 5e-3;
/// The most that it shrinks.
const SHRINKAGE: f64 = 100e-6;
/// Lateness that goes on counts again after so long, in nanoseconds.
const AGAIN_NS: f64 = 250e6;
/// So many times within those intervals somebody came too late: the cushion grows at once, and not at the interval's end.
const LATE_EVENTS: u32 = 3;
/// It rests when it is this close to its target, and this slow.
const NEAR_NS: f64 = 1000.0;
const NEAR_RATE: f64 = 1e-8;
/// How fast the latency's own rate changes: its time constant, in nanoseconds.
const SMOOTHING_NS: f64 = 0.5e9;

/// The latency now, and where it is going.
#[derive(Clone, Debug)]
pub(crate) struct LatencyControl {
    is_auto: bool,
    now_ns: f64,
    target_ns: f64,
    /// Never above this: the rings hold no more.
    most_ns: f64,
    /// Nanoseconds per nanosecond.
    rate: f64,
    /// The least slack of each of the last intervals, newest last.
    history_ns: [f64; N_INTERVALS],
    n_history: usize,
    interval_least_ns: f64,
    /// The least of what was not late.
    interval_in_time_ns: f64,
    interval_late_events: u32,
    interval_ns: f64,
    n_late_events: u32,
    /// The worst of them.
    latest_ns: f64,
    is_late: bool,
    /// Since the last of them was counted, and since the first.
    since_late_ns: f64,
    since_first_ns: f64,
}

impl LatencyControl {
    /// Stays at `latency_ns`.
    pub(crate) fn fixed(latency_ns: f64) -> Self {
        Self {
            is_auto: false,
            now_ns: latency_ns,
            target_ns: latency_ns,
            most_ns: latency_ns,
            rate: 0.0,
            history_ns: [0.0; N_INTERVALS],
            n_history: 0,
            interval_least_ns: f64::INFINITY,
            interval_in_time_ns: f64::INFINITY,
            interval_late_events: 0,
            interval_ns: 0.0,
            n_late_events: 0,
            latest_ns: 0.0,
            is_late: false,
            since_late_ns: 0.0,
            since_first_ns: 0.0,
        }
    }

    /// Begins at 0, grows and shrinks with need, up to `most_ns`.
    pub(crate) fn auto(most_ns: f64) -> Self {
        Self { is_auto: true, most_ns, ..Self::fixed(0.0) }
    }

    /// A source needs at least so much, by the sizes of its periods and filters. Returns the latency that it had better wait
    /// for: less would tear its sound to pieces.
    ///
    /// `nobody_listens`: no clocked source sounds, so that the latency may jump.
    pub(crate) fn need(&mut self, least_ns: f64, nobody_listens: bool) -> f64 {
        if !self.is_auto {
            return 0.0;
        }
        self.target_ns = self.target_ns.max(least_ns + GUARD_NS).min(self.most_ns);
        if nobody_listens {
            self.now_ns = self.target_ns;
            self.rate = 0.0;
        }
        least_ns.min(self.most_ns - GUARD_NS)
    }

    /// The latency at the next block's start.
    pub(crate) fn now_ns(&self) -> f64 {
        self.now_ns
    }

    /// How fast it grows at the next block's start, in nanoseconds per nanosecond.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// Moves on by a block of `block_ns`; returns the latency at its end. In between, its rate runs in a straight line.
    pub(crate) fn advance(&mut self, block_ns: f64) -> f64 {
        let away_ns = self.target_ns - self.now_ns;
        if self.rate == 0.0 && away_ns.abs() < NEAR_NS {
            return self.now_ns;
        }
        let wanted = (away_ns / SMOOTHING_NS).clamp(-SHRINKAGE, GROWTH);
        let before = self.rate;
        self.rate += (wanted - self.rate) * (block_ns / SMOOTHING_NS * 4.0).min(1.0);
        if away_ns.abs() < NEAR_NS && self.rate.abs() < NEAR_RATE {
            self.rate = 0.0;
        }
        self.now_ns += (before + self.rate) / 2.0 * block_ns;
        self.now_ns
    }

    /// Learns the least slack of what was delivered since the last block; infinity: nothing was.
    pub(crate) fn observe(&mut self, least_slack_ns: f64, block_ns: f64) {
        if !self.is_auto {
            return;
        }
        self.interval_ns += block_ns;
        self.since_late_ns += block_ns;
        self.since_first_ns += block_ns;
        if self.since_first_ns > N_INTERVALS as f64 * INTERVAL_NS {
            // Too long ago to have to do with what comes.
            (self.n_late_events, self.latest_ns) = (0, 0.0);
        }
        if least_slack_ns.is_finite() {
            // While it grows, the slack is on its way already.
            let slack_ns = least_slack_ns + (self.target_ns - self.now_ns);
            // First, so that a move for it moves it too.
            self.interval_least_ns = self.interval_least_ns.min(slack_ns);
            if slack_ns >= 0.0 {
                self.interval_in_time_ns = self.interval_in_time_ns.min(slack_ns);
            }
            self.watch_lateness(slack_ns);
        }
        if self.interval_ns < INTERVAL_NS {
            return;
        }
        if self.interval_least_ns == f64::INFINITY {
            // Nobody delivered: nothing is known of this interval.
            self.interval_ns = 0.0;
            return;
        }
        // One late delivery is a mishap, whenever it comes: while the worst interval still counts, it does not.
        let is_mishap = self.interval_late_events <= 1 && self.n_history < N_INTERVALS;
        let is_known = self.interval_in_time_ns.is_finite();
        self.history_ns.rotate_left(1);
        self.history_ns[N_INTERVALS - 1] =
            if is_mishap && is_known { self.interval_in_time_ns } else { self.interval_least_ns };
        self.n_history = (self.n_history + 1).min(N_INTERVALS);
        self.interval_ns = 0.0;
        self.interval_least_ns = f64::INFINITY;
        self.interval_in_time_ns = f64::INFINITY;
        self.interval_late_events = 0;
        self.judge();
    }

    fn watch_lateness(&mut self, slack_ns: f64) {
        let was_late = std::mem::replace(&mut self.is_late, slack_ns < 0.0);
        if slack_ns >= 0.0 {
            return;
        }
        self.latest_ns = self.latest_ns.min(slack_ns);
        if !was_late || self.since_late_ns >= AGAIN_NS {
            if self.n_late_events == 0 {
                self.since_first_ns = 0.0;
            }
            self.n_late_events += 1;
            self.interval_late_events += 1;
            self.since_late_ns = 0.0;
        }
        if self.n_late_events >= LATE_EVENTS {
            self.move_target(GUARD_NS - self.latest_ns);
        }
    }

    fn move_target(&mut self, by_ns: f64) {
        let before_ns = self.target_ns;
        self.target_ns = (self.target_ns + by_ns).clamp(0.0, self.most_ns);
        let moved_ns = self.target_ns - before_ns;
        self.history_ns.iter_mut().for_each(|slack_ns| *slack_ns += moved_ns);
        self.interval_least_ns += moved_ns;
        self.interval_in_time_ns += moved_ns;
        self.n_late_events = 0;
        self.latest_ns = 0.0;
    }

    fn judge(&mut self) {
        let seen = &self.history_ns[N_INTERVALS - self.n_history..];
        let least_ns = seen.iter().copied().fold(f64::INFINITY, f64::min);
        // Where somebody was late, the second worst; until enough was seen, the worst. What came just in time is no mishap:
        // a device's periods slide along our blocks, and next time they come later.
        let mut skipped = self.n_history < N_INTERVALS || least_ns >= 0.0;
        let mut judged_ns = f64::INFINITY;
        for &slack_ns in seen {
            if !skipped && slack_ns == least_ns {
                skipped = true;
            } else {
                judged_ns = judged_ns.min(slack_ns);
            }
        }
        let spare_ns = judged_ns - GUARD_NS;
        let full = self.n_history == N_INTERVALS;
        if spare_ns < 0.0 || (full && spare_ns > HYSTERESIS_NS) {
            // Grown to what is needed, or shrunk so that a little of the hysteresis stays.
            self.move_target(if spare_ns < 0.0 { -spare_ns } else { LEFT_NS - spare_ns });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK_NS: f64 = 128.0 / 48_000.0 * 1e9;

    /// Runs for `seconds` with a slack that the latency shifts; returns the largest change of latency in a block.
    fn run(control: &mut LatencyControl, seconds: f64, mut need_ns: impl FnMut(u64) -> f64) -> f64 {
        let mut largest: f64 = 0.0;
        for block in 0..(seconds * 1e9 / BLOCK_NS) as u64 {
            let before = control.now_ns();
            control.observe(before - need_ns(block), BLOCK_NS);
            largest = largest.max((control.advance(BLOCK_NS) - before).abs());
        }
        largest
    }

    #[test]
    fn it_begins_with_what_is_needed_and_shrinks_slowly_to_what_is_seen() {
        let mut control = LatencyControl::auto(1e9);
        control.need(12e6, true);
        assert_eq!(control.now_ns(), 12.5e6);
        let largest = run(&mut control, 600.0, |_| 8e6);
        assert!(largest <= SHRINKAGE * BLOCK_NS * 1.001, "{largest}");
        assert!((9.0e6..9.2e6).contains(&control.now_ns()), "{}", control.now_ns());
    }

    #[test]
    fn it_grows_without_a_jump_when_deliveries_come_late_again_and_again() {
        let mut control = LatencyControl::auto(1e9);
        control.need(9e6, true);
        // Every five seconds, four blocks lack 10 ms more.
        let largest = run(&mut control, 60.0, |block| if block % 1875 < 4 { 19e6 } else { 9e6 });
        assert!(largest <= GROWTH * BLOCK_NS * 1.001, "{largest}");
        assert!((19.0e6..20.6e6).contains(&control.now_ns()), "{}", control.now_ns());
        // And it keeps that while it goes on.
        run(&mut control, 600.0, |block| if block % 1875 < 4 { 19e6 } else { 9e6 });
        assert!((19.0e6..20.6e6).contains(&control.now_ns()), "{}", control.now_ns());
    }

    #[test]
    fn one_late_delivery_soon_after_the_start_is_no_more_worth_than_a_later_one() {
        let mut control = LatencyControl::auto(1e9);
        control.need(9e6, true);
        let late = (3e9 / BLOCK_NS) as u64;
        run(&mut control, 120.0, |block| if block == late { 509e6 } else { 9e6 });
        assert!(control.now_ns() < 11e6, "{}", control.now_ns());
    }

    #[test]
    fn a_mishap_an_hour_is_never_worth_a_cushion() {
        let mut control = LatencyControl::auto(1e9);
        control.need(9e6, true);
        let hour = (3_600e9 / BLOCK_NS) as u64;
        run(&mut control, 5.0 * 3_600.0, |block| if block % hour == hour / 2 { 509e6 } else { 8.5e6 });
        assert!(control.now_ns() < 10e6, "{}", control.now_ns());
        // And in between neither: as much as can have been given back meanwhile.
        let largest = run(&mut control, 3_600.0, |block| if block == hour / 2 { 509e6 } else { 8.5e6 });
        assert!(largest < 1.0, "{largest}");
    }

    #[test]
    fn who_delivers_nothing_teaches_nothing() {
        let mut control = LatencyControl::auto(1e9);
        control.need(9e6, true);
        run(&mut control, 30.0, |_| 9e6);
        let before_ns = control.now_ns();
        run(&mut control, 300.0, |_| f64::NEG_INFINITY);
        assert_eq!(control.now_ns(), before_ns);
    }

    #[test]
    fn steady_lateness_is_covered_within_seconds() {
        let mut control = LatencyControl::auto(1e9);
        control.need(9e6, true);
        run(&mut control, 5.0, |_| 14e6);
        assert!(control.now_ns() > 14e6, "{}", control.now_ns());
    }

    #[test]
    fn one_late_delivery_is_not_worth_a_cushion() {
        let mut control = LatencyControl::auto(1e9);
        control.need(9e6, true);
        run(&mut control, 120.0, |block| if (20_000..20_004).contains(&block) { 60e6 } else { 8.5e6 });
        assert!(control.now_ns() < 10e6, "{}", control.now_ns());
    }

    #[test]
    fn a_fixed_latency_stays_and_a_bound_holds() {
        let mut control = LatencyControl::fixed(20e6);
        control.need(50e6, true);
        run(&mut control, 60.0, |_| 30e6);
        assert_eq!(control.now_ns(), 20e6);
        let mut control = LatencyControl::auto(30e6);
        control.need(50e6, true);
        assert_eq!(control.now_ns(), 30e6);
    }

    #[test]
    fn while_somebody_listens_a_new_need_is_met_by_steering() {
        let mut control = LatencyControl::auto(1e9);
        control.need(9e6, true);
        control.need(29e6, false);
        assert_eq!(control.now_ns(), 9.5e6);
        let largest = run(&mut control, 30.0, |_| 9e6);
        assert!(largest <= GROWTH * BLOCK_NS * 1.001, "{largest}");
        assert!((control.now_ns() - 29.5e6).abs() < 2e3, "{}", control.now_ns());
    }
}
