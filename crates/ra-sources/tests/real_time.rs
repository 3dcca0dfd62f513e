//! What may be called on an audio thread does not allocate there. In debug builds only: in release builds
//! assert_no_alloc leaves its allocator out.

#![cfg(all(feature = "mock", debug_assertions))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use ra_core::{PulledSource, SampleRate, StreamEvent, StreamSpec};
use ra_sources::{ClockModel, MockConfig, MockSource, PacedConfig, Pacer, RoomTime, Signal};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[test]
fn signals_and_pacing_do_not_allocate() {
    let spec = StreamSpec::new(48_000, 2).unwrap();
    let clock = ClockModel { ppm: 50.0, thermal_ppm: 10.0, thermal_period_s: 1.0, step_ppm: 20.0, step_at_s: 0.5 };
    for signal in [
        Signal::Silence,
        Signal::Tone { hz: 997.0, dbfs: -12.0 },
        Signal::Impulses { every_s: 0.01, dbfs: -6.0 },
        Signal::Noise { dbfs: -20.0 },
        Signal::Sweep { from_hz: 20.0, to_hz: 20_000.0, s: 1.0, dbfs: -6.0 },
        Signal::Pair { correlation: 0.5, dbfs: -20.0, noise_dbfs: -40.0 },
    ] {
        let mut source = MockSource::new(MockConfig::new(spec, signal)).unwrap();
        source.set_clock(clock, RoomTime::ZERO).unwrap();
        let mut out = [0.0; 2 * 700];
        for _ in 0..70 {
            let event = assert_no_alloc(|| source.read(&mut out));
            assert_eq!(event.unwrap(), StreamEvent::Frames { n_frames: 700 });
        }
    }
    let config = PacedConfig { clock, jitter_us: 100.0, ..PacedConfig::default() };
    let mut pacer = Pacer::new(&config, SampleRate::HZ_48000, 0).unwrap();
    assert_no_alloc(|| {
        for _ in 0..1_000 {
            pacer.next_delivery();
        }
    });
}
