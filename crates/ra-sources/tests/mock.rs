//! Synthetic signals against the mathematics they come from: level, frequency, phase, place, correlation, spectrum.

#![cfg(feature = "mock")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/sound.rs"]
mod sound;

use std::f64::consts::TAU;

use ra_core::{PulledSource, SampleRate, Source, StreamEvent, StreamSpec};
use ra_sources::{ClockModel, MockConfig, MockSource, RoomTime, Signal};
use sound::{band_power, channel, db, fit_tone, read_all, read_exactly, rms};

fn spec(rate_hz: u32, channels: u16) -> StreamSpec {
    StreamSpec::new(rate_hz, channels).unwrap()
}

fn mock(rate_hz: u32, channels: u16, signal: Signal) -> MockSource {
    MockSource::new(MockConfig { seed: 5, ..MockConfig::new(spec(rate_hz, channels), signal) }).unwrap()
}

fn heard(source: &mut MockSource, n_frames: usize) -> Vec<f32> {
    let mut out = vec![0.0; source.spec().samples(n_frames)];
    read_exactly(source, &mut out);
    out
}

#[test]
fn a_tone_is_exact_to_1e_6_even_after_a_month() {
    for hz in [997.0, 1_000.25, 17_999.75] {
        for hours in [0u64, 10, 720] {
            let mut source = mock(48_000, 1, Signal::Tone { hz, dbfs: -6.0 });
            source.set_clock(ClockModel::PERFECT, RoomTime::from_s(3600.0 * hours as f64)).unwrap();
            let samples = heard(&mut source, 50_000);
            // Exact arithmetic in quarters of a hertz: cycles = quarters * frame / 192000.
            let quarters = (hz * 4.0) as u64;
            for (n, &sample) in samples.iter().enumerate() {
                let cycles = quarters * (hours * 3600 * 48_000 + n as u64) % 192_000;
                let truth = 10f64.powf(-0.3) * (TAU * cycles as f64 / 192_000.0).sin();
                assert!((f64::from(sample) - truth).abs() < 1e-6, "{hz} Hz, {hours} h, frame {n}: {sample} {truth}");
            }
        }
    }
}

#[test]
fn a_skewed_clock_hears_a_shifted_frequency() {
    for ppm in [-200.0, 200.0] {
        let mut source = mock(48_000, 2, Signal::Tone { hz: 1_000.0, dbfs: -12.0 });
        source.set_clock(ClockModel { ppm, ..ClockModel::PERFECT }, RoomTime::ZERO).unwrap();
        let samples = heard(&mut source, 480_000);
        // A fast clock counts more frames to the same sound: it is lower on its own scale.
        let (amplitude, phase, residual) = fit_tone(&channel(&samples, 2, 1), 1_000.0 / (1.0 + ppm * 1e-6), 48_000.0);
        assert!((db(amplitude) + 12.0).abs() < 1e-4 && phase.abs() < 1e-5, "{amplitude} {phase}");
        assert!(db(residual) < -140.0, "{}", db(residual));
    }
}

#[test]
fn two_clocks_hear_the_same_room() {
    // What one hears at a true time, the other hears at the same: noise included, and whatever was asked before.
    let room = MockConfig { seed: 9, ..MockConfig::new(spec(48_000, 1), Signal::Noise { dbfs: -20.0 }) };
    let mut all = MockSource::new(room.clone()).unwrap();
    let all = heard(&mut all, 20_000);
    let mut late = MockSource::new(room).unwrap();
    late.set_clock(ClockModel::PERFECT, RoomTime::from_frame(12_345, SampleRate::HZ_48000)).unwrap();
    let late = heard(&mut late, 1_000);
    for (n, (&a, &b)) in late.iter().zip(&all[12_345..]).enumerate() {
        assert!((a - b).abs() < 1e-7, "frame {n}: {a} {b}");
    }
}

#[test]
fn impulses_stand_where_they_should_and_are_band_limited() {
    // 10 ms at 44.1 kHz are 441 frames; a third of that is not whole, so that peaks fall between frames.
    let every_s = 0.01 / 3.0;
    let samples = heard(&mut mock(44_100, 1, Signal::Impulses { every_s, dbfs: -6.0 }), 44_100);
    assert!((db(f64::from(samples[0])) + 6.0).abs() < 1e-4, "the first has its peak at time 0");
    for k in (0..300).step_by(3) {
        assert!((db(f64::from(samples[147 * k])) + 6.0).abs() < 1e-3, "impulse {k}");
    }
    // Between frames: the peak by a parabola through the nearest three, to a hundredth of a frame.
    let sparse = heard(&mut mock(48_000, 1, Signal::Impulses { every_s: 0.010_007, dbfs: -6.0 }), 48_000);
    for k in 1..90 {
        let place = 0.010_007 * 48_000.0 * f64::from(k);
        let n = place.round() as usize;
        // A least-squares fit of the place would be better; the slope of the phase across the band is exact.
        let (mut re, mut im) = (0.0, 0.0);
        for i in 0..80 {
            let (s, c) = (TAU * 3_000.0 / 48_000.0 * (i as f64 - 40.0)).sin_cos();
            let x = f64::from(sparse[n + i - 40]);
            (re, im) = (re + x * c, im + x * s);
        }
        let off = im.atan2(re) / (TAU * 3_000.0 / 48_000.0) - (place - n as f64);
        assert!(off.abs() < 0.01, "impulse {k}: {off} frames off");
    }
    let narrow = MockConfig {
        band_rate: Some(SampleRate::new(16_000).unwrap()),
        ..MockConfig::new(spec(48_000, 1), Signal::Impulses { every_s: 0.0037, dbfs: 0.0 })
    };
    let narrow = heard(&mut MockSource::new(narrow).unwrap(), 96_000);
    let inside = band_power(&narrow, 48_000.0, 500.0, 6_000.0);
    let outside = band_power(&narrow, 48_000.0, 8_400.0, 23_000.0);
    assert!(10.0 * (outside / inside).log10() < -70.0, "{}", 10.0 * (outside / inside).log10());
}

#[test]
fn noise_has_its_rms_its_band_and_its_seed() {
    let noise = |seed, dbfs, ppm| {
        let config = MockConfig { seed, ..MockConfig::new(spec(48_000, 1), Signal::Noise { dbfs }) };
        let mut source = MockSource::new(config).unwrap();
        source.set_clock(ClockModel { ppm, ..ClockModel::PERFECT }, RoomTime::ZERO).unwrap();
        heard(&mut source, 400_000)
    };
    for ppm in [0.0, 150.0, 50_000.0] {
        let samples = noise(1, -20.0, ppm);
        assert!((db(rms(&samples)) + 20.0).abs() < 0.05, "{ppm} ppm: {} dB", db(rms(&samples)));
        let mean: f64 = samples.iter().map(|&x| f64::from(x)).sum::<f64>() / samples.len() as f64;
        assert!(mean.abs() < 1e-3);
        // Flat to 20 kHz: each band holds its share.
        let part = band_power(&samples[..48_000], 48_000.0, 2_000.0, 4_000.0);
        for from_hz in [6_000.0, 12_000.0, 17_500.0] {
            let other = band_power(&samples[..48_000], 48_000.0, from_hz, from_hz + 2_000.0);
            assert!((10.0 * (other / part).log10()).abs() < 0.5, "{ppm} ppm at {from_hz} Hz");
        }
        let above = band_power(&samples[..48_000], 48_000.0, 23_600.0, 23_990.0);
        assert!(ppm != 0.0 || 10.0 * (above / part).log10() < -20.0, "{}", 10.0 * (above / part).log10());
    }
    assert!(noise(1, -20.0, 0.0) == noise(1, -20.0, 0.0), "the same seed, the same bits");
    let (a, b) = (noise(1, -20.0, 0.0), noise(2, -20.0, 0.0));
    let cross: f64 = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() / a.len() as f64;
    assert!((cross / 0.01).abs() < 0.01, "another seed, another noise");
}

#[test]
fn a_pair_has_its_correlation_and_its_noise() {
    for (correlation, noise_dbfs) in
        [(0.8, f64::NEG_INFINITY), (-0.5, f64::NEG_INFINITY), (1.0, -20.0), (0.0, -30.0), (0.6, -26.0)]
    {
        let samples = heard(&mut mock(48_000, 2, Signal::Pair { correlation, dbfs: -20.0, noise_dbfs }), 400_000);
        let (left, right) = (channel(&samples, 2, 0), channel(&samples, 2, 1));
        let cross: f64 =
            left.iter().zip(&right).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() / left.len() as f64;
        let found = cross / (rms(&left) * rms(&right));
        let (signal, noise) = (1e-2, 10f64.powf(noise_dbfs / 10.0));
        let expected = correlation * signal / (signal + noise);
        assert!((found - expected).abs() < 0.01, "{correlation}: {found}, expected {expected}");
        for lane in [left, right] {
            assert!((db(rms(&lane)) - 10.0 * (signal + noise).log10()).abs() < 0.05, "{}", db(rms(&lane)));
        }
    }
}

#[test]
fn a_sweep_goes_from_and_to_and_repeats_without_a_jump() {
    let sweep = Signal::Sweep { from_hz: 100.0, to_hz: 10_000.0, s: 1.0, dbfs: -6.0 };
    let samples = heard(&mut mock(48_000, 1, sweep), 3 * 48_000);
    // The frequency after t of a 1 s sweep over two decades is 100 * 100^t; a stretch of a few ms hardly moves.
    for repeat in 0..3 {
        for t in [0.5, 0.75, 0.9] {
            let at = ((f64::from(repeat) + t) * 48_000.0) as usize;
            let stretch = &samples[at - 120..at + 120];
            let best = (50..11_000)
                .step_by(10)
                .map(f64::from)
                .max_by(|&a, &b| fit_tone(stretch, a, 48_000.0).0.total_cmp(&fit_tone(stretch, b, 48_000.0).0));
            let expected = 100.0 * 100f64.powf(t);
            assert!((best.unwrap() / expected - 1.0).abs() < 0.05, "{best:?}, expected {expected}");
        }
    }
    // And frame by frame: cycles of one sweep, and those of the sweeps before it.
    let cycles = |t: f64| 100.0 / 100f64.ln() * (100f64.powf(t) - 1.0);
    for (n, &sample) in samples.iter().enumerate() {
        let (before, t) = ((n / 48_000) as f64, (n % 48_000) as f64 / 48_000.0);
        let truth = 10f64.powf(-0.3) * (TAU * (before * cycles(1.0) + cycles(t)).fract()).sin();
        assert!((f64::from(sample) - truth).abs() < 1e-6, "frame {n}: {sample} {truth}");
    }
    let peak = samples.iter().fold(0f32, |peak, x| peak.max(x.abs()));
    assert!((db(f64::from(peak)) + 6.0).abs() < 0.01);
    // From one frame to the next never more than the slope of the highest frequency.
    let steepest = 0.5012 * TAU * 10_000.0 / 48_000.0;
    assert!(samples.windows(2).all(|w| f64::from((w[1] - w[0]).abs()) <= steepest * 1.001));
    let still = Signal::Sweep { from_hz: 500.0, to_hz: 500.0, s: 0.1, dbfs: -6.0 };
    let (amplitude, _, residual) = fit_tone(&heard(&mut mock(48_000, 1, still), 48_000), 500.0, 48_000.0);
    assert!((db(amplitude) + 6.0).abs() < 1e-3 && db(residual) < -120.0);
}

#[test]
fn a_mock_ends_when_it_should() {
    let config = MockConfig { duration_frames: Some(1_001), ..MockConfig::new(spec(48_000, 2), Signal::DEFAULT) };
    let mut source = MockSource::new(config).unwrap();
    assert_eq!(source.remaining_frames(), Some(1_001));
    assert_eq!(read_all(&mut source, 2 * 100).unwrap().len(), 2 * 1_001);
    assert_eq!(source.remaining_frames(), Some(0));
    let mut endless = mock(48_000, 1, Signal::Silence);
    assert_eq!(endless.remaining_frames(), None);
    let mut out = [1.0; 16];
    assert_eq!(endless.read(&mut out).unwrap(), StreamEvent::Frames { n_frames: 16 });
    assert_eq!(out, [0.0; 16]);
    assert_eq!(mock(48_000, 1, Signal::DEFAULT).describe(), "mock tone of 1000 Hz at -20 dBFS");
}

#[test]
fn nonsense_is_refused_by_name() {
    let refused = |channels, signal, expected: &str| {
        let error = MockSource::new(MockConfig::new(spec(48_000, channels), signal)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, expected: {expected}");
    };
    refused(
        1,
        Signal::Tone { hz: 24_000.0, dbfs: 0.0 },
        "signal.hz: 24000 Hz, expected more than 0 and less than 24000",
    );
    refused(1, Signal::Tone { hz: f64::NAN, dbfs: 0.0 }, "signal.hz: NaN");
    refused(1, Signal::Tone { hz: 1.0, dbfs: f64::NAN }, "signal.dbfs: NaN");
    refused(1, Signal::Impulses { every_s: 0.0, dbfs: 0.0 }, "signal.every_s: 0");
    refused(1, Signal::Sweep { from_hz: 0.0, to_hz: 1.0, s: 1.0, dbfs: 0.0 }, "signal.from_hz: 0");
    refused(2, Signal::Pair { correlation: 1.5, dbfs: 0.0, noise_dbfs: 0.0 }, "signal.correlation: 1.5");
    refused(1, Signal::Pair { correlation: 0.5, dbfs: 0.0, noise_dbfs: 0.0 }, "a pair in mono, expected 2 channels");
    let wide = MockConfig {
        band_rate: Some(SampleRate::new(96_000).unwrap()),
        ..MockConfig::new(spec(48_000, 1), Signal::Noise { dbfs: -20.0 })
    };
    let error = MockSource::new(wide).unwrap_err().to_string();
    assert!(error.contains("band_rate: 96000 Hz, expected at most"), "{error}");
}
