//! Prints what the steered resampler costs, and what it adds to tones while its rate moves: the figures in its
//! documentation. A look, not a benchmark.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "prints times; not the audio path")]

#[path = "../tests/support/steer.rs"]
mod steer;

use std::hint::black_box;
use std::time::Instant;

use ra_core::SampleRate;
use ra_dsp::{DspError, Quality, SteeredResampler};
use steer::{CURVES, measure_tone};

const FRAMES: usize = 128;
const BLOCKS: usize = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("ns per frame at {FRAMES} frames, least and median of 300 x {BLOCKS} blocks");
    println!("{:10} {:>8} {:>16} {:>16} {:>16}", "", "in Hz", "mono", "stereo", "8 channels");
    for quality in [Quality::Fast, Quality::Balanced, Quality::Best] {
        for in_rate in [SampleRate::HZ_48000, SampleRate::HZ_44100, SampleRate::new(96_000)?] {
            print!("{:10} {:>8}", quality.to_string(), in_rate.hz());
            for channels in [1, 2, 8] {
                let (least, median) = cost(quality, in_rate, channels)?;
                print!("   {least:6.2} {median:6.2}");
            }
            println!();
        }
    }
    println!("\nlevel and residual of tones, 48 kHz, -1 dBFS, 30 s");
    for quality in [Quality::Fast, Quality::Balanced, Quality::Best] {
        for (name, curve) in CURVES {
            print!("{:10} {name:22}", quality.to_string());
            for hz in [1000.0, 5000.0, 10_000.0, 16_000.0, 18_000.0, 20_000.0] {
                let found = measure_tone(quality, 48_000, 48_000, hz, 0.891, 30 * 48_000, curve);
                print!("  {:7.4} {:6.1}", found.level_db, found.rest_db);
            }
            println!();
        }
    }
    Ok(())
}

fn cost(quality: Quality, in_rate: SampleRate, channels: usize) -> Result<(f64, f64), DspError> {
    let mut resampler = SteeredResampler::new(channels, in_rate, SampleRate::HZ_48000, FRAMES, quality)?;
    let input: Vec<f32> = (0..channels * resampler.max_input_frames()).map(|n| (n as f32 * 0.1).sin()).collect();
    let mut output = vec![0.0; channels * FRAMES];
    let mut runs = Vec::new();
    for _ in 0..300 {
        let begin = Instant::now();
        for index in 0..BLOCKS {
            let rate = 1.0 + 1e-6 * (100.0 + (index % 20) as f64);
            let n_samples = channels * resampler.input_frames_next(rate);
            resampler.process(black_box(&input[..n_samples]), rate, black_box(&mut output))?;
        }
        runs.push(begin.elapsed().as_nanos() as f64 / (BLOCKS * FRAMES) as f64);
    }
    runs.sort_by(f64::total_cmp);
    Ok((runs[0], runs[runs.len() / 2]))
}
