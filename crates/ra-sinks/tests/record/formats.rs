//! Every format and channel count, opened by every judge while it is written, torn, and finished.

use std::path::Path;

use ra_core::{GapReason, Sink};
use ra_sinks::{RecorderConfig, SampleFormat, Sidecar};

use crate::{
    judges::{Judge, judges},
    signal::{Driver, FORMATS, as_recorded, snapshot},
};

fn check(judge: Judge, file: &Path, expected: &[f32], channels: u16) {
    let n_frames = expected.len() as u64 / u64::from(channels);
    assert_eq!(judge.count_frames(file), n_frames, "{judge:?}, {}", file.display());
    assert!(judge.decode(file) == expected, "{judge:?}: other samples in {}", file.display());
}

fn record_and_judge(format: SampleFormat, channels: u16) {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig { format, ..RecorderConfig::new(dir.path().join("{name}.wav")) };
    let mut driver = Driver::start(config, channels);
    let copy = dir.path().join("copy.wav");
    let mut expected = Vec::new();
    // Odd lengths: a frame of 24-bit mono is odd too, so that the pad byte comes and goes.
    for (i, n_frames) in [1u64, 128, 4801, 127, 9000].into_iter().enumerate() {
        let at = driver.position;
        let samples = crate::signal::truths(at..at + n_frames, channels);
        driver.write_samples(&samples).unwrap();
        expected.extend(as_recorded(format, at, channels, &samples));
        driver.gap(10 + i as u64, GapReason::Lagged);
        expected.extend(vec![0.0; (10 + i) * usize::from(channels)]);
        driver.recorder.flush().unwrap();

        let described = std::fs::metadata(driver.path()).unwrap().len();
        snapshot(&driver.path(), &copy, None);
        for judge in judges() {
            check(judge, &copy, &expected, channels);
        }
        // What stands behind the described frames was written after the last header: it is as if it were not there.
        driver.write(4800 + i as u64 * 333).unwrap();
        let at = driver.position - (4800 + i as u64 * 333);
        let samples = crate::signal::truths(at..driver.position, channels);
        driver.recorder.flush().unwrap();
        let whole = std::fs::read(driver.path()).unwrap();
        let mut torn = std::fs::read(&copy).unwrap();
        let keep = described as usize + (whole.len() - described as usize) * (i + 1) / 7;
        torn.extend_from_slice(&whole[described as usize..keep]);
        std::fs::write(&copy, torn).unwrap();
        for judge in judges() {
            check(judge, &copy, &expected, channels);
        }
        expected.extend(as_recorded(format, at, channels, &samples));
    }
    let file = driver.path();
    assert_eq!(driver.finish().files, std::slice::from_ref(&file));
    for judge in judges() {
        check(judge, &file, &expected, channels);
    }
}

#[test]
fn mono_opens_everywhere_at_every_moment() {
    FORMATS.into_iter().for_each(|format| record_and_judge(format, 1));
}

#[test]
fn stereo_opens_everywhere_at_every_moment() {
    FORMATS.into_iter().for_each(|format| record_and_judge(format, 2));
}

#[test]
fn six_channels_open_everywhere_at_every_moment() {
    FORMATS.into_iter().for_each(|format| record_and_judge(format, 6));
}

#[test]
fn an_empty_recording_and_one_that_just_began_open_everywhere() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let config = RecorderConfig { format, ..RecorderConfig::new(dir.path().join("{name}.wav")) };
        let driver = Driver::start(config, 2);
        let copy = dir.path().join("copy.wav");
        snapshot(&driver.path(), &copy, None);
        let file = driver.path();
        driver.finish();
        for judge in judges() {
            assert_eq!(judge.count_frames(&copy), 0, "{judge:?}");
            assert_eq!(judge.count_frames(&file), 0, "{judge:?}");
        }
    }
}

/// A float above full scale, a denormal and a NaN are sound that somebody gave us: they are kept bit for bit.
#[test]
fn float_is_kept_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig { sidecar: Sidecar::None, ..RecorderConfig::new(dir.path().join("f.wav")) };
    let mut driver = Driver::start(config, 1);
    let samples = [1.5, -3.0e10, f32::MIN_POSITIVE / 8.0, -0.0, f32::NAN, f32::INFINITY, 1.0e-30];
    driver.write_samples(&samples).unwrap();
    let file = driver.path();
    driver.finish();
    let bits = |samples: &[f32]| samples.iter().map(|s| s.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&Judge::Hound.decode(&file)), bits(&samples));
}

/// Two recordings of one bus agree bit for bit, also where one began later.
#[test]
fn dither_depends_on_the_timeline_alone() {
    let dir = tempfile::tempdir().unwrap();
    for format in [SampleFormat::S16, SampleFormat::S24] {
        let config = |name: &str| RecorderConfig { format, ..RecorderConfig::new(dir.path().join(name)) };
        let mut early = Driver::start(config(&format!("early-{format}.wav")), 2);
        early.write(1000).unwrap();
        early.write(77).unwrap();
        early.write(923).unwrap();
        let mut late = Driver::start(config(&format!("late-{format}.wav")), 2);
        late.gap(500, GapReason::Lagged);
        late.write(1500).unwrap();
        let files = [early.path(), late.path()];
        early.finish();
        late.finish();
        let [a, b] = files.map(|f| Judge::Hound.decode(&f));
        assert_eq!(a[1000..], b[1000..]);
        assert_eq!(b[..1000], [0.0; 1000]);
    }
}
