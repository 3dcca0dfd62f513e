//! Coded files made at test time by ffmpeg and sox, and the tone in them. Knows nothing of the code under test.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::sound::{channel, db, fit_tone, tone};

/// Whether the tool is here. Where it is not: a failure on CI, elsewhere a word about what was not tested.
pub(crate) fn has(tool: &str) -> bool {
    let here = Command::new(tool).arg("--help").output().is_ok();
    assert!(here || std::env::var_os("CI").is_none(), "{tool} is missing, and CI must test with it");
    if !here {
        eprintln!("skipped: {tool} is not installed");
    }
    here
}

pub(crate) fn run(tool: &str, args: &[&str]) {
    let output = Command::new(tool).args(args).output().unwrap();
    assert!(output.status.success(), "{tool} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `in.wav`: `hz` at −6 dB in the left channel, half of that inverted in the right.
pub(crate) fn original(dir: &Path, hz: f64, rate_hz: u32, n_frames: usize) -> (PathBuf, Vec<f32>) {
    let path = dir.join("in.wav");
    let spec = WavSpec { channels: 2, sample_rate: rate_hz, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(&path, spec).unwrap();
    let mono = tone(hz, 0.5, f64::from(rate_hz), n_frames);
    for &x in &mono {
        writer.write_sample((x * 32_768.0).round() as i16).unwrap();
        writer.write_sample((x * -16_384.0).round() as i16).unwrap();
    }
    writer.finalize().unwrap();
    (path, mono)
}

pub(crate) fn encode(input: &Path, output: &Path, options: &[&str]) {
    let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
    run("ffmpeg", &[&["-v", "error", "-y", "-i", input], options, &[output]].concat());
}

/// Sets the signal in the middle of a file against the truth: level of both channels, and place in frames.
pub(crate) fn check_tone(name: &str, samples: &[f32], hz: f64, rate_hz: f64, residual_db: f64) {
    let n_frames = samples.len() / 2;
    // Whole periods from the start, so that the phase is that of frame 0; the ends are an encoder's worst place.
    let from = (rate_hz / hz * (0.1 * n_frames as f64 * hz / rate_hz).round()).round() as usize;
    let to = n_frames * 9 / 10;
    for (which, amplitude_expected, turned) in [(0, 0.5, 0.0), (1, 0.25, std::f64::consts::PI)] {
        let lane = channel(samples, 2, which);
        let (amplitude, phase, residual) = fit_tone(&lane[from..to], hz, rate_hz);
        assert!((db(amplitude) - db(amplitude_expected)).abs() < 0.1, "{name}: {} dB", db(amplitude));
        assert!(db(residual) < residual_db, "{name}: residual {} dB", db(residual));
        let expected = std::f64::consts::TAU * (hz * from as f64 / rate_hz).fract() + turned;
        let off = (phase - expected + std::f64::consts::PI).rem_euclid(std::f64::consts::TAU) - std::f64::consts::PI;
        let off_frames = off / std::f64::consts::TAU * rate_hz / hz;
        assert!(off_frames.abs() < 0.05, "{name}: {off_frames} frames off");
    }
}
