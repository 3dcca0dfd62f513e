//! A long run in virtual time: two devices on wandering clocks, one of which stalls, goes and comes back now and then.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Result;
use ra_engine::sources::{ClockModel, Fault, Outliers, Signal};
use ra_engine::{Latency, Quality};
use ra_sim::{Scenario, ScenarioSource, Simulation};

use super::Criteria;
use super::memory::MemoryWatch;

/// One sample at 48 kHz.
const SAMPLE_US: f64 = 20.8;
/// What the process may hold more at the end than when it was warm.
const MEMORY_BYTES: u64 = 16 << 20;
/// The sick device stalls and goes this often, in seconds.
const FAULTS_EVERY_S: f64 = 86_400.0 / 2.0;
const STALL_S: f64 = 0.5;
const UNPLUG_S: f64 = 20.0;

/// Runs it, prints a line for every virtual day, and says what held.
///
/// # Errors
/// What the simulation refuses.
pub fn soak_in_virtual_time(duration: Duration, seed: u64) -> Result<Criteria> {
    let duration_s = duration.as_secs_f64();
    let scenario = scenario(duration_s, seed);
    let n_faults = scenario.sources[1].faults.len() as u64;
    let (started, mut memory, mut day) = (Instant::now(), MemoryWatch::default(), 0);
    let outcome = Simulation::new(&scenario)?.run(&mut |progress| {
        let done_s = progress.done_frames as f64 / 48_000.0;
        if done_s >= f64::from(day) * 86_400.0 {
            let speed = done_s / started.elapsed().as_secs_f64().max(1e-3);
            println!("day {day:3}: {:6.1} MB, {speed:.0} x real time", memory.look() as f64 / 1e6);
            day += 1;
        }
        ControlFlow::Continue(())
    })?;
    memory.look();
    let report = &outcome.report;
    println!(
        "{:.2} virtual days in {:.0} s: {:.0} x real time",
        duration_s / 86_400.0,
        started.elapsed().as_secs_f64(),
        duration_s / started.elapsed().as_secs_f64()
    );
    let mut criteria = Criteria::default();
    for source in &report.sources {
        let offset = &source.offset_us;
        let (rms, p99, max) =
            (offset.rms.unwrap_or(f64::NAN), offset.p99.unwrap_or(f64::NAN), offset.max.unwrap_or(f64::NAN));
        println!(
            "{}: offset rms {rms:.2}, p99 {p99:.2}, max {max:.1} us; drift {:+.2} ppm; {} stamps rejected",
            source.name,
            source.drift_ppm.unwrap_or(f64::NAN),
            source.rejected_stamps
        );
        criteria.check(
            p99 <= SAMPLE_US,
            format!("{}: offset p99", source.name),
            format!("{p99:.2} us"),
            "at most 20.8 us",
        );
    }
    for pair in &report.pairs {
        let p99 = pair.offset_us.p99.unwrap_or(f64::NAN);
        let what = format!("{} against {}: p99", pair.a, pair.b);
        criteria.check(p99 <= SAMPLE_US, what, format!("{p99:.2} us"), "at most 20.8 us");
    }
    let (steady, sick) = (&report.sources[0], &report.sources[1]);
    criteria.check(steady.dropped_frames == 0, "steady: frames dropped", steady.dropped_frames, "0");
    criteria.check(steady.inserted_frames == 0, "steady: frames inserted", steady.inserted_frames, "0");
    criteria.check(sick.xruns == n_faults, "sick: holes", sick.xruns, &format!("{n_faults}, one for each fault"));
    let inserted_s = sick.inserted_frames as f64 / 48_000.0;
    // The truth: how long it was away, up to when it was opened again.
    let away_s = sick.captured.windows(2).map(|pair| pair[1].from_s - pair[0].to_s);
    let latest_s = away_s.clone().fold(0.0, f64::max) - UNPLUG_S;
    criteria.check(
        latest_s <= 0.26,
        "sick: opened again",
        format!("{latest_s:.3} s"),
        "at most 0.26 s behind its return",
    );
    let faults_s = n_faults as f64 / 2.0 * STALL_S + away_s.sum::<f64>();
    let apart_s = (inserted_s - faults_s).abs();
    // A stall is covered by the cushion for some 20 ms; an unplugged period is lost as a whole.
    let bound_s = n_faults as f64 * 0.05 + 0.01;
    criteria.check(
        apart_s <= bound_s,
        "sick: silence",
        format!("{inserted_s:.2} s"),
        &format!("{faults_s:.2} s, what the faults took, to 50 ms each"),
    );
    for source in &outcome.stats.sources {
        let holds = source.account.is_balanced() && source.account.queued_frames == 0;
        criteria.check(holds, format!("{}: account", source.name), source.account, "balanced, with nothing queued");
    }
    let growth = memory.growth_bytes();
    let is = format!("{:.1} MB", growth as f64 / 1e6);
    criteria.check(growth <= MEMORY_BYTES, "memory grown since the first day", is, "at most 16.8 MB");
    Ok(criteria)
}

fn scenario(duration_s: f64, seed: u64) -> Scenario {
    let clock =
        |ppm, thermal_ppm, thermal_period_s| ClockModel { ppm, thermal_ppm, thermal_period_s, ..ClockModel::PERFECT };
    let tone = Signal::Tone { hz: 997.0, dbfs: -12.0 };
    let faults = (1..)
        .map(|n| f64::from(n) * FAULTS_EVERY_S)
        .take_while(|at_s| at_s + FAULTS_EVERY_S / 2.0 + UNPLUG_S < duration_s)
        .flat_map(|at_s| {
            let unplug = Fault::Unplug { at_s: at_s + FAULTS_EVERY_S / 2.0, for_s: UNPLUG_S };
            [Fault::Stall { at_s, for_s: STALL_S }, unplug]
        });
    Scenario {
        seed,
        quality: Quality::Fast,
        latency: Latency::Ms(25.0),
        sources: vec![
            ScenarioSource {
                clock: clock(60.0, 10.0, 600.0),
                jitter_us: 100.0,
                outliers: Outliers { probability: 0.001, ms: 10.0 },
                ..ScenarioSource::new("steady", tone)
            },
            ScenarioSource {
                clock: clock(-45.0, 5.0, 86_400.0),
                jitter_us: 100.0,
                faults: faults.collect(),
                ..ScenarioSource::new("sick", tone)
            },
        ],
        ..Scenario::new(duration_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_minutes_hold_every_criterion() {
        let criteria = soak_in_virtual_time(Duration::from_secs(600), 3).unwrap();
        assert!(criteria.hold(), "{criteria}");
    }

    #[test]
    fn a_day_has_a_stall_and_an_absence_in_it() {
        assert_eq!(scenario(86_400.0, 1).sources[1].faults.len(), 2);
        assert_eq!(scenario(86_400.0 * 30.0, 1).sources[1].faults.len(), 118);
    }
}
