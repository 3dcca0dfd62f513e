//! The way from a bus to a device in virtual time, closed: a device on a clock of its own asks for periods of its own
//! sizes, a consumer looks every so often, and what is heard is judged as sound.

use ra_core::{Block, BlockStamp, FramePosition, Gap, GapReason, PlaybackClock, StreamSpec};
use ra_device::PeriodOutput;
use ra_dsp::{ClockEstimator, Quality};

use super::{
    OutputRole,
    bus_clock::BusClock,
    clock::{ClockedPlayer, output_clock},
    line::{Line, LineConfig, LineParts},
};

const BUS_HZ: f64 = 48_000.0;
const BLOCK: usize = 128;
const TONE_HZ: f64 = 997.0;
const AMPLITUDE: f64 = 0.5;
/// What a device plays is heard so much later.
const DEVICE_LATENCY_S: f64 = 0.04;

/// Numbers as random as a test needs, the same every time.
struct Dice(u64);

impl Dice {
    /// 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A device's callback, and what it is heard to play.
struct Device {
    player: ClockedPlayer,
    /// Frames per second of true time.
    true_hz: f64,
    periods: fn(&mut Dice) -> usize,
    jitter_s: f64,
    stamps_off_s: f64,
    /// All stamps say that it is heard so much later than it is.
    stamps_late_s: f64,
    dice: Dice,
    position: u64,
    due_s: f64,
    called_s: f64,
    stopped_until_s: f64,
    ear: Ear,
}

impl Device {
    /// The next period, at its time; returns what time that is.
    fn call(&mut self) {
        let now_s = self.next_s();
        self.called_s = now_s;
        let n_frames = (self.periods)(&mut self.dice);
        let off_s = self.stamps_off_s * Dice(self.dice.0 ^ 0x7777).roll();
        let playback_ns = ((now_s + DEVICE_LATENCY_S + self.stamps_late_s + off_s) * 1e9) as u64;
        self.player.begin_period(playback_ns, n_frames);
        let mut done = 0;
        while done < n_frames {
            let mut piece = [0.0; 1024];
            let piece = &mut piece[..(n_frames - done).min(1024)];
            let ahead_ns = (done as f64 / self.true_hz * 1e9) as u64;
            self.player.render(playback_ns + ahead_ns, piece);
            piece.iter().for_each(|&x| self.ear.hear(x));
            done += piece.len();
        }
        self.position += n_frames as u64;
        self.due_s += n_frames as f64 / self.true_hz;
        self.dice.roll();
    }

    fn next_s(&self) -> f64 {
        let mut dice = Dice(self.dice.0 ^ 0x5555);
        (self.due_s + self.jitter_s * dice.roll()).max(self.called_s).max(self.stopped_until_s)
    }
}

/// Judges a tone that should be heard with `radians` per frame.
struct Ear {
    radians: f64,
    last: [f64; 2],
    n_heard: u64,
    /// The largest departure from a tone's recurrence `x[n+1] = 2 cos(w) x[n] - x[n-1]`, since it was asked last.
    roughest: f64,
    /// Phases of windows of a 10th of a second against what is expected, and their amplitudes.
    sum: (f64, f64),
    phases: Vec<f64>,
    levels: Vec<f64>,
}

const EAR_WINDOW: u64 = 4_800;

impl Ear {
    fn new(radians: f64) -> Self {
        Self { radians, last: [0.0; 2], n_heard: 0, roughest: 0.0, sum: (0.0, 0.0), phases: vec![], levels: vec![] }
    }

    fn hear(&mut self, x: f32) {
        let x = f64::from(x);
        let rough = (x - 2.0 * self.radians.cos() * self.last[1] + self.last[0]).abs();
        self.roughest = self.roughest.max(rough);
        self.last = [self.last[1], x];
        let angle = self.radians * self.n_heard as f64;
        self.sum.0 += x * angle.cos();
        self.sum.1 -= x * angle.sin();
        self.n_heard += 1;
        if self.n_heard.is_multiple_of(EAR_WINDOW) {
            let (re, im) = std::mem::take(&mut self.sum);
            self.phases.push(im.atan2(re));
            self.levels.push(2.0 * re.hypot(im) / EAR_WINDOW as f64);
        }
    }

    fn forget(&mut self) {
        self.roughest = 0.0;
        self.phases.clear();
        self.levels.clear();
    }

    /// How far the tone is off on average since `forget`, and at most within a second, in ppm.
    fn off_ppm(&self) -> (f64, f64) {
        let tau = std::f64::consts::TAU;
        let steps: Vec<f64> = self
            .phases
            .windows(2)
            .map(|pair| {
                let step = pair[1] - pair[0];
                (step - tau * (step / tau).round()) / (self.radians * EAR_WINDOW as f64) * 1e6
            })
            .collect();
        let mean = steps.iter().sum::<f64>() / steps.len() as f64;
        let worst = steps.chunks_exact(10).map(|s| (s.iter().sum::<f64>() / 10.0).abs()).fold(0.0, f64::max);
        (mean, worst)
    }
}

/// A bus, a consumer's thread, a line and a device.
struct Rig {
    line: Line,
    device: Device,
    bus_clock: BusClock,
    clock: Box<dyn PlaybackClock>,
    /// The bus's pace against true time.
    bus_hz: f64,
    poll_s: f64,
    /// The largest lateness of a look.
    poll_late_s: f64,
    /// The bus's blocks are said to come so much later than they do.
    arrivals_late_s: f64,
    dice: Dice,
    n_blocks: u64,
    n_polls: u64,
    now_s: f64,
    asleep_until_s: f64,
    lost_frames: u64,
}

#[derive(Clone, Copy)]
struct Scene {
    device_hz: u32,
    drift_ppm: f64,
    bus_ppm: f64,
    periods: fn(&mut Dice) -> usize,
    jitter_s: f64,
    stamps_off_s: f64,
    cushion_ms: f64,
    role: OutputRole,
    quality: Quality,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            device_hz: 48_000,
            drift_ppm: 0.0,
            bus_ppm: 0.0,
            periods: |_| 480,
            jitter_s: 1e-3,
            stamps_off_s: 0.0,
            cushion_ms: 60.0,
            role: OutputRole::Follower,
            quality: Quality::Fast,
        }
    }
}

impl Rig {
    fn new(scene: Scene) -> Self {
        let (bus, device) = (StreamSpec::new(48_000, 1).unwrap(), StreamSpec::new(scene.device_hz, 1).unwrap());
        let Scene { cushion_ms, quality, role, .. } = scene;
        let LineParts { line, player, stamps } =
            LineParts::new(&LineConfig { bus, device, cushion_ms, quality, role }).unwrap();
        let (mut clock_feed, clock) = output_clock(bus.sample_rate);
        clock_feed.switch_to(stamps);
        let true_hz = f64::from(scene.device_hz) * (1.0 + scene.drift_ppm * 1e-6);
        let bus_hz = BUS_HZ * (1.0 + scene.bus_ppm * 1e-6);
        // The bus's own clock makes the tone: as it runs, so does its pitch.
        let tone_hz = TONE_HZ * bus_hz / BUS_HZ;
        let device = Device {
            player,
            true_hz,
            periods: scene.periods,
            jitter_s: scene.jitter_s,
            stamps_off_s: scene.stamps_off_s,
            stamps_late_s: 0.0,
            dice: Dice(7),
            position: 0,
            due_s: 10.013,
            called_s: 0.0,
            stopped_until_s: 0.0,
            ear: Ear::new(std::f64::consts::TAU * tone_hz / true_hz),
        };
        Self {
            line,
            device,
            bus_clock: BusClock::new(bus.sample_rate),
            clock: Box::new(clock),
            bus_hz,
            poll_s: 0.01,
            poll_late_s: 2e-3,
            arrivals_late_s: 0.0,
            dice: Dice(11),
            n_blocks: 0,
            n_polls: 0,
            now_s: 10.0,
            asleep_until_s: 0.0,
            lost_frames: 0,
        }
    }

    fn run(&mut self, seconds: f64) {
        let end_s = self.now_s + seconds;
        loop {
            let poll_s = (10.0 + self.n_polls as f64 * self.poll_s + self.poll_late_s * self.dice_ahead())
                .max(self.asleep_until_s);
            let call_s = self.device.next_s();
            if poll_s.min(call_s) >= end_s {
                self.now_s = end_s;
                return;
            }
            if call_s <= poll_s {
                self.device.call();
            } else {
                self.poll(poll_s);
            }
        }
    }

    fn dice_ahead(&self) -> f64 {
        Dice(self.dice.0 ^ 0x3333).roll()
    }

    /// The consumer's thread looks, and hands on what is there.
    fn poll(&mut self, now_s: f64) {
        self.n_polls = self.n_polls.max(((now_s - 10.0) / self.poll_s) as u64) + 1;
        self.dice.roll();
        let mut at_ns = ((now_s + self.arrivals_late_s) * 1e9) as u64;
        while 10.0 + ((self.n_blocks + 1) * BLOCK as u64) as f64 / self.bus_hz <= now_s {
            let first = self.n_blocks * BLOCK as u64;
            let samples: Vec<f32> = (first..first + BLOCK as u64).map(tone).collect();
            let stamp = BlockStamp { seq: self.n_blocks, position: FramePosition(first), capture_ns: 0 };
            let block = Block { stamp, spec: StreamSpec::new(48_000, 1).unwrap(), samples: &samples };
            let jumped_s = self.bus_clock.observe(stamp.position, BLOCK as u64, at_ns);
            self.line.write(&block, &self.bus_clock, jumped_s).unwrap();
            self.lost_frames += self.line.take_lost_frames();
            self.n_blocks += 1;
            at_ns += 20_000;
        }
    }

    fn gap(&mut self, n_blocks: u64) {
        let at_frame = FramePosition(self.n_blocks * BLOCK as u64);
        self.line.gap(&Gap { at_frame, n_frames: n_blocks * BLOCK as u64, reason: GapReason::MixerLate });
        self.n_blocks += n_blocks;
    }

    fn mishaps(&self) -> (u64, u64) {
        (self.line.shared().underruns(), self.line.dropped_frames())
    }

    /// What is left when the device has taken its longest period, on average, in milliseconds.
    fn cushion_ms(&self) -> f64 {
        let shared = self.line.shared();
        let level = self.line.steering().unwrap().level_frames().unwrap();
        let spare = (shared.target_frames() - shared.cushion_frames()) as f64;
        (level - spare) * 1e3 / f64::from(self.line.device_rate().hz())
    }
}

fn tone(frame: u64) -> f32 {
    // 997 is prime to 48000: the tone repeats every second.
    (AMPLITUDE * (std::f64::consts::TAU * TONE_HZ * (frame % 48_000) as f64 / BUS_HZ).sin()) as f32
}

/// Runs a scene for `hours` after `settle_s` and asserts that nothing is missing and the sound is right.
fn assert_plays(scene: Scene, settle_s: f64, seconds: f64) {
    let what = format!("{} Hz {:+} ppm, bus {:+} ppm", scene.device_hz, scene.drift_ppm, scene.bus_ppm);
    let mut rig = Rig::new(scene);
    rig.run(settle_s);
    let before = rig.mishaps();
    rig.device.ear.forget();
    let mut cushions = Vec::new();
    for _ in 0..20 {
        rig.run(seconds / 20.0);
        cushions.push(rig.cushion_ms());
    }
    let latency_ms = rig.line.steering().unwrap().latency_ms().unwrap();
    let (off_ppm, worst_ppm) = rig.device.ear.off_ppm();
    let roughest = rig.device.ear.roughest;
    let drift_ppm = rig.line.steering().unwrap().drift_ppm().unwrap();
    let (least, most) = cushions.iter().fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
    println!(
        "{what}: at first {before:?}; off {off_ppm:.3} ppm, {worst_ppm:.2} in a second at most; rough {roughest:.2e}; \
         cushion {least:.2} to {most:.2} ms of {}; latency {latency_ms:.1} ms; drift {drift_ppm:.3} ppm",
        scene.cushion_ms
    );
    assert_eq!(rig.mishaps(), before, "{what}");
    assert!(off_ppm.abs() < 0.5, "{what}: the tone is off by {off_ppm} ppm");
    assert!(roughest < 2e-3 * AMPLITUDE, "{what}: a click of {roughest}");
    assert!((drift_ppm - scene.drift_ppm).abs() < 2.0, "{what}: {drift_ppm}");
    assert!(least > scene.cushion_ms - 8.0 && most < scene.cushion_ms + 8.0, "{what}: {least} to {most} ms");
    let levels = &rig.device.ear.levels;
    assert!(levels.iter().all(|level| (level / AMPLITUDE - 1.0).abs() < 0.01), "{what}: the level is wrong");
}

#[test]
fn a_device_500_ppm_off_plays_on_without_a_hole() {
    for drift_ppm in [500.0, -500.0, 37.0, 0.0] {
        assert_plays(Scene { drift_ppm, ..Scene::default() }, 120.0, 240.0);
    }
}

/// Six hours of a device, a minute of a machine: optimised, with `--ignored`.
#[test]
#[ignore = "long"]
fn it_plays_for_hours() {
    assert_plays(Scene { drift_ppm: 500.0, ..Scene::default() }, 120.0, 6.0 * 3_600.0);
}

#[test]
fn periods_of_all_sizes_are_kept_up_with() {
    // A sound server that asks for 24 frames now and for two seconds then.
    let wild: fn(&mut Dice) -> usize = |dice| match dice.roll() {
        x if x < 0.9 => 24 + (dice.roll() * 2_000.0) as usize,
        _ => 24 + (dice.roll() * 93_976.0) as usize,
    };
    let scene = Scene { drift_ppm: -300.0, periods: wild, cushion_ms: 100.0, ..Scene::default() };
    let mut rig = Rig::new(scene);
    rig.run(300.0);
    let before = rig.mishaps();
    rig.device.ear.forget();
    rig.run(1_200.0);
    let (off_ppm, _) = rig.device.ear.off_ppm();
    println!("at first {before:?}, then {:?}; off {off_ppm:.3} ppm, cushion {:.1} ms", rig.mishaps(), rig.cushion_ms());
    assert!(before.0 <= 10, "{before:?}");
    assert!(rig.mishaps().0 <= before.0 + 1, "a period longer than any before is one underrun: {:?}", rig.mishaps());
    // The longest period of the last minutes is not always the same, and the ring is filled for that one, at 100 ppm.
    assert!(off_ppm.abs() < 110.0, "{off_ppm}");
}

#[test]
fn two_seconds_at_a_time_are_kept_up_with() {
    let scene = Scene { drift_ppm: 200.0, periods: |_| 94_000, ..Scene::default() };
    let mut rig = Rig::new(scene);
    rig.run(120.0);
    let before = rig.mishaps();
    rig.device.ear.forget();
    rig.run(900.0);
    let (off_ppm, _) = rig.device.ear.off_ppm();
    println!("at first {before:?}; off {off_ppm:.3} ppm, cushion {:.1} ms", rig.cushion_ms());
    assert_eq!(rig.mishaps(), before);
    assert!(off_ppm.abs() < 1.0, "{off_ppm}");
    assert!(rig.device.ear.roughest < 2e-3 * AMPLITUDE, "{}", rig.device.ear.roughest);
}

#[test]
fn a_device_whose_stamps_are_worthless_plays_all_the_same() {
    let scene = Scene { drift_ppm: 500.0, stamps_off_s: 0.03, ..Scene::default() };
    let mut rig = Rig::new(scene);
    rig.run(60.0);
    let before = rig.mishaps();
    rig.device.ear.forget();
    rig.run(240.0);
    let (off_ppm, worst_ppm) = rig.device.ear.off_ppm();
    println!("off {off_ppm:.3} ppm, {worst_ppm:.1} at most; cushion {:.1} ms", rig.cushion_ms());
    assert_eq!(rig.mishaps(), before);
    assert!(off_ppm.abs() < 50.0 && worst_ppm < 1_000.0, "{off_ppm}, {worst_ppm}");
    assert!((rig.cushion_ms() - 60.0).abs() < 20.0, "{}", rig.cushion_ms());
}

#[test]
fn another_rate_is_followed_the_same_way() {
    for (device_hz, periods) in [(44_100, (|_| 441) as fn(&mut Dice) -> usize), (96_000, |_| 1_024), (16_000, |_| 320)]
    {
        assert_plays(Scene { device_hz, periods, drift_ppm: 250.0, ..Scene::default() }, 120.0, 120.0);
    }
}

#[test]
fn a_bus_that_another_device_leads_is_followed_too() {
    assert_plays(Scene { drift_ppm: -200.0, bus_ppm: 150.0, ..Scene::default() }, 120.0, 240.0);
}

#[test]
fn a_master_is_played_as_it_is_and_tells_its_clock() {
    let mut rig = Rig::new(Scene { role: OutputRole::Master, drift_ppm: 80.0, bus_ppm: 80.0, ..Scene::default() });
    let mut estimator = ClockEstimator::new(ra_core::SampleRate::HZ_48000);
    rig.run(0.5);
    rig.device.ear.forget();
    for _ in 0..60 {
        rig.run(1.0);
        rig.clock.poll_stamps(&mut |stamp| {
            estimator.observe(stamp.position, stamp.n_frames, stamp.capture_ns);
        });
    }
    assert!(rig.line.steering().is_none(), "it is not resampled");
    assert_eq!(rig.mishaps().0, 0);
    assert!(rig.device.ear.roughest < 1e-6, "{}", rig.device.ear.roughest);
    let drift_ppm = estimator.drift().unwrap().0;
    assert!((drift_ppm - 80.0).abs() < 3.0, "{drift_ppm}");
}

#[test]
fn a_gap_of_the_bus_is_silence_of_its_length_and_moves_nothing() {
    let mut rig = Rig::new(Scene { drift_ppm: 100.0, ..Scene::default() });
    rig.run(60.0);
    let (before, latency_ms) = (rig.mishaps(), rig.line.steering().unwrap().latency_ms().unwrap());
    rig.device.ear.forget();
    // The mixer was late by 27 ms: so long nothing comes, and then what is due.
    rig.gap(10);
    rig.run(2.0);
    assert_eq!(rig.mishaps(), before);
    assert_eq!(rig.line.inserted_frames(), 1_280);
    // The fades of 2 ms, and no click: a raw cut of the tone is rougher by far.
    assert!(rig.device.ear.roughest < 0.01, "{}", rig.device.ear.roughest);
    let now_ms = rig.line.steering().unwrap().latency_ms().unwrap();
    assert!((now_ms - latency_ms).abs() < 0.5, "{latency_ms} and {now_ms} ms");
}

#[test]
fn a_device_that_stops_for_a_while_costs_what_it_must_and_goes_on() {
    let mut rig = Rig::new(Scene { drift_ppm: -500.0, ..Scene::default() });
    rig.run(60.0);
    let before = rig.mishaps();
    // A sound server that was stopped for 1.5 s: its frames are heard later from then on.
    rig.device.stopped_until_s = rig.now_s + 1.5;
    rig.device.due_s = rig.device.stopped_until_s;
    rig.run(10.0);
    let (underruns, dropped) = rig.mishaps();
    assert_eq!(underruns, before.0);
    let dropped = dropped - before.1;
    assert!((66_000..78_000).contains(&dropped), "{dropped} frames for 1.5 s");
    assert!(rig.lost_frames.abs_diff(dropped) < 2_000, "told in frames of the bus: {}", rig.lost_frames);
    rig.run(110.0);
    rig.device.ear.forget();
    let before = rig.mishaps();
    rig.run(120.0);
    assert_eq!(rig.mishaps(), before);
    let (off_ppm, _) = rig.device.ear.off_ppm();
    // It may still be on its way to the very cushion, by 100 ppm at most.
    assert!(off_ppm.abs() < 110.0 && rig.device.ear.roughest < 1e-3, "{off_ppm}, {}", rig.device.ear.roughest);
    assert!((rig.cushion_ms() - 60.0).abs() < 15.0, "{}", rig.cushion_ms());
}

/// A sound server corrects what it says of its latency, or the arrivals are seen later than before: the sound itself is where
/// it was, and has to stay there.
#[test]
fn stamps_that_jump_on_either_side_move_no_sound() {
    let jumps: [fn(&mut Rig); 4] = [
        |rig| rig.device.stamps_late_s = 0.05,
        |rig| rig.device.stamps_late_s = -0.03,
        |rig| rig.arrivals_late_s = 0.05,
        |rig| rig.arrivals_late_s = -0.03,
    ];
    for (i, jump) in jumps.into_iter().enumerate() {
        let mut rig = Rig::new(Scene { drift_ppm: 100.0, ..Scene::default() });
        rig.run(120.0);
        let (before, cushion_ms) = (rig.mishaps(), rig.cushion_ms());
        rig.device.ear.forget();
        jump(&mut rig);
        rig.run(60.0);
        let (_, worst_ppm) = rig.device.ear.off_ppm();
        println!(
            "jump {i}: {worst_ppm:.1} ppm in a second at most, cushion {cushion_ms:.1}, {:.1} ms",
            rig.cushion_ms()
        );
        assert_eq!(rig.mishaps(), before, "jump {i}");
        assert!(worst_ppm < 150.0, "jump {i}: {worst_ppm}");
        assert!((rig.cushion_ms() - cushion_ms).abs() < 8.0, "jump {i}: {cushion_ms} and {} ms", rig.cushion_ms());
    }
}

#[test]
fn the_longest_period_is_remembered_over_an_underrun() {
    let periods: fn(&mut Dice) -> usize = |dice| if dice.roll() < 0.001 { 24_000 } else { 480 };
    let mut rig = Rig::new(Scene { periods, ..Scene::default() });
    rig.run(120.0);
    assert_eq!(rig.mishaps().0, 1, "the first of them comes as a surprise");
    rig.asleep_until_s = rig.now_s + 1.0;
    rig.run(2.0);
    assert_eq!(rig.mishaps().0, 2);
    rig.run(120.0);
    assert_eq!(rig.mishaps().0, 2);
}

#[test]
fn a_consumer_that_oversleeps_is_one_underrun_and_the_cushion_is_there_again() {
    let mut rig = Rig::new(Scene { drift_ppm: 500.0, ..Scene::default() });
    rig.run(60.0);
    assert_eq!(rig.mishaps().0, 0);
    rig.device.ear.forget();
    rig.asleep_until_s = rig.now_s + 0.25;
    rig.run(2.0);
    assert_eq!(rig.mishaps().0, 1);
    assert!(rig.line.shared().silent_frames() > 4_000);
    assert!(rig.device.ear.roughest < 0.02, "{}", rig.device.ear.roughest);
    rig.run(120.0);
    assert_eq!(rig.mishaps().0, 1);
    assert!((rig.cushion_ms() - 60.0).abs() < 8.0, "{}", rig.cushion_ms());
}
