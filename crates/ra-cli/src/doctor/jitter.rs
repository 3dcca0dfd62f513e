//! How punctually this machine wakes threads: absolute sleeps, as the mixer's, on an ordinary thread and on one of the
//! class that the mixer asks for, side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ra_engine::core::{Clock, RealtimeClass, RealtimeGrant, SystemClock};
use ra_engine::{RealtimeRequest, request_realtime};

use super::report::{Lateness, Timers};
use crate::Failure;

/// 256 frames at 48 kHz, in nanoseconds.
const PERIOD_NS: u64 = 5_333_333;
const PERIOD_FRAMES: usize = 256;
const RATE_HZ: u32 = 48_000;
/// Between two looks at the signals.
const TICK: Duration = Duration::from_millis(50);

/// Measures for so long, or until `is_over` says so; it is told how much time has passed.
///
/// # Errors
/// [`Failure::Running`] where a thread can't be started, or the time was too short for a single wake-up.
pub(super) fn measure(duration: Duration, is_over: &mut dyn FnMut(Duration) -> bool) -> Result<Timers, Failure> {
    let end = Arc::new(AtomicBool::new(false));
    let n_wakes = (duration.as_nanos() / u128::from(PERIOD_NS)) as usize;
    let start = |name: &str, request: RealtimeRequest| {
        let end = Arc::clone(&end);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Touched before the first wake-up, so that none of them meets a page fault.
            let mut late_ns = vec![0u64; n_wakes];
            let grant = request_realtime(request, RATE_HZ, PERIOD_FRAMES);
            let n = wake_again_and_again(&SystemClock, &end, &mut late_ns);
            late_ns.truncate(n);
            (grant, late_ns)
        });
        thread.map_err(|e| Failure::Running(format!("the timers can't be measured: no thread: {e}")))
    };
    let began = Instant::now();
    // The ordinary one first: once memory is locked, another stack may not be had.
    let ordinary = start("ra-timer", RealtimeRequest::Ordinary)?;
    let realtime = start("ra-timer-rt", RealtimeRequest::default())?;
    while !(ordinary.is_finished() && realtime.is_finished()) {
        thread::sleep(TICK);
        if is_over(began.elapsed()) {
            // Relaxed: the flag carries nothing with it.
            end.store(true, Ordering::Relaxed);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let ((_, ordinary), (grant, realtime)) = (join(ordinary)?, join(realtime)?);
    if ordinary.is_empty() {
        return Err(Failure::Running("the timers could not be measured: it was over too soon".to_owned()));
    }
    let is_realtime = !matches!(grant.class, RealtimeClass::Ordinary | RealtimeClass::None);
    Ok(Timers {
        period_us: PERIOD_NS as f64 / 1e3,
        seconds,
        ordinary: Lateness::of(ordinary),
        realtime: is_realtime.then(|| Lateness::of(realtime)),
        grant,
    })
}

fn join(thread: JoinHandle<(RealtimeGrant, Vec<u64>)>) -> Result<(RealtimeGrant, Vec<u64>), Failure> {
    thread.join().map_err(|_| Failure::Running("the timers can't be measured: a thread panicked".to_owned()))
}

/// Waits for one deadline after the other and writes down how late each wake-up was; returns how many there were. Once it
/// is a whole period late it goes on from now: the deadlines that it slept through were missed once, not one by one.
fn wake_again_and_again(clock: &dyn Clock, end: &AtomicBool, late_ns: &mut [u64]) -> usize {
    let mut deadline_ns = clock.now_ns() + PERIOD_NS;
    for (n, late) in late_ns.iter_mut().enumerate() {
        // Relaxed: the flag carries nothing with it.
        if end.load(Ordering::Relaxed) {
            return n;
        }
        clock.sleep_until_ns(deadline_ns);
        let now_ns = clock.now_ns();
        *late = now_ns.saturating_sub(deadline_ns);
        deadline_ns = if *late >= PERIOD_NS { now_ns + PERIOD_NS } else { deadline_ns + PERIOD_NS };
    }
    late_ns.len()
}

impl Lateness {
    fn of(mut late_ns: Vec<u64>) -> Self {
        late_ns.sort_unstable();
        let rank = |quantile: f64| {
            let at = (quantile * late_ns.len() as f64).ceil() as usize;
            late_ns.get(at.max(1) - 1).map_or(0.0, |&ns| ns as f64 / 1e3)
        };
        Self {
            n: late_ns.len(),
            p50_us: rank(0.5),
            p99_us: rank(0.99),
            p999_us: rank(0.999),
            max_us: rank(1.0),
            missed: late_ns.iter().filter(|&&ns| ns >= PERIOD_NS).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// A clock that wakes as late as it is told, one wake-up after the other.
    struct Sluggish {
        now_ns: AtomicU64,
        late_ns: Vec<u64>,
        n: AtomicU64,
    }

    impl Clock for Sluggish {
        fn now_ns(&self) -> u64 {
            self.now_ns.load(Ordering::Relaxed)
        }

        fn sleep_until_ns(&self, deadline_ns: u64) {
            let n = self.n.fetch_add(1, Ordering::Relaxed) as usize;
            self.now_ns.store(deadline_ns + self.late_ns[n], Ordering::Relaxed);
        }
    }

    #[test]
    fn every_wake_up_is_written_down_and_a_long_sleep_is_missed_once() {
        let planted = vec![10_000, 20_000, 3 * PERIOD_NS, 5_000, 0];
        let clock = Sluggish { now_ns: AtomicU64::new(7), late_ns: planted.clone(), n: AtomicU64::new(0) };
        let mut late_ns = vec![0; 5];
        assert_eq!(wake_again_and_again(&clock, &AtomicBool::new(false), &mut late_ns), 5);
        assert_eq!(late_ns, planted);
        let lateness = Lateness::of(late_ns);
        assert_eq!((lateness.n, lateness.p50_us, lateness.missed), (5, 10.0, 1));
        assert_eq!((lateness.p999_us, lateness.max_us), (16_000.0 - 0.001, 16_000.0 - 0.001));
        assert_eq!(wake_again_and_again(&clock, &AtomicBool::new(true), &mut [0; 5]), 0, "it can be ended");
    }

    #[test]
    fn quantiles_are_the_nearest_ranks() {
        let lateness = Lateness::of((1..=1000).map(|us| us * 1_000).collect());
        assert_eq!(
            (lateness.p50_us, lateness.p99_us, lateness.p999_us, lateness.max_us),
            (500.0, 990.0, 999.0, 1000.0)
        );
    }
}
