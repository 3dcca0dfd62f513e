//! Every function that the audio thread calls, run under an allocator that aborts on any allocation or release. In
//! debug builds only: in release builds assert_no_alloc leaves its allocator out.
#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use ra_core::{FramePosition, Level, Ppm, SampleRate, StreamSpec};
use ra_dsp::{
    Band, BandKind, BitDepth, DelayLine, Equaliser, EqualiserConfig, GainMatrix, Insert, InsertSlot, LevelMeter,
    Limiter, LimiterConfig, Quality, Quantiser, Ramp, SharedLevels, SteeredResampler, db_to_lin, lin_to_db,
    replace_non_finite,
};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

const FRAMES: usize = 128;

fn block() -> Vec<f32> {
    (0..2 * FRAMES).map(|n| (n as f32 * 0.1).sin()).collect()
}

fn spec() -> StreamSpec {
    StreamSpec::new(48_000, 2).unwrap()
}

#[test]
fn gains_ramps_meters_and_repair() {
    let input = block();
    let mut bad = block();
    bad[5] = f32::NAN;
    let mut bus = vec![0.0f64; 2 * FRAMES];
    let mut wide_bus = vec![0.0f64; 6 * FRAMES];
    let mut matrix = GainMatrix::new(2, 2);
    let mut upmix = GainMatrix::new(2, 6);
    let mut ramp = Ramp::new(0.0);
    let mut meter = LevelMeter::new(2);
    let shared = SharedLevels::new(2);
    assert_no_alloc(|| {
        for round in 0..20 {
            let gain = db_to_lin(lin_to_db(round as f32 / 20.0));
            matrix.set_targets(&[gain, 0.1, 0.2, gain], 100);
            upmix.set_targets(&[gain; 12], 1000);
            matrix.mix_into(&input, &mut bus);
            matrix.set_targets(&[0.0; 4], 50);
            matrix.mix_into(&input, &mut bus);
            matrix.set_targets(&[1.0, 0.0, 0.0, 1.0], 0);
            matrix.mix_into(&input, &mut bus);
            upmix.mix_into(&input, &mut wide_bus);
            ramp.set_target(gain, 10);
            ramp.next_value();
            meter.process(&input);
            meter.take(&mut |channel, level| shared.store(channel, level));
            assert_ne!(shared.load(1), Level::default());
            bad[round * 3] = f32::INFINITY;
            assert!(replace_non_finite(&mut bad) > 0);
        }
    });
}

#[test]
fn delays_and_effects() {
    let mut sound = block();
    let mut delay = DelayLine::new(2, 1000);
    let mut limiter = Limiter::new(LimiterConfig { ceiling_db: -12.0, ..Default::default() }, spec()).unwrap();
    let band = Band { kind: BandKind::Peak, hz: 1000.0, gain_db: 6.0, q: 1.0 };
    let mut equaliser = Equaliser::new(&EqualiserConfig { bands: vec![band; 4] }, spec()).unwrap();
    let held = Limiter::new(LimiterConfig::default(), spec()).unwrap();
    let mut slot = InsertSlot::new(Box::new(held), 2, FRAMES, 480);
    assert_no_alloc(|| {
        for round in 0..40 {
            delay.set_delay(round * 20, 64);
            delay.process(&mut sound);
            sound.iter_mut().for_each(|sample| *sample += 0.3);
            limiter.process(&mut sound);
            equaliser.process(&mut sound);
            slot.process(&mut sound);
            if round == 20 {
                slot.begin_removal();
            }
            assert!(slot.latency_frames() <= 240 && slot.name() == "limiter");
        }
        assert!(slot.is_removed());
    });
}

#[test]
fn quantising() {
    let sound = block();
    let mut out = vec![0; sound.len()];
    assert_no_alloc(|| {
        for bits in [BitDepth::S16, BitDepth::S24] {
            Quantiser { bits }.quantise(FramePosition(7), 2, &sound, &mut out);
        }
    });
}

#[test]
fn resampling_steered_in_every_block() {
    for quality in [Quality::Fast, Quality::Balanced, Quality::Best] {
        for (from, to) in [(48_000, 48_000), (44_100, 48_000), (96_000, 44_100)] {
            let (from, to) = (SampleRate::new(from).unwrap(), SampleRate::new(to).unwrap());
            let mut resampler = SteeredResampler::new(2, from, to, FRAMES, quality).unwrap();
            let input = vec![0.25; 2 * resampler.max_input_frames()];
            let mut output = vec![0.0; 2 * FRAMES];
            assert_no_alloc(|| {
                for round in 0..200 {
                    let rate_end = Ppm(500.0 * f64::from(round % 17) - 4000.0).ratio();
                    let n_samples = 2 * resampler.input_frames_next(rate_end);
                    assert!(resampler.process(&input[..n_samples], rate_end, &mut output).is_ok());
                    assert!(resampler.process(&input[..1], f64::NAN, &mut output).is_err());
                    assert!(resampler.lead_frames() >= resampler.reach_frames() as f64);
                    if round % 50 == 20 {
                        resampler.restart(0.5, rate_end);
                    }
                }
            });
            assert!((output[0] - 0.25).abs() < 1e-3);
        }
    }
}
