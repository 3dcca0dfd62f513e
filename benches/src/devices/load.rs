//! Four devices on two servers and four files in blocks of 128 frames: what the mixer takes of its period, and what goes
//! wrong by our making.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use ra_core::{Clock, GapReason, StreamSpec, SystemClock};
use ra_device::testing::{NullSink, Scene, Servers};
use ra_engine::dsp::Insert;
use ra_engine::sinks::{Recorder, RecorderConfig};
use ra_engine::sources::{AtEnd, FileConfig, FileSource, MockConfig, MockSource, Signal};
use ra_engine::{AnySource, Engine, EngineConfig, SinkConfig, SourceConfig, Strip};
use serde::Serialize;

use super::skew::device_source;
use crate::{Quantiles, Recorder as Durations};

const BLOCK_FRAMES: usize = 128;
const RATE_HZ: u32 = 48_000;
const MIC: NullSink = NullSink { name: "mic", rate_hz: 48_000, channels: 1 };
const LINE: NullSink = NullSink { name: "line", rate_hz: 44_100, channels: 2 };
const DEVICES: [(&str, NullSink); 4] =
    [("pulseaudio:mic.monitor", MIC), ("pulseaudio:line.monitor", LINE), ("alsa:b_mic", MIC), ("alsa:b_line", LINE)];
/// Before anything is counted: clocks are learnt, cushions filled.
const SETTLE: Duration = Duration::from_secs(5);

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct LoadRun {
    /// How long.
    pub length: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct LoadFigures {
    /// From the first source to the last effect of the bus, in each block: all of a step but its publishing.
    pub step: Quantiles,
    /// A block, in nanoseconds.
    pub period_ns: u64,
    /// Blocks that were late, of all.
    pub late_blocks: u64,
    /// See `late_blocks`.
    pub blocks: u64,
    /// Gaps because the mixer was late, because a ring of ours was full, and because a file was not read in time; frames
    /// that a sink did not get.
    pub mixer_late: u64,
    /// See `mixer_late`.
    pub overruns: u64,
    /// See `mixer_late`.
    pub starved_files: u64,
    /// See `mixer_late`.
    pub sink_dropped_frames: u64,
    /// What the servers' devices lost or brought late, which is not our making: gaps of devices of other kinds.
    pub server_gaps: u64,
    /// Whether the mixer got its real-time class.
    pub realtime: String,
}

impl LoadFigures {
    /// Xruns of our making.
    pub fn ours(&self) -> u64 {
        self.mixer_late + self.overruns + self.starved_files + u64::from(self.sink_dropped_frames > 0)
    }

    /// The share of a period that the step takes at its 99.9th percentile.
    pub fn share_p99_9(&self) -> f64 {
        self.step.p99_9_ns as f64 / self.period_ns as f64
    }
}

/// Notes the time, and leaves the sound alone.
struct Note {
    /// One for each block that there may be.
    times_ns: Arc<[AtomicU64]>,
    n: usize,
}

impl Insert for Note {
    fn process(&mut self, _interleaved: &mut [f32]) {
        if let Some(time) = self.times_ns.get(self.n) {
            // Relaxed: read when the thread has ended.
            time.store(SystemClock.now_ns(), Relaxed);
        }
        self.n += 1;
    }

    fn latency_frames(&self) -> usize {
        0
    }

    fn name(&self) -> &'static str {
        "note of the time"
    }
}

impl LoadRun {
    /// Runs it in `folder`, whose environment this process must have.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn run(&self, folder: &Path) -> Result<LoadFigures> {
        let scene = Scene { a: vec![MIC, LINE], b: Some((vec![MIC, LINE], 500.0)), ..Scene::default() };
        let _servers = Servers::start(folder, &scene);
        let config = EngineConfig { block_frames: BLOCK_FRAMES, ..EngineConfig::default() };
        let period_ns = config.sample_rate.ns_of_frames(BLOCK_FRAMES as u64);
        let mut engine = Engine::new(config)?;
        let handle = engine.handle();
        let n_blocks = ((SETTLE + self.length + Duration::from_secs(30)).as_nanos() as u64 / period_ns) as usize;
        let notes = [(); 2].map(|()| (0..n_blocks).map(|_| AtomicU64::new(0)).collect::<Arc<[AtomicU64]>>());
        let note = |at: usize| Box::new(Note { times_ns: notes[at].clone(), n: 0 });
        // The first strip of each step does nothing but note when it begins.
        let silence = MockConfig::new(StreamSpec::new(RATE_HZ, 2)?, Signal::Silence);
        handle.add_source(SourceConfig::named("first"), AnySource::pulled(MockSource::new(silence)?))?;
        handle.add_insert(Strip::Source("first".to_owned()), note(0))?;
        handle.add_insert(Strip::Bus("main".to_owned()), note(1))?;
        for (n, (device, sink)) in DEVICES.into_iter().enumerate() {
            handle.add_source(SourceConfig::named(format!("device-{n}")), device_source(device, sink.rate_hz)?)?;
        }
        for n in 0..4 {
            let path = write_file(folder, n)?;
            let file = FileSource::open(FileConfig { at_end: AtEnd::Loop, ..FileConfig::new(path) })?;
            handle.add_source(SourceConfig::named(format!("file-{n}")), AnySource::pulled(file))?;
        }
        let recorder = Recorder::new(RecorderConfig::new(folder.join("load-{index}.wav")))?;
        handle.add_sink(SinkConfig::named("recorder"), recorder)?;
        engine.start()?;
        sleep(SETTLE);
        let before = handle.stats()?;
        sleep(self.length);
        let after = handle.stats()?;
        engine.stop()?;
        let from = before.engine.blocks as usize;
        let mut durations = Durations::new();
        let until = (after.engine.blocks as usize).min(n_blocks);
        for (begun, done) in notes[0].iter().zip(notes[1].iter()).take(until).skip(from) {
            let [begun, done] = [begun, done].map(|time| time.load(Relaxed));
            if begun != 0 && done >= begun {
                durations.record_ns(done - begun);
            }
        }
        let begun_frame = before.engine.blocks * BLOCK_FRAMES as u64;
        let gaps = |is: &dyn Fn(&str, GapReason) -> bool| {
            let of_source = |source: &ra_core::SourceStats| {
                source.gaps.iter().filter(|gap| gap.at_frame.0 >= begun_frame && is(&source.name, gap.reason)).count()
            };
            after.sources.iter().map(of_source).sum::<usize>() as u64
        };
        let dropped = |stats: &ra_core::Stats| stats.sinks.iter().map(|sink| sink.account.dropped_frames).sum::<u64>();
        let is_ours = |reason| matches!(reason, GapReason::MixerLate | GapReason::Overrun);
        Ok(LoadFigures {
            step: durations.quantiles(),
            period_ns,
            late_blocks: after.engine.late_blocks - before.engine.late_blocks,
            blocks: after.engine.blocks - before.engine.blocks,
            mixer_late: gaps(&|_, reason| reason == GapReason::MixerLate),
            overruns: gaps(&|_, reason| reason == GapReason::Overrun),
            starved_files: gaps(&|name, reason| name.starts_with("file") && !is_ours(reason)),
            sink_dropped_frames: dropped(&after) - dropped(&before),
            server_gaps: gaps(&|name, reason| name.starts_with("device") && !is_ours(reason)),
            realtime: format!("{:?} {}", after.engine.realtime.class, after.engine.realtime.priority),
        })
    }
}

/// Ten seconds of a tone, at a rate of its own.
fn write_file(folder: &Path, n: u32) -> Result<PathBuf> {
    let path = folder.join(format!("file-{n}.wav"));
    let sample_rate = [48_000, 44_100, 48_000, 96_000][n as usize % 4];
    let spec =
        hound::WavSpec { channels: 2, sample_rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(&path, spec).with_context(|| path.display().to_string())?;
    for frame in 0..10 * sample_rate {
        let phase = f64::from(frame) * f64::from(220 + 110 * n) / f64::from(sample_rate) * std::f64::consts::TAU;
        let sample = (3_000.0 * phase.sin()) as i16;
        writer.write_sample(sample)?;
        writer.write_sample(-sample)?;
    }
    writer.finalize()?;
    Ok(path)
}
