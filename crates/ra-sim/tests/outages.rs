//! Devices that go and come back, in virtual time: what is heard meanwhile, what is listed, and what it costs the others.
//! Judged by the samples and by the devices' own truth.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "support/keep.rs"]
mod keep;
#[path = "support/run.rs"]
mod run;
#[path = "support/sound.rs"]
mod sound;

use std::ops::ControlFlow;

use keep::Keep;
use ra_engine::core::{GapReason, SampleRate, SourceState};
use ra_engine::sources::{ClockModel, Fault, Signal};
use ra_engine::{Latency, OnLoss};
use ra_sim::{OffsetSeries, Report, Scenario, ScenarioSource, Simulation, SourceReport};
use run::{SAMPLE_US, assert_books_balance, load};

const HZ: f64 = 48_000.0;
const LATENCY_FRAMES: f64 = 960.0;

/// What a scenario came to, with every source by itself and the left side of the mix.
struct Heard {
    report: Report,
    series: OffsetSeries,
    lanes: Vec<Vec<f32>>,
    mix: Vec<f32>,
}

fn hear(scenario: &Scenario) -> Heard {
    let (lanes, mix) = (Keep::default(), Keep::default());
    let simulation = Simulation::new(scenario).unwrap().with_series(0.0);
    let simulation = simulation.samples_to(Box::new(lanes.clone())).unwrap().mix_to(Box::new(mix.clone())).unwrap();
    let outcome = simulation.run(&mut |_| ControlFlow::Continue(())).unwrap();
    let n = scenario.sources.len();
    let heard = Heard {
        report: outcome.report,
        series: outcome.series.unwrap(),
        lanes: (0..n).map(|lane| lanes.lane(lane, n)).collect(),
        mix: mix.lane(0, 2),
    };
    // To the frame, whatever was lost.
    assert!(heard.lanes.iter().chain([&heard.mix]).all(|lane| lane.len() as u64 == scenario.n_frames()));
    for source in &heard.report.sources {
        assert_books_balance(source, heard.report.engine.blocks * heard.report.engine.block_frames as u64);
    }
    heard
}

fn largest_step(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

/// The steepest that a tone is between two frames, with the fades of 1.5 and 5 ms at a hole's edges, and what a resampler
/// makes of them.
fn steepest(hz: f64, dbfs: f64) -> f32 {
    let peak = 10f64.powf(dbfs / 20.0);
    (1.1 * peak * (std::f64::consts::TAU * hz / HZ + 1.0 / 72.0 + 1.0 / 240.0)) as f32
}

/// Every gap of a source lies between two stretches that it captured, and as exactly as `frames`; its list is complete.
#[track_caller]
fn assert_gaps_are_true(source: &SourceReport, end_frame: u64, frames: f64) {
    let holes: Vec<(f64, f64)> = source.captured.windows(2).map(|pair| (pair[0].to_s, pair[1].from_s)).collect();
    assert_eq!(source.gaps.len(), holes.len(), "{}: {:?}, expected {holes:?}", source.name, source.gaps);
    let mut worst: f64 = 0.0;
    for (gap, (from_s, to_s)) in source.gaps.iter().zip(holes) {
        let (from, to) = (from_s * HZ + LATENCY_FRAMES, to_s * HZ + LATENCY_FRAMES);
        worst = worst.max((gap.at_frame.0 as f64 - from).abs());
        if gap.end().0 < end_frame {
            worst = worst.max((gap.end().0 as f64 - to).abs());
        }
        assert!(worst <= frames, "{}: {gap:?}, expected {from:.2} to {to:.2}", source.name);
    }
    println!("{}: {} gaps, their ends {worst:.2} frames off at most", source.name, source.gaps.len());
}

#[test]
fn a_hundred_losses_and_returns() {
    let scenario = load("loss_cycles");
    let heard = hear(&scenario);
    let [mic, other, spare] = &heard.report.sources[..] else { panic!("three sources") };
    assert_eq!((mic.losses, mic.reconnects, mic.state), (100, 100, SourceState::Live));
    assert_gaps_are_true(mic, scenario.n_frames(), 10.0);
    assert!(mic.gaps.iter().all(|gap| gap.reason == GapReason::DeviceLost));
    assert_eq!((mic.dropped_frames, other.gaps.len(), spare.gaps.len()), (0, 0, 0));

    // Nobody else notices, to the bit.
    let mut quiet = scenario.clone();
    quiet.sources[0].faults.clear();
    let untroubled = hear(&quiet);
    assert!(heard.lanes[1] == untroubled.lanes[1] && heard.lanes[2] == untroubled.lanes[2], "the others are touched");

    // In the mix there is the other one all the time, and beside it the microphone or the spare one.
    let (own, spare_lane) = (&heard.lanes[0], &heard.lanes[2]);
    let rest: Vec<f32> = heard.mix.iter().zip(&heard.lanes[1]).map(|(sum, other)| sum - other).collect();
    let is = |lane: &[f32], at: usize| (at..at + 24).all(|at| (rest[at] - lane[at]).abs() < 1e-5);
    let (mut slowest_takeover, mut slowest_return) = (0, 0);
    for (n, gap) in mic.gaps.iter().enumerate() {
        let Fault::Loss { at_s, for_s, .. } = scenario.sources[0].faults[n] else { panic!("losses only") };
        let (lost, back) = ((at_s * HZ) as usize, ((at_s + for_s) * HZ) as usize);
        // What was captured before sounds for a latency; then it is silent, and has been known to be lost for long.
        let detectable = lost.max(gap.at_frame.0 as usize);
        let takeover = (detectable..).find(|&at| is(spare_lane, at)).unwrap() - detectable;
        slowest_takeover = slowest_takeover.max(takeover);
        let returned = (gap.end().0 as usize..).find(|&at| is(own, at)).unwrap();
        slowest_return = slowest_return.max(returned - back);
        assert!((detectable + takeover..returned - 512).step_by(97).all(|at| is(spare_lane, at)), "cycle {n}");
        assert!((returned..lost + 120_000).take(60_000).step_by(97).all(|at| is(own, at)), "cycle {n}");
    }
    println!("taken over within {slowest_takeover} frames, back within {slowest_return}");
    assert!(slowest_takeover <= 960, "20 ms: {slowest_takeover} frames");
    assert!(slowest_return <= 24_000, "500 ms: {slowest_return} frames");

    // No click, by itself or in the mix.
    assert!(largest_step(own) <= steepest(997.0, -12.0), "{}", largest_step(own));
    let both = steepest(997.0, -12.0) + steepest(313.0, -16.0);
    assert!(largest_step(&rest) <= both, "{} of {both}", largest_step(&rest));

    // In its place as soon as its first stamps, with all their errors, have been outweighed by those behind them.
    let mut settled_s: f64 = 0.0;
    for stretch in &mic.captured {
        let within = stretch.from_s..stretch.to_s;
        let offsets = heard.series.time_s.iter().zip(&heard.series.offset_us[0]);
        let astray = offsets.filter(|(t, us)| within.contains(&(**t - 0.02)) && f64::from(us.abs()) > 2.0 * SAMPLE_US);
        settled_s = astray.fold(settled_s, |last: f64, (t, _)| last.max(t - 0.02 - stretch.from_s));
    }
    println!("inside two samples {settled_s:.2} s behind each return");
    assert!(settled_s <= 1.0, "{settled_s} s");

    // Each cycle is told: live, lost, the spare one, live.
    let count = |state| mic.states.iter().filter(|change| change.state == state).count();
    assert_eq!((count(SourceState::Fallback), count(SourceState::Live)), (100, 101), "{:?}", mic.states);
    assert!(mic.states.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms && pair[0].state != pair[1].state));
    assert!(mic.failed_opens >= 300 && mic.failed_opens <= 700, "{}", mic.failed_opens);
}

fn device(name: &str, faults: Vec<Fault>) -> ScenarioSource {
    ScenarioSource {
        clock: ClockModel { ppm: 60.0, ..ClockModel::PERFECT },
        jitter_us: 100.0,
        faults,
        ..ScenarioSource::new(name, Signal::Tone { hz: 997.0, dbfs: -12.0 })
    }
}

fn scenario(duration_s: f64, sources: Vec<ScenarioSource>) -> Scenario {
    Scenario { seed: 3, measure_from_s: Some(duration_s / 2.0), sources, ..Scenario::new(duration_s) }
}

#[test]
fn a_device_that_goes_without_a_word_is_found_out_by_its_silence() {
    // For less than it takes to give it up, and for longer.
    let faults = vec![Fault::Unplug { at_s: 5.0, for_s: 1.5 }, Fault::Unplug { at_s: 10.0, for_s: 4.0 }];
    let spare = ScenarioSource::new("spare", Signal::Tone { hz: 313.0, dbfs: -16.0 });
    let mic = ScenarioSource { on_loss: OnLoss::Fallback("spare".into()), ..device("mic", faults) };
    let scenario = scenario(20.0, vec![mic, spare]);
    let heard = hear(&scenario);
    let mic = &heard.report.sources[0];
    assert_eq!((mic.losses, mic.reconnects, mic.state), (1, 1, SourceState::Live), "{mic:?}");
    assert_gaps_are_true(mic, scenario.n_frames(), 10.0);
    // It was away for four seconds, and is open again within a quarter of one.
    let opened_s = mic.captured.last().unwrap().from_s;
    assert!((14.0..14.26).contains(&opened_s), "{:?}", mic.captured);
    let states: Vec<_> = mic.states.iter().map(|change| change.state).collect();
    use SourceState::{Fallback, Live, Lost, Opening, Stalled};
    assert_eq!(states, [Opening, Live, Stalled, Fallback, Live, Stalled, Fallback, Live], "{:?}", mic.states);
    assert!(!states.contains(&Lost), "the spare one is heard by then");
    // Known by its silence within two periods and the tolerance, and 20 ms later the spare one is heard.
    let is_spare = |at: usize| (at..at + 24).all(|at| (heard.mix[at] - heard.lanes[1][at]).abs() < 1e-5);
    for lost_s in [5.0, 10.0] {
        let takeover_s = (lost_s * HZ) as usize..;
        let heard_s = takeover_s.clone().find(|&at| is_spare(at)).unwrap() as f64 / HZ - lost_s;
        // A period of 5.3 ms that was under way, looks 10 ms apart, and 30 ms.
        assert!(heard_s < 0.0053 + 2.0 * 0.0107 + 0.03 + 0.0107 + 0.02, "{heard_s}");
    }
    assert!(largest_step(&heard.lanes[0]) <= steepest(997.0, -12.0));
}

#[test]
fn a_device_that_comes_back_at_another_rate_is_in_its_place() {
    let faults = [(4.0, 16_000), (10.0, 44_100), (16.0, 96_000)].map(|(at_s, hz)| Fault::Loss {
        at_s,
        for_s: 1.0,
        sample_rate: Some(SampleRate::new(hz).unwrap()),
    });
    let scenario =
        Scenario { latency: ra_engine::Latency::Ms(40.0), ..scenario(22.0, vec![device("mic", faults.into())]) };
    let heard = hear(&scenario);
    let mic = &heard.report.sources[0];
    assert_eq!((mic.losses, mic.reconnects, mic.state, mic.gaps.len()), (3, 3, SourceState::Live, 3), "{mic:?}");
    for (gap, pair) in mic.gaps.iter().zip(mic.captured.windows(2)) {
        let (from, to) = (pair[0].to_s * HZ + 1920.0, pair[1].from_s * HZ + 1920.0);
        let off = (gap.at_frame.0 as f64 - from).abs().max((gap.end().0 as f64 - to).abs());
        assert!(off <= 10.0, "{gap:?}, expected {from} to {to}");
    }
    for (from_s, to_s) in [(8.0, 9.9), (14.0, 15.9), (20.0, 22.0)] {
        let worst = heard.series.time_s.iter().zip(&heard.series.offset_us[0]);
        let worst = worst.filter(|(t, us)| (from_s..to_s).contains(*t) && !us.is_nan());
        let worst = worst.fold(0.0, |most: f64, (_, us)| most.max(f64::from(us.abs())));
        assert!(worst <= 2.0 * SAMPLE_US, "{from_s} s: {worst} µs");
    }
    assert!(largest_step(&heard.lanes[0]) <= steepest(997.0, -12.0));
}

#[test]
fn a_call_that_hangs_costs_nobody_else_anything() {
    // The device goes; the call that would open it again does not return for 40 s, long after it is given up.
    let faults = vec![Fault::Loss { at_s: 5.0, for_s: 1.0, sample_rate: None }, Fault::Hang { at_s: 5.9, for_s: 40.0 }];
    let scenario = scenario(60.0, vec![device("mic", faults), device("other", Vec::new())]);
    let heard = hear(&scenario);
    let [mic, other] = &heard.report.sources[..] else { panic!("two sources") };
    assert_eq!((mic.hung_calls, mic.losses, mic.reconnects, mic.state), (1, 1, 1, SourceState::Live), "{mic:?}");
    assert_gaps_are_true(mic, scenario.n_frames(), 10.0);
    let gap_s = mic.gaps[0].n_frames as f64 / HZ;
    assert!((40.8..41.4).contains(&gap_s), "back as soon as the call is: {gap_s} s");
    assert_eq!(other.gaps.len(), 0);
    let mut quiet = scenario.clone();
    quiet.sources[0].faults.clear();
    assert!(hear(&quiet).lanes[1] == heard.lanes[1]);
}

#[test]
fn a_storm_of_errors_is_counted_and_harms_nobody() {
    for (per_s, n_errors) in [(600_000.0, 1_800_000), (20.0, 60)] {
        let storm = vec![Fault::Storm { at_s: 2.0, for_s: 3.0, per_s }];
        let scenario = scenario(8.0, vec![device("mic", storm)]);
        let heard = hear(&scenario);
        let mic = &heard.report.sources[0];
        assert_eq!((mic.device_errors, mic.losses, mic.gaps.len(), mic.state), (n_errors, 0, 0, SourceState::Live));
    }
}

#[test]
fn a_device_that_is_not_there_yet_is_waited_for() {
    let away = vec![Fault::Loss { at_s: 0.0, for_s: 3.0, sample_rate: None }];
    let strict = scenario(8.0, vec![device("mic", away)]);
    assert!(Simulation::new(&strict).is_err());
    // Whenever it comes: it is tried five times a second for a minute.
    for for_s in [3.0, 4.0, 7.3, 20.0] {
        let away = vec![Fault::Loss { at_s: 0.0, for_s, sample_rate: None }];
        let late = ScenarioSource { required: false, ..device("mic", away) };
        let heard = hear(&scenario(for_s + 5.0, vec![late]));
        let mic = &heard.report.sources[0];
        assert_eq!((mic.state, mic.losses, mic.reconnects, mic.gaps.len()), (SourceState::Live, 0, 0, 0), "{mic:?}");
        let first = heard.lanes[0].iter().position(|sample| sample.abs() > 0.0).unwrap() as f64 / HZ;
        assert!((for_s + 0.02..for_s + 0.02 + 0.26).contains(&first), "{first}");
        assert!(largest_step(&heard.lanes[0]) <= steepest(997.0, -12.0));
    }
}

#[test]
fn a_device_whose_first_call_hangs_comes_when_it_returns() {
    // Sooner than a call is given up in a run, and later.
    for for_s in [3.0, 20.0] {
        let hang = vec![Fault::Hang { at_s: 0.0, for_s }];
        let strict = scenario(8.0, vec![device("mic", hang.clone())]);
        assert!(Simulation::new(&strict).is_err());
        let late = ScenarioSource { required: false, ..device("mic", hang) };
        let heard = hear(&scenario(for_s + 5.0, vec![late, device("other", Vec::new())]));
        let [mic, other] = &heard.report.sources[..] else { panic!("two sources") };
        assert_eq!((mic.state, mic.losses, mic.gaps.len()), (SourceState::Live, 0, 0), "{mic:?}");
        assert_eq!((mic.hung_calls, mic.failed_opens), (1, 1));
        let first = heard.lanes[0].iter().position(|sample| sample.abs() > 0.0).unwrap() as f64 / HZ;
        assert!((for_s..for_s + 0.3).contains(&first), "{first}");
        assert_eq!(other.gaps.len(), 0);
    }
}

#[test]
fn a_device_that_comes_late_with_long_periods_is_not_in_shreds() {
    // Where another one sounds, it waits until the latency has grown; alone, it is heard at once.
    for (is_alone, seed) in [(false, 3), (false, 4), (false, 5), (true, 3)] {
        let away = vec![Fault::Loss { at_s: 0.0, for_s: 4.0, sample_rate: None }];
        let late = ScenarioSource { required: false, period_frames: 1024, ..device("mic", away) };
        let mut sources = vec![late];
        if !is_alone {
            sources.push(device("other", Vec::new()));
        }
        let heard = hear(&Scenario { latency: Latency::Auto, seed, ..scenario(20.0, sources) });
        let mic = &heard.report.sources[0];
        let first = heard.lanes[0].iter().position(|sample| sample.abs() > 0.0).unwrap() as f64 / HZ;
        println!("alone: {is_alone}: heard from {first:.3} s on, {:?}", mic.gaps);
        assert_eq!(mic.state, SourceState::Live);
        assert!(if is_alone { first < 4.5 } else { (6.0..8.5).contains(&first) }, "{first}");
        // Half a millisecond is in hand, and stamps are 0.1 ms off.
        assert!(mic.gaps.len() <= 2, "{:?}", mic.gaps);
        assert!(heard.report.sources[1..].iter().all(|other| other.gaps.len() <= 1), "{:?}", heard.report);
        assert!(largest_step(&heard.lanes[0]) <= steepest(997.0, -12.0));
    }
}
