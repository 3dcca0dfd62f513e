//! The steered resampler as it sounds: level, place, distortion, and what a correction does.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/tone.rs"]
mod tone;

use std::f64::consts::TAU;

use proptest::prelude::*;
use ra_core::{Ppm, SampleRate};
use ra_dsp::{DspError, Quality, SteeredResampler};
use tone::find_tone;

const QUALITIES: [Quality; 3] = [Quality::Fast, Quality::Balanced, Quality::Best];

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

/// Runs `signal` (a function of the input frame) through, a correction for each block, for at least `n_frames`.
fn run(
    resampler: &mut SteeredResampler,
    n_frames: usize,
    signal: impl Fn(f64) -> f64,
    correction: impl Fn(usize) -> f64,
) -> Vec<f32> {
    let mut sound = Vec::new();
    let mut n_in = 0;
    let mut block = vec![0.0; resampler.output_frames()];
    for index in 0.. {
        if sound.len() >= n_frames {
            break;
        }
        resampler.set_ratio_correction(Ppm(correction(index)));
        let needed = resampler.input_frames_next();
        assert!(needed <= resampler.max_input_frames());
        let input: Vec<f32> = (n_in..n_in + needed).map(|n| signal(n as f64) as f32).collect();
        n_in += needed;
        resampler.process(&input, &mut block).unwrap();
        sound.extend_from_slice(&block);
    }
    sound
}

#[test]
fn input_frame_0_stands_exactly_at_the_latency() {
    for quality in QUALITIES {
        for (from, to, block) in [
            (48_000, 48_000, 128),
            (44_100, 48_000, 128),
            (48_000, 44_100, 128),
            (96_000, 48_000, 64),
            (16_000, 48_000, 1),
            (48_000, 16_000, 1),
            (192_000, 44_100, 7),
            (8_000, 192_000, 1024),
            (44_101, 47_999, 100),
        ] {
            let mut resampler = SteeredResampler::new(1, rate(from), rate(to), block, quality).unwrap();
            let latency = resampler.latency_frames();
            let hz = 0.02 * f64::from(from.min(to));
            let sound =
                run(&mut resampler, latency + 12_000, |n| 0.5 * (n * hz / f64::from(from) * TAU).sin(), |_| 0.0);
            let settled = &sound[latency + 4000..latency + 12_000];
            let found = find_tone(settled, 4000, f64::from(to), hz, 0.5);
            let case = format!("{quality} {from} -> {to}, blocks of {block}");
            assert!(found.late_frames.abs() < 1e-3, "{case}: {} frames late", found.late_frames);
            assert!(found.level_db.abs() < 0.01, "{case}: {} dB", found.level_db);
            assert!(found.rest_db < -95.0, "{case}: {} dB", found.rest_db);
        }
    }
}

#[test]
fn an_impulse_is_where_the_latency_says() {
    for quality in QUALITIES {
        let mut resampler = SteeredResampler::new(1, rate(48_000), rate(48_000), 32, quality).unwrap();
        let latency = resampler.latency_frames();
        let sound = run(&mut resampler, 2000, |n| f64::from(u8::from(n == 500.0)), |_| 0.0);
        let (place, peak) = sound.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        assert_eq!(place, 500 + latency, "{quality}");
        assert!(*peak > 0.7 && *peak <= 1.0, "{quality}: {peak}");
        let sum: f32 = sound.iter().sum();
        assert!((sum - 1.0).abs() < 1e-3, "{quality}: {sum}");
    }
}

#[test]
fn the_figures_in_its_documentation_hold() {
    for (quality, latency, hz, level_db, rest_db) in [
        (Quality::Fast, 16, 1000.0, 0.001, -130.0),
        (Quality::Fast, 16, 10_000.0, 0.001, -115.0),
        (Quality::Balanced, 64, 10_000.0, 0.001, -128.0),
        (Quality::Balanced, 64, 20_000.0, 0.01, -118.0),
        (Quality::Best, 128, 1000.0, 0.001, -130.0),
        (Quality::Best, 128, 20_000.0, 0.01, -130.0),
    ] {
        let mut resampler = SteeredResampler::new(1, rate(48_000), rate(48_000), 128, quality).unwrap();
        assert_eq!(resampler.latency_frames(), latency);
        let sound = run(&mut resampler, 30_000, |n| 0.5 * (n * hz / 48_000.0 * TAU).sin(), |_| 300.0);
        let found = find_tone(&sound[6_000..30_000], 6_000, 48_000.0, hz * (1.0 + 300e-6), 0.5);
        assert!(found.level_db.abs() < level_db, "{quality} {hz} Hz: {} dB", found.level_db);
        assert!(found.rest_db < rest_db, "{quality} {hz} Hz: {} dB", found.rest_db);
    }
    for (from, to) in [(44_100, 48_000), (48_000, 44_100)] {
        let mut resampler = SteeredResampler::new(1, rate(from), rate(to), 128, Quality::Best).unwrap();
        let sound = run(&mut resampler, 30_000, |n| 0.5 * (n * 20_000.0 / f64::from(from) * TAU).sin(), |_| 0.0);
        let found = find_tone(&sound[6_000..30_000], 6_000, f64::from(to), 20_000.0, 0.5);
        assert!(found.level_db.abs() < 0.01 && found.rest_db < -130.0, "{} {}", found.level_db, found.rest_db);
    }
}

#[test]
fn a_correction_moves_the_pitch_by_its_own_amount_and_sign() {
    // A source that runs 200 ppm fast sends its 1 kHz as 48 009.6 frames a second: what comes out must be 1 kHz again.
    let mut resampler = SteeredResampler::new(1, rate(48_000), rate(48_000), 128, Quality::Best).unwrap();
    let sound = run(&mut resampler, 60_000, |n| 0.5 * (n * 1000.0 / 48_009.6 * TAU).sin(), |_| 200.0);
    let found = find_tone(&sound[4_000..60_000], 4_000, 48_000.0, 1000.0, 0.5);
    assert!(found.rest_db < -125.0, "{} dB: not 1 kHz", found.rest_db);
}

#[test]
fn a_correction_in_every_block_ramps_and_nothing_steps() {
    const BLOCK: usize = 128;
    let hz = 997.0;
    let correction = |index: usize| 400.0 * ((index * 7919 % 101) as f64 / 50.0 - 1.0);
    let mut resampler = SteeredResampler::new(1, rate(48_000), rate(48_000), BLOCK, Quality::Best).unwrap();
    let latency = resampler.latency_frames() as f64;
    let sound = run(&mut resampler, 20_000, |n| 0.5 * (n * hz / 48_000.0 * TAU).sin(), correction);
    // The input frame that each output frame stands at, if the step goes in a straight line over each block.
    let (mut place, mut from) = (-latency - 1.0, 1.0);
    for (index, block) in sound.chunks(BLOCK).enumerate() {
        let to = 1.0 + correction(index) * 1e-6;
        for (n, &sample) in block.iter().enumerate() {
            place += from + (to - from) * (n + 1) as f64 / BLOCK as f64;
            if place > 300.0 {
                let expected = 0.5 * (place * hz / 48_000.0 * TAU).sin();
                assert!((f64::from(sample) - expected).abs() < 3e-6, "block {index}, frame {n}");
            }
        }
        from = to;
    }
}

#[test]
fn a_correction_is_bounded_and_never_fails() {
    let mut resampler = SteeredResampler::new(1, rate(48_000), rate(48_000), 128, Quality::Fast).unwrap();
    assert_eq!(resampler.set_ratio_correction(Ppm(1e9)), SteeredResampler::MAX_CORRECTION);
    assert_eq!(resampler.set_ratio_correction(Ppm(f64::NEG_INFINITY)), Ppm(-20_000.0));
    assert_eq!(resampler.set_ratio_correction(Ppm(f64::NAN)), Ppm(0.0));
    assert_eq!(resampler.set_ratio_correction(Ppm(-123.5)), Ppm(-123.5));
    let extremes = |index: usize| if index.is_multiple_of(2) { 20_000.0 } else { -20_000.0 };
    run(&mut resampler, 50_000, |_| 0.1, extremes);
}

#[test]
fn channels_do_not_mix() {
    let mut resampler = SteeredResampler::new(3, rate(44_100), rate(48_000), 64, Quality::Balanced).unwrap();
    let mut heard = Vec::new();
    let mut block = [0.0; 3 * 64];
    for _ in 0..50 {
        let input: Vec<f32> = (0..resampler.input_frames_next()).flat_map(|_| [0.5, 0.0, -0.25]).collect();
        resampler.process(&input, &mut block).unwrap();
        heard.extend_from_slice(&block);
    }
    for frame in heard.chunks_exact(3).skip(1000) {
        assert!((frame[0] - 0.5).abs() < 1e-4 && frame[1] == 0.0 && (frame[2] + 0.25).abs() < 1e-4, "{frame:?}");
    }
}

#[test]
fn wrong_lengths_and_settings_are_errors_that_change_nothing() {
    let mut resampler = SteeredResampler::new(2, rate(48_000), rate(48_000), 128, Quality::Fast).unwrap();
    let needed = resampler.input_frames_next();
    let mut block = [7.0; 256];
    for wrong in [needed - 1, needed + 1] {
        let result = resampler.process(&vec![0.0; wrong * 2], &mut block);
        assert!(matches!(result, Err(DspError::BlockLength { .. })));
    }
    let error = resampler.process(&vec![0.0; needed * 2], &mut block[..100]).unwrap_err();
    assert_eq!(error.to_string(), "an output block of 100 samples, expected 256");
    assert_eq!((block, resampler.input_frames_next()), ([7.0; 256], needed));
    for (channels, frames) in [(0, 128), (257, 128), (2, 0), (2, 100_000)] {
        assert!(SteeredResampler::new(channels, rate(48_000), rate(48_000), frames, Quality::Fast).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_pair_of_rates_can_be_aligned(
        from in 1_000u32..=768_000, to in 1_000u32..=768_000, block in 1usize..600, ppm in -20_000.0f64..20_000.0,
    ) {
        let mut resampler = SteeredResampler::new(1, rate(from), rate(to), block, Quality::Fast).unwrap();
        let latency = resampler.latency_frames();
        let hz = 0.01 * f64::from(from.min(to));
        // The filter is as long as its latency, twice.
        let settled = 2 * latency + 200;
        let signal = |n: f64| 0.5 * (n * hz / f64::from(from) * TAU).sin();
        let sound = run(&mut resampler, latency + settled + 3000, signal, |_| 0.0);
        let heard = &sound[latency + settled..latency + settled + 3000];
        let found = find_tone(heard, settled, f64::from(to), hz, 0.5);
        // In frames of the slower side.
        let late = found.late_frames * (f64::from(from) / f64::from(to)).min(1.0);
        prop_assert!(late.abs() < 1e-3, "{late} frames late");
        run(&mut resampler, 1000, |_| 0.0, |_| ppm);
    }
}
