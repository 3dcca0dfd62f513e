//! Nothing on the audio path allocates or frees: the allocator itself says so. In debug builds only: in release builds
//! assert_no_alloc leaves its allocator out.
#![cfg(debug_assertions)]

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use ra_core::{BlockStamp, PeriodInput};
use ra_queue::{BlockReader, FanOutConfig, InputConfig, Join, ReadOutcome, fan_out, input_ring};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[test]
fn the_input_ring_does_not_allocate() {
    let config = InputConfig { capacity_frames: 100, capacity_periods: 3, ..InputConfig::default() };
    let (mut writer, mut reader, monitor) = input_ring(&config).unwrap();
    let period = [0.5; 60];
    let mut out = [0.0; 50];
    let mut n_gaps = 0;
    assert_no_alloc(|| {
        for n in 0..10_000 {
            writer.push(n, &period);
            writer.fill(n, 7, &mut |piece| piece.len() / 2);
            // Seldom, so that the list of segments fills up with gaps.
            if n % 3 == 0 {
                reader.poll_stamps(&mut |_| ());
                while reader.take_gap().map(|_| n_gaps += 1).is_some() || reader.read(&mut out) > 0 {}
            }
            reader.read_in_place(3, &mut |_| ());
            reader.discard(1);
            assert!(monitor.account().is_balanced());
        }
    });
    assert!(n_gaps > 1_000);
    assert!(monitor.account().dropped_frames > 0);
}

#[test]
fn the_fan_out_does_not_allocate() {
    let config = FanOutConfig { n_blocks: 8, samples_per_block: 33, ..FanOutConfig::default() };
    let (mut writer, bus) = fan_out(&config).unwrap();
    let mut prompt = bus.subscribe(Join::Next);
    let mut late = bus.subscribe(Join::Next);
    let mut out = [0.0; 33];
    assert_no_alloc(|| {
        let read = |reader: &mut dyn BlockReader, out: &mut [f32]| while reader.read(out) != ReadOutcome::Empty {};
        for seq in 0..10_000 {
            writer.publish(&BlockStamp { seq, ..BlockStamp::default() }, &[0.5; 33]);
            read(&mut *prompt, &mut out);
            if seq % 20 == 0 {
                read(&mut *late, &mut out);
            }
            if seq % 30 == 0 {
                late.skip_ahead();
            }
            assert!(late.counts().is_balanced());
        }
        writer.close();
    });
    assert_eq!(prompt.counts().read_blocks, 10_000);
    assert!(late.counts().lost_blocks > 0);
}
