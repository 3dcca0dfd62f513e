//! Runs a test: opens, collects what the callbacks leave, computes at the end. Never touches sound in a callback.

use std::{
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

use ra_core::{Clock, RealtimeClass, RealtimeGrant, StreamSpec, SystemClock};
use ra_queue::{InputConfig, InputReader, input_ring};

use super::{
    MeasureReport, RoundTrip, StreamReport,
    delivery::Deliveries,
    level::LevelAnalyser,
    round_trip::Loop,
    sweep::{SHORTEST_S, Score, Sweep},
    tap_callback::{InputTap, OutputTap, Records, recorder},
};
use crate::{
    DeviceError, Direction, InputRequest, InputStream, OutputRequest, OutputStream, probe_input, probe_output,
};

/// Between two looks at what the callbacks left.
const LOOK: Duration = Duration::from_millis(10);
/// So much sound the ring holds in case this thread is kept from running, in seconds.
const RING_S: usize = 4;
/// Samples that the ring holds at most: 64 MiB.
const RING_SAMPLES: usize = 1 << 24;
/// Pieces that the ring holds.
const RING_PERIODS: usize = 1 << 15;
/// Channels in which the sweep is looked for.
const HEARD_CHANNELS: usize = 8;

/// The shortest test with an output and an input, in which one sweep is played.
pub const SHORTEST_ROUND_TRIP: Duration = Duration::from_millis((SHORTEST_S * 1e3) as u64);

/// What to test, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasureConfig {
    /// The input, if one is to be tested.
    pub input: Option<InputRequest>,
    /// The output, if one is to be tested: it plays silence, or where there is an input too, sweeps.
    pub output: Option<OutputRequest>,
    /// How long. Default 5 s, in which three sweeps are played. Every callback's record is kept: 20 MB an hour at 5 ms.
    /// With an input and an output, so is what is heard, and all of it is searched at once: about 200 MB a minute of two
    /// channels at 48 kHz.
    pub duration: Duration,
}

impl Default for MeasureConfig {
    fn default() -> Self {
        Self { input: None, output: None, duration: Duration::from_secs(5) }
    }
}

/// How far a test is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasureProgress {
    /// Since the devices were started.
    pub elapsed: Duration,
    /// The largest magnitude in the input so far; 1.0 is full scale.
    pub peak_lin: f64,
}

/// Opens what is to be tested, measures it and closes it. Blocks for the test's duration, and for up to 15 s more where
/// a sound system hangs. `progress` is called a hundred times a second; a `Break` ends the test, and what was found until
/// then is reported.
///
/// # Real-time safety
/// Not real-time safe: allocates, does I/O and blocks.
///
/// # Errors
/// [`DeviceError`] where a device can't be found, opened or started; [`DeviceError::Refused`] where there is nothing to
/// test. What goes wrong later is in the report.
pub fn measure(
    config: &MeasureConfig,
    progress: &mut dyn FnMut(MeasureProgress) -> ControlFlow<()>,
) -> Result<MeasureReport, DeviceError> {
    if config.input.is_none() && config.output.is_none() {
        return Err(DeviceError::Refused { operation: "measure", message: "neither an input nor an output".into() });
    }
    let is_round_trip = config.input.is_some() && config.output.is_some();
    let mut input = config.input.as_ref().map(|request| Input::open(request, is_round_trip)).transpose()?;
    let input_hz = input.as_ref().map(|input| f64::from(input.spec.sample_rate.hz()));
    let mut output =
        config.output.as_ref().map(|request| Output::open(request, input_hz, config.duration)).transpose()?;
    // The input first: it must hear the whole of what is played.
    if let Some(input) = &input {
        input.stream.start()?;
    }
    if let Some(output) = &output {
        output.stream.start()?;
    }
    let (started, started_ns) = (Instant::now(), SystemClock.now_ns());
    loop {
        let elapsed = started.elapsed();
        let input_is_lost = input.as_mut().is_some_and(Input::collect);
        let output_is_lost = output.as_mut().is_some_and(Output::collect);
        let peak_lin = input.as_ref().map_or(0.0, |input| input.levels.peak_lin());
        let go_on = progress(MeasureProgress { elapsed, peak_lin });
        if elapsed >= config.duration || input_is_lost || output_is_lost || go_on.is_break() {
            break;
        }
        thread::sleep(LOOK.min(config.duration - elapsed));
    }
    let ran = Ran { started_ns, ended_ns: SystemClock.now_ns() };
    let round_trip = input.as_ref().zip(output.as_ref()).map(|(input, output)| {
        RoundTrip::of(&Loop {
            sweep: output.sweep,
            score: output.score,
            output: &output.deliveries,
            input: &input.deliveries,
            channels: &input.heard,
        })
    });
    let levels = input.as_ref().map_or_else(Vec::new, |input| input.levels.report());
    let input = input.map(|input| input.report(config.input.as_ref(), &ran));
    let output = output.map(|output| output.report(config.output.as_ref(), &ran));
    Ok(MeasureReport::judged(input, output, levels, round_trip))
}

/// From when to when the devices were open and started.
struct Ran {
    started_ns: u64,
    ended_ns: u64,
}

impl Ran {
    fn seconds(&self) -> f64 {
        (self.ended_ns - self.started_ns) as f64 / 1e9
    }

    fn longest_stall_s(&self, deliveries: &Deliveries) -> f64 {
        deliveries.longest_stall_ns(self.started_ns, self.ended_ns) as f64 / 1e9
    }
}

/// An input under test.
struct Input {
    stream: InputStream,
    spec: StreamSpec,
    records: Records,
    samples: InputReader,
    deliveries: Deliveries,
    levels: LevelAnalyser,
    /// The first channels, for the sweep; empty where none is played.
    heard: Vec<Vec<f64>>,
    piece: Vec<f32>,
}

impl Input {
    fn open(request: &InputRequest, is_round_trip: bool) -> Result<Self, DeviceError> {
        let spec = probe_input(request)?.spec;
        let (recorder, records) = recorder(|| SystemClock.now_ns());
        let ring = InputConfig {
            channels: spec.channels,
            capacity_frames: (RING_S * spec.sample_rate.hz() as usize).min(RING_SAMPLES / spec.channels.get()),
            capacity_periods: RING_PERIODS,
        };
        let refused = |message: String| DeviceError::Refused { operation: "open the device", message };
        let (writer, samples, _) = input_ring(&ring).map_err(|cause| refused(cause.to_string()))?;
        let tap = InputTap { recorder, samples: writer, channels: spec.channels.get() };
        let stream = InputStream::open(request, Box::new(tap))?;
        let granted = stream.granted().spec;
        if granted != spec {
            return Err(refused(format!("it changed from {spec} to {granted} while it was opened")));
        }
        let n_heard = if is_round_trip { spec.channels.get().min(HEARD_CHANNELS) } else { 0 };
        Ok(Self {
            stream,
            spec,
            records,
            samples,
            deliveries: Deliveries::new(spec.sample_rate),
            levels: LevelAnalyser::new(spec.channels.get(), f64::from(spec.sample_rate.hz())),
            heard: vec![Vec::new(); n_heard],
            piece: vec![0.0; spec.samples(4_096)],
        })
    }

    /// Takes what has come; returns whether the stream is lost.
    fn collect(&mut self) -> bool {
        while let Some(piece) = self.records.next() {
            self.deliveries.push(piece);
        }
        self.samples.poll_stamps(&mut |_| {});
        loop {
            if let Some(n_missing) = self.samples.take_gap() {
                // What found no room in the ring keeps its place.
                let n_missing = usize::try_from(n_missing).unwrap_or(usize::MAX);
                self.heard.iter_mut().for_each(|channel| channel.resize(channel.len().saturating_add(n_missing), 0.0));
                continue;
            }
            let n_frames = self.samples.read(&mut self.piece);
            if n_frames == 0 {
                break;
            }
            let samples = &self.piece[..self.spec.samples(n_frames)];
            self.levels.process(samples);
            for (i, channel) in self.heard.iter_mut().enumerate() {
                let of_channel = samples.iter().skip(i).step_by(self.spec.channels.get());
                channel.extend(of_channel.map(|&x| if x.is_finite() { f64::from(x) } else { 0.0 }));
            }
        }
        self.stream.loss().is_some()
    }

    fn report(self, request: Option<&InputRequest>, ran: &Ran) -> StreamReport {
        StreamReport {
            asked: request.map(|r| r.device.clone()).unwrap_or_default(),
            asked_sample_rate: request.and_then(|r| r.sample_rate).map(|rate| rate.hz()),
            asked_period_frames: request.and_then(|r| r.period_frames),
            seconds: ran.seconds(),
            longest_stall_s: ran.longest_stall_s(&self.deliveries),
            lost_records: self.records.n_lost(),
            callback_thread: self.stream.callback_thread().as_ref().map(class_of),
            loss: self.stream.loss(),
            ..StreamReport::of(Direction::Input, self.stream.granted(), self.stream.counts(), &self.deliveries)
        }
    }
}

/// An output under test.
struct Output {
    stream: OutputStream,
    records: Records,
    deliveries: Deliveries,
    sweep: Sweep,
    score: Score,
}

impl Output {
    /// Sweeps for an input of `input_hz`, if there is one; else silence.
    fn open(request: &OutputRequest, input_hz: Option<f64>, duration: Duration) -> Result<Self, DeviceError> {
        let spec = probe_output(request)?.spec;
        let rate_hz = f64::from(spec.sample_rate.hz());
        let sweep = Sweep::for_rates(rate_hz, input_hz.unwrap_or(rate_hz));
        let seconds = if input_hz.is_some() { duration.as_secs_f64() } else { 0.0 };
        let score = Score::for_test(seconds, rate_hz);
        let samples: Box<[f32]> = sweep.samples(rate_hz).iter().map(|&x| x as f32).collect();
        let (recorder, records) = recorder(|| SystemClock.now_ns());
        let stream = OutputStream::open(request, move |granted: StreamSpec| {
            Box::new(OutputTap { recorder, score, sweep: samples, channels: granted.channels.get(), position: 0 })
        })?;
        let granted = stream.granted().spec;
        if granted != spec {
            let message = format!("it changed from {spec} to {granted} while it was opened");
            return Err(DeviceError::Refused { operation: "open the device", message });
        }
        Ok(Self { stream, records, deliveries: Deliveries::new(spec.sample_rate), sweep, score })
    }

    /// Takes what has come; returns whether the stream is lost.
    fn collect(&mut self) -> bool {
        while let Some(piece) = self.records.next() {
            self.deliveries.push(piece);
        }
        self.stream.loss().is_some()
    }

    fn report(self, request: Option<&OutputRequest>, ran: &Ran) -> StreamReport {
        StreamReport {
            asked: request.map(|r| r.device.clone()).unwrap_or_default(),
            asked_sample_rate: request.and_then(|r| r.sample_rate).map(|rate| rate.hz()),
            asked_period_frames: request.and_then(|r| r.period_frames),
            seconds: ran.seconds(),
            longest_stall_s: ran.longest_stall_s(&self.deliveries),
            lost_records: self.records.n_lost(),
            callback_thread: self.stream.callback_thread().as_ref().map(class_of),
            loss: self.stream.loss(),
            ..StreamReport::of(Direction::Output, self.stream.granted(), self.stream.counts(), &self.deliveries)
        }
    }
}

/// A thread's class in a word, and its priority where the class has them.
fn class_of(grant: &RealtimeGrant) -> String {
    match grant.class {
        RealtimeClass::Fifo => format!("fifo {}", grant.priority),
        RealtimeClass::RoundRobin => format!("round-robin {}", grant.priority),
        RealtimeClass::Ordinary => "ordinary".to_owned(),
        RealtimeClass::Platform => "the platform's own for audio".to_owned(),
        _ => "unknown".to_owned(),
    }
}
