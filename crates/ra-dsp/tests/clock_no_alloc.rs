//! Estimator and steering, run under an allocator that aborts on any allocation or release. In debug builds only: in
//! release builds assert_no_alloc leaves its allocator out.
#![cfg(debug_assertions)]

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use ra_core::{FramePosition, SampleRate};
use ra_dsp::{ClockEstimator, Observation, RateSteering};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[test]
fn starts_jumps_breaks_and_outliers() {
    assert_no_alloc(|| {
        let mut estimator = ClockEstimator::new(SampleRate::HZ_48000);
        let mut steering = RateSteering::new(1e-3);
        steering.start(1.0);
        let mut n_jumps = 0;
        for n in 0..3_000u64 {
            let late_ns = match n {
                1_000.. => 30_000_000,
                _ if n % 50 == 0 => 20_000_000,
                _ => n * 7_919 % 100_000,
            };
            if n == 2_000 {
                estimator.mark_break();
            }
            let observation = estimator.observe(FramePosition(n * 480), 480, 1_000_000_000 + n * 10_000_000 + late_ns);
            n_jumps += u32::from(matches!(observation, Observation::Jumped { .. }));
            let now_ns = 1_000_000_000 + n * 10_000_000;
            let _ = (estimator.frame_at(now_ns, 0.5), estimator.time_of(FramePosition(n)), estimator.drift());
            steering.next(1e-5, estimator.rate_factor(), estimator.age_s());
        }
        assert_eq!(n_jumps, 1);
    });
}
