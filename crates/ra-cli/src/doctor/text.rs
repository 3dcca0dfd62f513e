//! What the doctor found, for people. Pure.

use std::fmt::Write as _;

use super::report::{DoctorReport, Lateness, Limit, Sound, System, Timers};
use crate::summary::{grant, table};

/// The whole report.
pub(super) fn of_report(report: &DoctorReport) -> String {
    let mut text = String::new();
    let rows = [system_rows(&report.system), sound_rows(&report.sound)].concat();
    text.push_str(&table(&rows, 2));
    text.push('\n');
    text.push_str(&timers(&report.timers));
    text.push('\n');
    if report.advice.is_empty() {
        text.push_str("nothing to do: this machine grants what ra asks for\n");
    }
    for advice in &report.advice {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "! {}\n  -> {}", advice.what, advice.remedy);
    }
    text
}

fn row(what: &str, is: String) -> [String; 2] {
    [what.to_owned(), is]
}

fn unknown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or("unknown".to_owned(), show)
}

fn yes_or_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn system_rows(system: &System) -> Vec<[String; 2]> {
    let kernel = unknown(system.kernel.clone(), |kernel| format!("{kernel} "));
    let limits = &system.limits;
    let limit = |limit: Limit, show: &dyn Fn(u64) -> String| {
        let one = |n: Option<u64>| n.map_or("unlimited".to_owned(), show);
        if limits.known { format!("{} (hard {})", one(limit.soft), one(limit.hard)) } else { "unknown".to_owned() }
    };
    let load = unknown(system.load, |[a, b, c]| format!("{a:.2} {b:.2} {c:.2} (1, 5, 15 minutes)"));
    let governors = if system.governors.is_empty() { "none to be seen".to_owned() } else { system.governors.join(" ") };
    vec![
        row("system", format!("{} {kernel}{}", system.os, system.arch)),
        row("real-time kernel", unknown(system.realtime_kernel, yes_or_no)),
        row(
            "processor",
            format!("{}, {} cores", unknown(system.cpu.clone(), |cpu| cpu), unknown(system.cores, |n| n.to_string())),
        ),
        row("load", load),
        row("cpu governor", governors),
        row(
            "real-time share",
            unknown(system.realtime_share, |share| format!("{:.0} % of each second", 100.0 * share)),
        ),
        row("limit rtprio", limit(limits.rtprio, &|n| n.to_string())),
        row("limit memlock", limit(limits.memlock_bytes, &|n| format!("{} KiB", n >> 10))),
        row("limit nice", limit(limits.nice, &|n| format!("{:+}", 20 - n as i64))),
        row("limit open files", limit(limits.open_files, &|n| n.to_string())),
        row("root", unknown(system.is_root, yes_or_no)),
        row("in group audio", system.in_audio_group.map_or("there is no such group".to_owned(), yes_or_no)),
        row("sound cards", unknown(system.kernel_sound, |has| if has { "yes" } else { "none in /dev/snd" }.to_owned())),
    ]
}

fn sound_rows(sound: &Sound) -> Vec<[String; 2]> {
    let mut rows: Vec<_> = sound
        .hosts
        .iter()
        .map(|host| {
            let state = match &host.problem {
                Some(problem) => problem.clone(),
                None => format!("{} devices", host.devices),
            };
            row(&host.name, state)
        })
        .collect();
    rows.push(row("devices", format!("{} inputs, {} outputs", sound.inputs, sound.outputs)));
    for (what, id) in [("default input", &sound.default_input), ("default output", &sound.default_output)] {
        rows.push(row(what, id.clone().unwrap_or_else(|| "none".to_owned())));
    }
    rows
}

fn timers(timers: &Timers) -> String {
    let mut rows = vec![["timers (µs late)", "wake-ups", "p50", "p99", "p99.9", "max", "missed"].map(str::to_owned)];
    let late = |name: &str, late: &Lateness| {
        let us = |us: f64| format!("{us:.0}");
        let (n, missed) = (late.n.to_string(), late.missed.to_string());
        [name.to_owned(), n, us(late.p50_us), us(late.p99_us), us(late.p999_us), us(late.max_us), missed]
    };
    rows.push(late("ordinary thread", &timers.ordinary));
    rows.extend(timers.realtime.as_ref().map(|lateness| late("real-time thread", lateness)));
    let granted = grant(&timers.grant);
    format!("real-time class: {granted}\n{}", table(&rows, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::{Advice, Limits, SoundHost};
    use ra_engine::core::{RealtimeClass, RealtimeGrant};

    #[test]
    fn everything_is_said_and_what_is_unknown_is_said_to_be() {
        let late = Lateness { n: 1875, p50_us: 64.2, p99_us: 207.0, p999_us: 3163.0, max_us: 8612.0, missed: 1 };
        let report = DoctorReport {
            schema: 1,
            system: System {
                os: "linux".into(),
                arch: "x86_64".into(),
                limits: Limits { known: true, rtprio: Limit { soft: Some(0), hard: Some(0) }, ..Limits::default() },
                ..System::default()
            },
            sound: Sound {
                hosts: vec![SoundHost {
                    name: "pulseaudio".into(),
                    running: false,
                    devices: 0,
                    problem: Some("not running".into()),
                }],
                ..Sound::default()
            },
            timers: Timers {
                period_us: 5333.3,
                seconds: 10.0,
                ordinary: late,
                realtime: None,
                grant: RealtimeGrant {
                    class: RealtimeClass::Ordinary,
                    reason: Some("refused".into()),
                    ..RealtimeGrant::default()
                },
            },
            advice: vec![Advice { code: "x", what: "it is short".into(), remedy: "do that".into() }],
        };
        let text = of_report(&report);
        for line in [
            "processor         unknown, unknown cores",
            "limit rtprio      0 (hard 0)",
            "limit memlock     unlimited (hard unlimited)",
            "pulseaudio        not running",
            "devices           0 inputs, 0 outputs",
            "real-time class: ordinary (refused)",
            "ordinary thread       1875   64  207   3163  8612       1",
            "! it is short\n  -> do that",
        ] {
            assert!(text.contains(line), "{line}:\n{text}");
        }
        let well = of_report(&DoctorReport { advice: Vec::new(), ..report });
        assert!(well.ends_with("nothing to do: this machine grants what ra asks for\n"), "{well}");
    }
}
