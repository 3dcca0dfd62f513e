//! Prints what each processor costs per block: the median over many blocks. A look, not a benchmark.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "prints times; not the audio path")]

use std::hint::black_box;
use std::time::Instant;

use ra_core::{FramePosition, Ppm, SampleRate, StreamSpec};
use ra_dsp::{
    Band, BandKind, BitDepth, DelayLine, Equaliser, EqualiserConfig, FixedResampler, GainMatrix, Insert, LevelMeter,
    Limiter, LimiterConfig, Quality, Quantiser, SteeredResampler, replace_non_finite,
};

const FRAMES: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sound: Vec<f32> = (0..2 * FRAMES).map(|n| (n as f32 * 0.1).sin() * 0.5).collect();
    let mut bus = vec![0.0f64; 2 * FRAMES];
    show("per block of", "128 x 2", None);

    let mut matrix = GainMatrix::new(2, 2);
    matrix.set_targets(&[1.0, 0.0, 0.0, 1.0], 0);
    measure("gain matrix", "unity", || matrix.mix_into(black_box(&sound), black_box(&mut bus)));
    matrix.set_targets(&[0.5, 0.0, 0.0, 0.5], 0);
    measure("gain matrix", "one gain", || matrix.mix_into(black_box(&sound), black_box(&mut bus)));
    matrix.set_targets(&[0.5, 0.1, 0.2, 0.5], 0);
    measure("gain matrix", "2 x 2", || matrix.mix_into(black_box(&sound), black_box(&mut bus)));
    measure("gain matrix", "2 x 2, ramp", || {
        matrix.set_targets(&[0.5, 0.1, 0.2, 0.5], FRAMES as u32);
        matrix.mix_into(black_box(&sound), black_box(&mut bus));
    });
    let mut meter = LevelMeter::new(2);
    measure("meter", "", || meter.process(black_box(&sound)));
    let mut block = sound.clone();
    measure("replace_non_finite", "", || {
        black_box(replace_non_finite(black_box(&mut block)));
    });
    let mut delay = DelayLine::new(2, 1000);
    measure("delay", "0 frames", || delay.process(black_box(&mut block)));
    delay.set_delay(700, 0);
    measure("delay", "700 frames", || delay.process(black_box(&mut block)));
    let spec = StreamSpec::new(48_000, 2)?;
    let mut limiter = Limiter::new(LimiterConfig::default(), spec)?;
    block.copy_from_slice(&sound);
    measure("limiter", "idle", || limiter.process(black_box(&mut block)));
    measure("limiter", "at work", || {
        block.iter_mut().zip(&sound).for_each(|(out, x)| *out = x * 4.0);
        limiter.process(black_box(&mut block));
    });
    let band = Band { kind: BandKind::Peak, hz: 1000.0, gain_db: 3.0, q: 1.0 };
    let mut equaliser = Equaliser::new(&EqualiserConfig { bands: vec![band; 4] }, spec)?;
    block.copy_from_slice(&sound);
    measure("equaliser", "4 bands", || {
        block.copy_from_slice(&sound);
        equaliser.process(black_box(&mut block));
    });
    let mut whole = vec![0; 2 * FRAMES];
    let quantiser = Quantiser { bits: BitDepth::S16 };
    measure("quantise", "16 bits", || {
        black_box(quantiser.quantise(FramePosition(9), 2, black_box(&sound), &mut whole));
    });
    for quality in [Quality::Fast, Quality::Balanced, Quality::Best] {
        for from in [SampleRate::HZ_48000, SampleRate::HZ_44100] {
            let mut resampler = SteeredResampler::new(2, from, SampleRate::HZ_48000, FRAMES, quality)?;
            let input = vec![0.1; 2 * resampler.max_input_frames()];
            let mut failed = false;
            measure("steered resampler", &format!("{quality}, {from}"), || {
                let rate = Ppm(150.0).ratio();
                let n_samples = 2 * resampler.input_frames_next(rate);
                failed |= resampler.process(&input[..n_samples], rate, &mut block).is_err();
            });
            assert!(!failed, "a resampler refused a block");
        }
        let mut resampler = FixedResampler::new(2, SampleRate::HZ_44100, SampleRate::HZ_48000, quality)?;
        let second = vec![0.1; 2 * 44_100];
        let mut out = Vec::with_capacity(2 * 50_000);
        let begin = Instant::now();
        for _ in 0..20 {
            out.clear();
            resampler.push(&second, &mut out)?;
        }
        let ns = begin.elapsed().as_nanos() as f64 / 20.0 * FRAMES as f64 / 48_000.0;
        show("fixed resampler", &format!("{quality}, 44100 Hz"), Some(ns));
    }
    Ok(())
}

fn measure(what: &str, case: &str, mut run: impl FnMut()) {
    const PER_SAMPLE: u32 = 16;
    let mut samples: Vec<f64> = (0..1000)
        .map(|_| {
            let begin = Instant::now();
            (0..PER_SAMPLE).for_each(|_| run());
            begin.elapsed().as_nanos() as f64 / f64::from(PER_SAMPLE)
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    show(what, case, Some(samples[samples.len() / 2]));
}

fn show(what: &str, case: &str, ns: Option<f64>) {
    let ns = ns.map_or("ns (median)".to_owned(), |ns| format!("{ns:.0}"));
    println!("{what:20} {case:22} {ns:>12}");
}
