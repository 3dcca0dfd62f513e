//! `ra mix`: sound files into one, as fast as the machine allows. Everything that can be wrong is found before the output
//! is created; nothing that exists is lost.

mod output;
mod stoppable;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ra_engine::core::{ChannelCount, PulledSource, SampleRate, Source};
use ra_engine::sinks::{Recorder, RecorderConfig, SampleFormat};
use ra_engine::sources::{FileConfig, FileSource};
use ra_engine::{AnySource, EngineConfig, MonoLaw, OfflineEngine, Quality, SinkConfig, SourceConfig};

use crate::Failure;
use crate::args::{FormatArg, MixArgs};
use crate::assemble::escape_template;
use crate::screen;
use crate::stdout::print_result;
use crate::stop_signal::StopSignal;
use crate::summary;
use output::Output;
use stoppable::Stoppable;

/// Frames in a block: large enough that nothing but the samples costs anything, small enough for the cache.
const BLOCK_FRAMES: usize = 1024;

/// Work that takes less than this shows no progress.
const PROGRESS_AFTER: Duration = Duration::from_millis(300);

/// Mixes files.
pub(crate) fn mix(args: &MixArgs) -> Result<(), Failure> {
    let gains_db = gains(args)?;
    let rate =
        args.rate.map(|hz| SampleRate::new(hz).map_err(|e| Failure::Usage(format!("--rate: {e}")))).transpose()?;
    let output = Output::plan(&args.output, &args.inputs, args.force)?;
    let inputs = open_inputs(&args.inputs)?;

    let engine = EngineConfig {
        sample_rate: rate.unwrap_or(inputs[0].spec().sample_rate),
        channels: output_channels(&inputs),
        block_frames: BLOCK_FRAMES,
        quality: Quality::Best,
        ..EngineConfig::default()
    };
    let n_frames = inputs.iter().map(|input| expected_frames(input, engine.sample_rate)).max().unwrap_or(0);
    let spec = engine.main_spec();
    let stop = StopSignal::listen()?;
    let mut offline = OfflineEngine::new(engine).map_err(Failure::usage)?;
    for (input, number) in inputs.into_iter().zip(1..) {
        let config = SourceConfig {
            gain_db: gains_db.get(&number).copied().unwrap_or(0.0),
            mono_law: MonoLaw::Unity,
            ..SourceConfig::named(format!("input {number}"))
        };
        offline.add_source(config, AnySource::pulled(Stoppable::new(input, stop.clone()))).map_err(Failure::usage)?;
    }
    let format = match args.format {
        FormatArg::F32 => SampleFormat::F32,
        FormatArg::S24 => SampleFormat::S24,
        FormatArg::S16 => SampleFormat::S16,
    };
    let recorder = RecorderConfig { format, ..RecorderConfig::offline(escape_template(output.writing_to())) };
    let recorder = Recorder::new(recorder).map_err(Failure::usage)?;
    offline.add_sink(SinkConfig::named("output"), Box::new(recorder)).map_err(Failure::running)?;

    let mut progress = Progress::new(n_frames, spec.sample_rate);
    let stats = offline.run(&mut |done_frames| progress.show(done_frames));
    progress.clear();

    if stop.is_asked() {
        return Err(Failure::Running(format!("interrupted; {}", output.abandon())));
    }
    let failures = summary::failures(&stats);
    if !failures.is_empty() {
        return Err(Failure::Running(format!("{}\n{}", failures.join("\n"), output.abandon())));
    }
    output.complete()?;
    let written = stats.sinks.first();
    for note in written.iter().flat_map(|sink| &sink.notes) {
        log::warn!("{}: {note}", args.output.display());
    }
    for (source, path) in stats.sources.iter().zip(&args.inputs) {
        if source.non_finite_samples > 0 {
            let n = source.non_finite_samples;
            log::warn!("{}: {n} samples are no numbers, and are silent", path.display());
        }
    }
    let n_overflown: u64 = stats.buses.iter().map(|bus| bus.non_finite_samples).sum();
    if n_overflown > 0 {
        log::warn!(
            "{}: {n_overflown} samples add up to more than a number holds, and are silent",
            args.output.display()
        );
    }
    let n_frames = written.map_or(0, |sink| sink.account.delivered_frames);
    let seconds = n_frames as f64 / f64::from(spec.sample_rate.hz());
    print_result(&format!("{}: {n_frames} frames ({seconds:.3} s), {spec}, {format}\n", args.output.display()))
}

/// The gain of each input that has one, by its number from 1.
fn gains(args: &MixArgs) -> Result<BTreeMap<usize, f32>, Failure> {
    let mut gains_db = BTreeMap::new();
    for gain in &args.gains {
        let n_inputs = args.inputs.len();
        if gain.input > n_inputs {
            let message = format!("--gain {}={}: expected an input from 1 to {n_inputs}", gain.input, gain.gain_db);
            return Err(Failure::Usage(message));
        }
        if gains_db.insert(gain.input, gain.gain_db).is_some() {
            return Err(Failure::Usage(format!("--gain: input {} has two gains, expected one", gain.input)));
        }
    }
    Ok(gains_db)
}

/// Opens every input, or says of each that can't be opened why.
fn open_inputs(paths: &[PathBuf]) -> Result<Vec<FileSource>, Failure> {
    let (mut inputs, mut faults) = (Vec::with_capacity(paths.len()), Vec::new());
    for path in paths {
        match FileSource::open(FileConfig::new(path)) {
            Ok(input) => inputs.push(input),
            Err(e) => faults.push(e.to_string()),
        }
    }
    if faults.is_empty() { Ok(inputs) } else { Err(Failure::Usage(faults.join("\n"))) }
}

/// The most channels of any input, two at least; one where all are mono.
fn output_channels(inputs: &[FileSource]) -> ChannelCount {
    inputs.iter().map(|input| input.spec().channels).max().unwrap_or(ChannelCount::STEREO)
}

/// How long an input is at the output's rate, as far as it knows.
fn expected_frames(input: &FileSource, rate: SampleRate) -> u64 {
    let own_rate = u128::from(input.spec().sample_rate.hz());
    let frames = u128::from(input.remaining_frames().unwrap_or(0)) * u128::from(rate.hz()) / own_rate;
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// A progress bar on a terminal, once the work is seen to take a while.
struct Progress {
    n_frames: u64,
    rate: SampleRate,
    start: Instant,
    is_terminal: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(n_frames: u64, rate: SampleRate) -> Self {
        Self { n_frames, rate, start: Instant::now(), is_terminal: screen::is_terminal(), bar: None }
    }

    fn show(&mut self, done_frames: u64) {
        if !self.is_terminal || (self.bar.is_none() && self.start.elapsed() < PROGRESS_AFTER) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("mixing {bar:40} {percent:>3} %  {msg}  {eta} left");
            ProgressBar::new(self.n_frames).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(done_frames.min(self.n_frames));
        let mixed_s = self.rate.ns_of_frames(done_frames) as f64 / 1e9;
        bar.set_message(format!("{:.0} × real time", mixed_s / self.start.elapsed().as_secs_f64().max(1e-3)));
    }

    fn clear(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
