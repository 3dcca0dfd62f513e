//! Runs the scenarios of the repository, and says what is true of all of them.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::ops::{ControlFlow, Range};
use std::path::Path;

use ra_engine::sinks::{Recorder, RecorderConfig};
use ra_engine::sources::Signal;
use ra_sim::{OffsetReport, OffsetSeries, Report, Scenario, Simulation, SourceReport};

use super::sound::Sound;

/// The engine's sample at 48 kHz, in microseconds.
pub(crate) const SAMPLE_US: f64 = 1e6 / 48_000.0;

/// What a scenario came to.
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) report: Report,
    pub(crate) sound: Sound,
    /// Of every block.
    pub(crate) series: OffsetSeries,
}

/// A scenario of the repository's folder.
pub(crate) fn load(name: &str) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(format!("{name}.toml"));
    Scenario::load(&file).unwrap()
}

/// Runs a scenario with its samples recorded, and checks what is true of every one.
pub(crate) fn run(scenario: Scenario) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("out.wav");
    let recorder = Recorder::new(RecorderConfig::offline(&wav)).unwrap();
    let simulation = Simulation::new(&scenario).unwrap().samples_to(Box::new(recorder)).unwrap().with_series(0.0);
    let outcome = simulation.run(&mut |_| ControlFlow::Continue(())).unwrap();
    let run = Run { report: outcome.report, sound: Sound::read(&wav), series: outcome.series.unwrap(), scenario };
    assert_eq!(run.sound.n_frames() as u64, run.scenario.n_frames());
    assert_eq!(run.sound.rate_hz, f64::from(run.scenario.sample_rate.hz()));
    let n_channels: usize = run.scenario.sources.iter().map(|source| source.channels.get()).sum();
    assert_eq!(run.sound.channels.len(), n_channels);
    for source in &run.report.sources {
        assert_books_balance(source, run.report.engine.blocks * run.report.engine.block_frames as u64);
    }
    run
}

/// Every frame of a source is accounted for, and every frame of silence is in a gap on the timeline that was mixed.
#[track_caller]
pub(crate) fn assert_books_balance(source: &SourceReport, n_mixed: u64) {
    let SourceReport { name, produced_frames, delivered_frames, dropped_frames, queued_frames, .. } = source;
    assert_eq!(*produced_frames, delivered_frames + dropped_frames + queued_frames, "{name}");
    assert_eq!(*queued_frames, 0, "{name}: all was closed");
    assert!(source.gaps.len() < 1024, "{name}: more gaps than are kept");
    assert_eq!(source.gaps.iter().map(|gap| gap.n_frames).sum::<u64>(), source.inserted_frames, "{name}: {source:?}");
    assert!(source.gaps.iter().all(|gap| gap.n_frames > 0 && gap.end().0 <= n_mixed), "{name}: {:?}", source.gaps);
    assert!(source.gaps.windows(2).all(|pair| pair[0].end() <= pair[1].at_frame), "{name}: {:?}", source.gaps);
}

impl Run {
    pub(crate) fn source(&self, name: &str) -> (usize, &SourceReport) {
        let index = self.report.sources.iter().position(|source| source.name == name).unwrap();
        (index, &self.report.sources[index])
    }

    /// The first channel of a source in the file.
    pub(crate) fn channel(&self, index: usize) -> usize {
        self.scenario.sources[..index].iter().map(|source| source.channels.get()).sum()
    }

    /// How far the tone of a source is from its place in every second of the file within `seconds`, in microseconds, by
    /// the file alone. Its level must be the scenario's.
    pub(crate) fn tone_offsets_us(&self, index: usize, seconds: Range<f64>) -> Vec<f64> {
        let Signal::Tone { hz, dbfs } = self.scenario.sources[index].signal else { panic!("no tone") };
        let trim_s = self.scenario.sources[index].latency_offset_ms * 1e-3;
        let n = (seconds.end - seconds.start).floor() as usize;
        let of_second = |k: usize| {
            let from_s = seconds.start + k as f64;
            let latency_s = self.latency_us(from_s..from_s + 1.0) * 1e-6 + trim_s;
            let mut offset_us = None;
            for channel in self.channel(index)..self.channel(index) + self.scenario.sources[index].channels.get() {
                let (found_us, found_dbfs) = self.sound.tone(channel, hz, latency_s, &(from_s..from_s + 1.0));
                assert!((found_dbfs - dbfs).abs() < 0.02, "second {from_s}: {found_dbfs} dBFS, expected {dbfs}");
                assert!(offset_us.is_none_or(|other_us: f64| (other_us - found_us).abs() < 1e-3));
                offset_us = Some(found_us);
            }
            offset_us.unwrap()
        };
        (0..n).map(of_second).collect()
    }

    /// The tone of a source is within `bound_us` of its place in every second of the file, and just where the report says.
    #[track_caller]
    pub(crate) fn assert_tone_in_place(&self, index: usize, seconds: Range<f64>, bound_us: f64) {
        let name = &self.report.sources[index].name;
        for (k, found_us) in self.tone_offsets_us(index, seconds.clone()).into_iter().enumerate() {
            let from_s = seconds.start + k as f64;
            assert!(found_us.abs() <= bound_us, "{name}, second {from_s}: {found_us:.2} µs off in the file");
            let told_us = self.told_us(index, from_s..from_s + 1.0);
            // The window of the file's judge weighs the middle of the second most, and so does this.
            assert!(
                (found_us - told_us).abs() < 0.5,
                "{name}, second {from_s}: {found_us:.2} µs, the report says {told_us:.2}"
            );
        }
    }

    /// The engine's one latency within `seconds`, in which it must not have changed.
    #[track_caller]
    pub(crate) fn latency_us(&self, seconds: Range<f64>) -> f64 {
        let latencies = self.series.time_s.iter().zip(&self.series.latency_us);
        let mut within = latencies.filter(|(t, _)| seconds.contains(*t)).map(|(_, &us)| us);
        let first_us = within.next().unwrap();
        assert!(within.all(|us| (us - first_us).abs() < 0.1), "the latency changes within {seconds:?}");
        first_us
    }

    /// The mean of the series within `seconds`, weighted by Hann's window: how far the source is from its own place.
    fn told_us(&self, index: usize, seconds: Range<f64>) -> f64 {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (&t, &us) in self.series.time_s.iter().zip(&self.series.offset_us[index]) {
            if seconds.contains(&t) && !us.is_nan() {
                let phase = (t - seconds.start) / (seconds.end - seconds.start);
                let w = 0.5 - 0.5 * (std::f64::consts::TAU * phase).cos();
                (sum, weight) = (sum + w * f64::from(us), weight + w);
            }
        }
        sum / weight + 1e3 * self.scenario.sources[index].latency_offset_ms
    }

    /// The largest |offset| of a source within `seconds`, by the report's truth.
    pub(crate) fn worst_us(&self, index: usize, seconds: Range<f64>) -> f64 {
        let offsets = self.series.time_s.iter().zip(&self.series.offset_us[index]);
        offsets
            .filter(|(t, us)| seconds.contains(*t) && !us.is_nan())
            .fold(0.0, |worst, (_, us)| f64::from(us.abs()).max(worst))
    }

    /// Nothing of a source was lost, and nothing stood in for it.
    #[track_caller]
    pub(crate) fn assert_whole(&self, index: usize) {
        let source = &self.report.sources[index];
        assert_eq!((source.dropped_frames, source.inserted_frames, source.gaps.len()), (0, 0, 0), "{}", source.name);
    }
}

/// An offset that was measured is within bounds.
#[track_caller]
pub(crate) fn assert_within(what: &str, offset: &OffsetReport, rms_us: f64, p99_us: f64, max_us: f64) {
    let (rms, p99, max) = (offset.rms.unwrap(), offset.p99.unwrap(), offset.max.unwrap());
    assert!(rms <= rms_us && p99 <= p99_us && max <= max_us, "{what}: rms {rms:.2}, p99 {p99:.2}, max {max:.2} µs");
}
