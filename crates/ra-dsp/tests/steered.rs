//! The steered resampler as it sounds: level, place, distortion, and what a moving rate does. What it counts is in
//! `steered_account.rs`.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/steer.rs"]
mod steer;

use std::f64::consts::TAU;

use ra_core::SampleRate;
use ra_dsp::{Quality, SteeredResampler};
use steer::{CURVES, measure_tone, noise, run};

const QUALITIES: [Quality; 3] = [Quality::Fast, Quality::Balanced, Quality::Best];

fn new(from: u32, to: u32, out_frames: usize, quality: Quality) -> SteeredResampler {
    SteeredResampler::new(1, SampleRate::new(from).unwrap(), SampleRate::new(to).unwrap(), out_frames, quality).unwrap()
}

#[test]
fn the_figures_in_its_documentation_hold() {
    for (quality, hz, level_db, rest_db) in [
        (Quality::Fast, 1000.0, 0.001, -95.0),
        (Quality::Fast, 5000.0, 0.001, -95.0),
        (Quality::Fast, 10_000.0, 0.001, -95.0),
        (Quality::Fast, 16_000.0, 0.001, -92.0),
        (Quality::Balanced, 1000.0, 0.001, -128.0),
        (Quality::Balanced, 5000.0, 0.001, -128.0),
        (Quality::Balanced, 10_000.0, 0.001, -128.0),
        (Quality::Balanced, 18_000.0, 0.001, -127.0),
        (Quality::Best, 1000.0, 0.001, -138.0),
        (Quality::Best, 5000.0, 0.001, -138.0),
        (Quality::Best, 10_000.0, 0.001, -138.0),
        (Quality::Best, 18_000.0, 0.001, -138.0),
        (Quality::Best, 20_000.0, 0.01, -138.0),
    ] {
        for (name, curve) in CURVES {
            for amplitude in [0.891, 0.251] {
                let found = measure_tone(quality, 48_000, 48_000, hz, amplitude, 48_000, curve);
                let case = format!("{quality} {hz} Hz {name}: {} dB, {} dB", found.level_db, found.rest_db);
                assert!(found.level_db.abs() < level_db && found.rest_db < rest_db, "{case}");
                // Images of the tone fall onto it where the rate is nearly 1, and turn its phase by as much as they are.
                let late_frames = if quality == Quality::Fast { 2e-4 } else { 1e-5 };
                assert!(found.late_frames.abs() < late_frames, "{case}, {} frames late", found.late_frames);
            }
        }
    }
}

#[test]
fn other_rates_are_as_good() {
    for (from, to) in [(44_100, 48_000), (48_000, 44_100), (96_000, 48_000), (192_000, 44_100), (16_000, 48_000)] {
        for (quality, part, rest_db) in
            [(Quality::Fast, 0.66, -92.0), (Quality::Balanced, 0.75, -127.0), (Quality::Best, 0.83, -138.0)]
        {
            for tone in [0.05, 0.4, part] {
                let hz = tone * f64::from(from.min(to)) / 2.0;
                let found = measure_tone(quality, from, to, hz, 0.5, 30_000, CURVES[0].1);
                let case = format!("{quality} {from} -> {to}, {hz} Hz: {} dB, {} dB", found.level_db, found.rest_db);
                assert!(found.level_db.abs() < 0.01 && found.rest_db < rest_db, "{case}");
                assert!(found.late_frames.abs() < 1e-5, "{case}, {} frames late", found.late_frames);
            }
        }
    }
}

#[test]
fn best_is_flat_to_20_khz() {
    for (from, to) in [(48_000, 48_000), (44_100, 48_000), (48_000, 44_100), (96_000, 48_000)] {
        for hz in [20.0, 1000.0, 8000.0, 15_000.0, 18_000.0, 19_000.0, 19_500.0, 20_000.0] {
            let found = measure_tone(Quality::Best, from, to, hz, 0.5, 30_000, CURVES[0].1);
            assert!(found.level_db.abs() < 0.01, "{from} -> {to}, {hz} Hz: {} dB", found.level_db);
            assert!(found.rest_db < -130.0, "{from} -> {to}, {hz} Hz: {} dB", found.rest_db);
        }
    }
}

#[test]
fn nothing_folds_back() {
    // Tones from half the output's rate up, and how much of them is left. At `fast` and `balanced` the filter falls on
    // both sides of that half.
    for (quality, least_hz, rest_db) in
        [(Quality::Fast, 27_500.0, -85.0), (Quality::Balanced, 25_800.0, -115.0), (Quality::Best, 24_000.0, -130.0)]
    {
        for from in [96_000, 192_000] {
            for part in [1.0, 1.01, 1.04, 1.15, 1.3, 1.5, 1.7] {
                let hz = least_hz * part;
                let mut resampler = new(from, 48_000, 128, quality);
                let step = f64::from(from) / 48_000.0;
                let tone = |n: f64| 0.5 * (n * hz / f64::from(from) * TAU).sin();
                let (sound, _) = run(&mut resampler, step, 20_000, tone, |_| 1.0 + 50e-6);
                let power = sound.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / sound.len() as f64;
                let left_db = 10.0 * (power / 0.125).log10();
                assert!(left_db < rest_db, "{quality} {from}, {hz} Hz: {left_db} dB");
            }
        }
    }
}

#[test]
fn an_impulse_is_where_it_was_said_to_be_read() {
    const EVERY: usize = 3000;
    for quality in QUALITIES {
        for (from, to, block) in
            [(48_000, 48_000, 128), (44_101, 47_999, 100), (96_000, 44_100, 16), (8000, 48_000, 480)]
        {
            let mut resampler = new(from, to, block, quality);
            resampler.restart(0.789, 1.0);
            let step = f64::from(from) / f64::from(to);
            // Every block heads for another rate, within 500 ppm.
            let mut noise = noise(from as u64);
            let mut heading = move |_| 1.0 + 500e-6 * noise();
            let impulse = |n: f64| f64::from(u8::from(n as usize % EVERY == 1000));
            let n_frames = if from == to { 1_000_000 } else { 100_000 };
            let (sound, places) = run(&mut resampler, step, n_frames, impulse, &mut heading);
            let last = *places.last().unwrap() as usize;
            for at in (1000..last - 1500).step_by(EVERY) {
                // The phase of one low frequency, counted from where the impulse is, is how far off it is.
                let begin = places.partition_point(|&place| place < at as f64 - 1000.0);
                let end = places.partition_point(|&place| place < at as f64 + 1000.0);
                let turn = 0.02 * TAU / step.max(1.0);
                let (mut re, mut im) = (0.0, 0.0);
                for (&sample, &place) in sound[begin..end].iter().zip(&places[begin..end]) {
                    let (sin, cos) = ((place - at as f64) * turn).sin_cos();
                    re += f64::from(sample) * cos;
                    im += f64::from(sample) * sin;
                }
                let off_frames = im.atan2(re) / turn;
                assert!(off_frames.abs() < 1e-3, "{quality} {from} -> {to}, impulse at {at}: {off_frames} frames off");
                assert!((re * step - 1.0).abs() < 2e-3, "{quality} {from} -> {to}, impulse at {at}: {re}");
            }
        }
    }
}

#[test]
fn a_rate_moves_the_pitch_by_its_own_amount_and_sign() {
    // A source that runs 200 ppm fast sends its 1 kHz as 48 009.6 frames a second: what comes out must be 1 kHz again,
    // at a whole number of periods in a second.
    let mut resampler = new(48_000, 48_000, 128, Quality::Best);
    resampler.restart(0.0, 1.0 + 200e-6);
    let tone = |n: f64| 0.5 * (n * 1000.0 / 48_009.6 * TAU).sin();
    let (sound, _) = run(&mut resampler, 1.0, 100_000, tone, |_| 1.0 + 200e-6);
    for (n, (a, b)) in sound.iter().zip(&sound[48_000..]).enumerate() {
        assert!((a - b).abs() < 1e-6, "frame {n}: {a}, a second later {b}");
    }
}

#[test]
fn a_new_rate_in_every_block_ramps_and_nothing_steps() {
    for (block, most_ppm) in [(16, 5000.0), (128, 1000.0), (1000, 400.0)] {
        let mut resampler = new(44_100, 48_000, block, Quality::Best);
        let mut noise = noise(block as u64);
        let hz = 5000.0 / 44_100.0;
        let tone = |n: f64| 0.5 * (n * hz * TAU).sin();
        let (sound, places) = run(&mut resampler, 44.1 / 48.0, 50_000, tone, |_| 1.0 + 1e-6 * most_ppm * noise());
        for (n, (&sample, &place)) in sound.iter().zip(&places).enumerate() {
            assert!((f64::from(sample) - tone(place)).abs() < 1e-6, "blocks of {block}, frame {n}: {sample}");
        }
    }
}

#[test]
fn blocks_of_any_length_sound_the_same() {
    let signal = |n: f64| 0.7 * (n * 0.2).sin() + 0.2 * (n * 1.9).cos();
    for quality in QUALITIES {
        let heard = |block| {
            let mut resampler = new(48_000, 44_100, block, quality);
            resampler.restart(0.25, 1.0 + 70e-6);
            run(&mut resampler, 48.0 / 44.1, 20_000, signal, |_| 1.0 + 70e-6).0
        };
        let reference = heard(128);
        for block in [1, 16, 17, 1024, 8192] {
            for (n, (a, b)) in heard(block).iter().zip(&reference).enumerate() {
                assert!((a - b).abs() < 1e-6, "{quality}, blocks of {block}, frame {n}: {a}, {b}");
            }
        }
    }
}

#[test]
fn every_channel_is_resampled_alike_and_none_mix() {
    for quality in QUALITIES {
        let (in_rate, out_rate) = (SampleRate::HZ_44100, SampleRate::HZ_48000);
        for channels in [1, 2, 3, 5, 64] {
            let mut resampler = SteeredResampler::new(channels, in_rate, out_rate, 64, quality).unwrap();
            let mut single = SteeredResampler::new(1, in_rate, out_rate, 64, quality).unwrap();
            let (mut block, mut alone) = (vec![0.0; channels * 64], vec![0.0; 64]);
            let mut noise = noise(7);
            for _ in 0..20 {
                let sound: Vec<f32> = (0..resampler.input_frames_next(1.001)).map(|_| noise() as f32).collect();
                // The last channel hears it, the one before it the opposite, and the others nothing.
                let input: Vec<f32> = sound
                    .iter()
                    .flat_map(|&x| {
                        (1..=channels).map(move |n| {
                            if n == channels {
                                x
                            } else if n + 1 == channels {
                                -x
                            } else {
                                0.0
                            }
                        })
                    })
                    .collect();
                resampler.process(&input, 1.001, &mut block).unwrap();
                single.process(&sound, 1.001, &mut alone).unwrap();
                for (frame, &expected) in block.chunks_exact(channels).zip(&alone) {
                    for (n, &sample) in frame.iter().enumerate() {
                        let sign = if n + 1 == channels {
                            1.0
                        } else if n + 2 == channels {
                            -1.0
                        } else {
                            0.0
                        };
                        assert!((sample - sign * expected).abs() < 1e-6, "{quality}, channel {n} of {channels}");
                    }
                }
            }
        }
    }
}
