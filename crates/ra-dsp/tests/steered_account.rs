//! What the steered resampler counts and refuses: how much it takes, where it stands, what it forgets.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/steer.rs"]
mod steer;

use proptest::prelude::*;
use ra_core::SampleRate;
use ra_dsp::{DspError, Quality, SteeredResampler};
use steer::{noise, run};

const QUALITIES: [Quality; 3] = [Quality::Fast, Quality::Balanced, Quality::Best];

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

#[test]
fn reach_and_latency_are_half_the_filter() {
    for (quality, reach) in [(Quality::Fast, 16), (Quality::Balanced, 32), (Quality::Best, 64)] {
        let resampler = SteeredResampler::new(2, rate(48_000), rate(48_000), 128, quality).unwrap();
        assert_eq!((resampler.reach_frames(), resampler.latency_out_frames()), (reach, reach as f64));
        let up = SteeredResampler::new(2, rate(24_000), rate(48_000), 128, quality).unwrap();
        assert_eq!((up.reach_frames(), up.latency_out_frames()), (reach, 2.0 * reach as f64));
        // As long as the slower side asks.
        let down = SteeredResampler::new(2, rate(192_000), rate(8_000), 128, quality).unwrap();
        assert_eq!((down.reach_frames(), down.latency_out_frames()), (24 * reach, reach as f64));
    }
}

#[test]
fn it_starts_where_it_is_told_to() {
    for (fraction, frames) in [(0.0, 0.0), (0.25, 0.25), (0.999, 0.999), (1e-300, 0.0), (1.0, 1.0)] {
        let mut resampler = SteeredResampler::new(1, rate(48_000), rate(48_000), 16, Quality::Best).unwrap();
        resampler.restart(fraction, 1.5);
        assert_eq!((resampler.lead_frames(), resampler.rate()), (-(64.0 + frames), 1.5));
        // A straight line is not bent by a filter: what comes out is the place.
        let (sound, places) = run(&mut resampler, 1.0, 100, |n| n * 0.001, |_| 1.5);
        assert_eq!(places[0], 64.0 + frames);
        for (sample, place) in sound.iter().zip(places) {
            assert!((f64::from(*sample) - place * 0.001).abs() < 1e-5, "{sample} at {place}");
        }
    }
}

#[test]
fn restarting_leaves_no_trace() {
    for quality in QUALITIES {
        for channels in [1, 2, 3] {
            let make = || SteeredResampler::new(channels, rate(44_100), rate(48_000), 64, quality).unwrap();
            let (mut old, mut fresh) = (make(), make());
            let mut output = vec![0.0; channels * 64];
            let mut noise = noise(3);
            for _ in 0..30 {
                let input: Vec<f32> = (0..channels * old.input_frames_next(1.1)).map(|_| noise() as f32).collect();
                old.process(&input, 1.1, &mut output).unwrap();
            }
            old.restart(0.5, 0.99);
            fresh.restart(0.5, 0.99);
            let mut expected = output.clone();
            for _ in 0..30 {
                let n_samples = channels * old.input_frames_next(1.01);
                assert_eq!(n_samples, channels * fresh.input_frames_next(1.01));
                let input: Vec<f32> = (0..n_samples).map(|_| noise() as f32).collect();
                old.process(&input, 1.01, &mut output).unwrap();
                fresh.process(&input, 1.01, &mut expected).unwrap();
                assert_eq!(output, expected);
            }
        }
    }
}

#[test]
fn rates_are_bounded_and_never_fail() {
    let mut resampler = SteeredResampler::new(1, rate(48_000), rate(48_000), 128, Quality::Fast).unwrap();
    let mut heading = |to: f64| {
        let input = vec![0.1; resampler.input_frames_next(to)];
        resampler.process(&input, to, &mut [0.0; 128]).unwrap();
        (resampler.rate(), input.len())
    };
    assert_eq!(heading(1.25).0, 1.25);
    assert_eq!(heading(f64::NAN).0, 1.25);
    assert_eq!(heading(f64::INFINITY).0, 2.0);
    assert_eq!(heading(1e9), (2.0, 256));
    assert_eq!(heading(-1.0).0, 0.5);
    assert_eq!(heading(f64::NEG_INFINITY), (0.5, 64));
    resampler.restart(f64::MIN_POSITIVE, f64::NAN);
    assert_eq!(resampler.rate(), 0.5);
    resampler.restart(0.0, f64::INFINITY);
    assert_eq!(resampler.rate(), 2.0);
}

#[test]
fn wrong_lengths_and_settings_are_errors_that_change_nothing() {
    let make = || SteeredResampler::new(2, rate(48_000), rate(48_000), 128, Quality::Fast).unwrap();
    let (mut resampler, mut untouched) = (make(), make());
    let needed = resampler.input_frames_next(1.01);
    let mut block = [7.0; 256];
    for wrong in [0, 2 * needed - 2, 2 * needed - 1, 2 * needed + 2] {
        let result = resampler.process(&vec![0.5; wrong], 1.01, &mut block);
        assert!(matches!(result, Err(DspError::BlockLength { .. })));
    }
    let error = resampler.process(&vec![0.5; needed * 2], 1.01, &mut block[..100]).unwrap_err();
    assert_eq!(error.to_string(), "an output block of 100 samples, expected 256");
    assert_eq!((block, resampler.input_frames_next(1.01), resampler.rate()), ([7.0; 256], needed, 1.0));
    let (input, mut expected) = (vec![0.25; needed * 2], [0.0; 256]);
    resampler.process(&input, 1.01, &mut block).unwrap();
    untouched.process(&input, 1.01, &mut expected).unwrap();
    assert_eq!(block, expected);
    for (channels, frames) in [(0, 128), (257, 128), (2, 0), (2, 100_000)] {
        assert!(SteeredResampler::new(channels, rate(48_000), rate(48_000), frames, Quality::Fast).is_err());
    }
    let error = SteeredResampler::new(256, rate(768_000), rate(1000), 65_536, Quality::Best).unwrap_err().to_string();
    assert!(error.starts_with("a resampler's memory of ") && error.ends_with("expected 1 to 268435456 samples"));
}

#[test]
fn a_month_of_places_adds_up() {
    // Blocks of 8192 frames at a rate whose steps need no rounding: a whole number of them is a whole number of frames.
    let mut resampler = SteeredResampler::new(1, rate(1000), rate(48_000), 8192, Quality::Fast).unwrap();
    let to = 1.0 + (-20.0f64).exp2();
    resampler.restart(0.1, to);
    let (input, mut output) = (vec![0.0; resampler.max_input_frames()], vec![0.0; 8192]);
    let mut n_in = 0;
    let mut process = |resampler: &mut SteeredResampler| {
        let needed = resampler.input_frames_next(to);
        resampler.process(&input[..needed], to, &mut output).unwrap();
        n_in += needed;
        n_in as f64 - resampler.lead_frames()
    };
    let step = 8192.0 * (1000.0 / 48_000.0 * to);
    let first = process(&mut resampler);
    for n in 1..200 {
        let expected = first + step * f64::from(n);
        assert!((process(&mut resampler) - expected).abs() < 1e-9, "block {n}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn what_it_takes_is_what_its_lead_implies(
        from in 1_000u32..=768_000,
        to in 1_000u32..=768_000,
        out_frames in 1usize..600,
        fraction in 0.0f64..1.0,
        quality in 0usize..3,
        rates in proptest::collection::vec(0.5f64..=2.0, 1..12),
    ) {
        let mut resampler = SteeredResampler::new(1, rate(from), rate(to), out_frames, QUALITIES[quality]).unwrap();
        let input = vec![0.25; resampler.max_input_frames()];
        let mut output = vec![0.0; out_frames];
        let reach = resampler.reach_frames() as f64;
        resampler.restart(fraction, rates[0]);
        prop_assert!((resampler.lead_frames() + reach + fraction).abs() < 1e-12);
        for &to_rate in &rates {
            let (lead, from_rate) = (resampler.lead_frames(), resampler.rate());
            let advance = out_frames as f64 * f64::from(from) / f64::from(to) * (from_rate + to_rate) / 2.0;
            let n_in = resampler.input_frames_next(to_rate);
            prop_assert!(n_in <= resampler.max_input_frames());
            resampler.process(&input[..n_in], to_rate, &mut output).unwrap();
            let after = resampler.lead_frames();
            prop_assert!((lead + n_in as f64 - advance - after).abs() < 1e-8 * reach);
            prop_assert!(after >= reach && after < reach + 1.0, "{after}, reach {reach}");
            prop_assert_eq!(resampler.rate(), to_rate);
            // Direct current passes whatever the rate.
            for &sample in &output {
                prop_assert!((sample - 0.25).abs() < 1e-4, "{}", sample);
            }
        }
    }
}
