//! The fixed resampler as it sounds: length, place, passband and distortion.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/tone.rs"]
mod tone;

use std::f64::consts::TAU;

use proptest::prelude::*;
use ra_core::SampleRate;
use ra_dsp::{FixedResampler, Quality};
use tone::find_tone;

const QUALITIES: [Quality; 3] = [Quality::Fast, Quality::Balanced, Quality::Best];

fn resampler(channels: usize, from: u32, to: u32, quality: Quality) -> FixedResampler {
    FixedResampler::new(channels, SampleRate::new(from).unwrap(), SampleRate::new(to).unwrap(), quality).unwrap()
}

fn resample(resampler: &mut FixedResampler, input: &[f32], piece: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for piece in input.chunks(piece) {
        resampler.push(piece, &mut out).unwrap();
    }
    resampler.finish(&mut out).unwrap();
    out
}

fn sine(rate_hz: u32, hz: f64, n_frames: usize) -> Vec<f32> {
    (0..n_frames).map(|n| (0.5 * (n as f64 * hz / f64::from(rate_hz) * TAU).sin()) as f32).collect()
}

#[test]
fn tones_to_20_khz_keep_level_place_and_purity_at_best() {
    for (from, to) in [(44_100, 48_000), (48_000, 44_100), (48_000, 96_000), (96_000, 44_100)] {
        for hz in [40.0, 997.0, 10_000.0, 18_000.0, 20_000.0] {
            let out = resample(&mut resampler(1, from, to, Quality::Best), &sine(from, hz, from as usize), 4096);
            assert_eq!(out.len(), to as usize);
            let found = find_tone(&out[8_000..to as usize - 8_000], 8_000, f64::from(to), hz, 0.5);
            let case = format!("{from} -> {to}, {hz} Hz");
            assert!(found.level_db.abs() < 0.001, "{case}: {} dB", found.level_db);
            assert!(found.late_frames.abs() < 1e-5, "{case}: {} frames late", found.late_frames);
            // Single-precision samples alone leave about -150 dB.
            assert!(found.rest_db < -145.0, "{case}: THD+N {} dB", found.rest_db);
        }
    }
}

#[test]
fn each_quality_passes_and_stops_what_its_documentation_says() {
    for (quality, passed) in [(Quality::Fast, 0.95), (Quality::Balanced, 0.97), (Quality::Best, 0.985)] {
        for (from, to) in [(44_100u32, 48_000u32), (48_000, 44_100)] {
            let half = f64::from(from.min(to)) / 2.0;
            let hz = passed * half;
            let out = resample(&mut resampler(1, from, to, quality), &sine(from, hz, from as usize), 4096);
            let found = find_tone(&out[8_000..to as usize - 8_000], 8_000, f64::from(to), hz, 0.5);
            assert!(found.level_db.abs() < 0.01, "{quality} {from} -> {to}: {} dB at {hz} Hz", found.level_db);
            assert!(found.rest_db < -140.0, "{quality} {from} -> {to}: {} dB of images", found.rest_db);
        }
        let out = resample(&mut resampler(1, 48_000, 44_100, quality), &sine(48_000, 22_100.0, 48_000), 4096);
        let loudest = out[8_000..36_000].iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
        assert!(loudest < 0.5e-7, "{quality}: {} dB of what can't be there", 20.0 * loudest.log10());
    }
}

#[test]
fn an_impulse_stays_in_its_place() {
    for quality in QUALITIES {
        for (from, to, at, expected) in
            [(44_100, 48_000, 147 * 40, 160 * 40), (48_000, 44_100, 160 * 40, 147 * 40), (48_000, 96_000, 0, 0)]
        {
            let mut input = vec![0.0f32; 20_000];
            input[at] = 1.0;
            let out = resample(&mut resampler(1, from, to, quality), &input, 777);
            let (place, peak) = out.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            assert_eq!(place, expected, "{quality} {from} -> {to}");
            assert!(*peak > 0.85, "{quality} {from} -> {to}: {peak}");
            // Symmetric about its place: no part of a frame is left over.
            for distance in 1..100.min(place) {
                assert!((out[place - distance] - out[place + distance]).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn rates_without_a_common_divisor_are_aligned_too() {
    for (from, to) in [(44_101, 48_000), (47_999, 11_027), (1_000, 44_100)] {
        let hz = 0.03 * f64::from(from.min(to));
        let n_frames = 2 * from as usize;
        let out = resample(&mut resampler(1, from, to, Quality::Fast), &sine(from, hz, n_frames), 10_000);
        assert_eq!(out.len(), 2 * to as usize);
        let middle = to as usize / 2..to as usize * 3 / 2;
        let found = find_tone(&out[middle.clone()], middle.start, f64::from(to), hz, 0.5);
        assert!(found.late_frames.abs() < 1e-4 && found.rest_db < -130.0, "{} {}", found.late_frames, found.rest_db);
    }
}

#[test]
fn equal_rates_pass_to_the_bit_and_channels_do_not_mix() {
    let sound: Vec<f32> = sine(48_000, 333.0, 1001);
    assert_eq!(resample(&mut resampler(1, 48_000, 48_000, Quality::Best), &sound, 13), sound);
    let stereo: Vec<f32> = sine(48_000, 333.0, 9_600).iter().flat_map(|&x| [x, 0.0]).collect();
    let out = resample(&mut resampler(2, 48_000, 44_100, Quality::Balanced), &stereo, 101);
    assert!(out.chunks_exact(2).all(|frame| frame[1] == 0.0));
    let left: Vec<f32> = out.chunks_exact(2).map(|frame| frame[0]).collect();
    assert!(find_tone(&left[2000..6000], 2000, 44_100.0, 333.0, 0.5).rest_db < -120.0);
}

#[test]
fn a_second_stream_knows_nothing_of_the_first() {
    let mut both = resampler(1, 44_100, 48_000, Quality::Fast);
    let first = resample(&mut both, &[0.9; 3000], 500);
    let second = resample(&mut both, &[0.1; 3000], 700);
    assert_eq!(first.len(), second.len());
    assert_eq!(second, resample(&mut resampler(1, 44_100, 48_000, Quality::Fast), &[0.1; 3000], 3000));
    assert!(FixedResampler::new(0, SampleRate::HZ_44100, SampleRate::HZ_48000, Quality::Fast).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn length_and_sound_do_not_depend_on_the_pieces(
        pair in prop::sample::select(vec![
            (44_100u32, 48_000u32), (48_000, 44_100), (8_000, 48_000), (48_000, 22_050), (96_000, 48_000),
        ]),
        n_frames in 0usize..9_000, channels in 1usize..4, piece in 1usize..5_000,
    ) {
        let (from, to) = pair;
        let input: Vec<f32> = (0..n_frames * channels).map(|n| ((n * 7919) % 1000) as f32 / 1000.0 - 0.5).collect();
        let whole = resample(&mut resampler(channels, from, to, Quality::Fast), &input, usize::MAX);
        let expected = (n_frames as f64 * f64::from(to) / f64::from(from) + 0.5).floor() as usize;
        prop_assert_eq!(whole.len(), expected * channels);
        let pieces = resample(&mut resampler(channels, from, to, Quality::Fast), &input, piece);
        prop_assert_eq!(whole, pieces);
    }
}
