//! From what was found to what to do about it. Pure.

use ra_engine::core::RealtimeClass;

use super::report::{Advice, DoctorReport, Lateness};

/// The priority that the mixer asks for.
const PRIORITY: u64 = 70;
/// Enough for the rings of a large set-up: less fails as a whole.
const MEMLOCK_BYTES: u64 = 1 << 30;
/// Every recording, stream and device takes a few.
const OPEN_FILES: u64 = 1024;
/// A quarter of a period: later than this, a wake-up eats into the time for mixing.
const LATE_PART: f64 = 0.25;

/// What to do, the most important first; nothing where nothing is short.
pub(super) fn advise(report: &DoctorReport) -> Vec<Advice> {
    let mut all = Vec::new();
    let mut add = |code, what: String, remedy: &str| all.push(Advice { code, what, remedy: remedy.to_owned() });
    let (system, timers, sound) = (&report.system, &report.timers, &report.sound);
    let is_linux = system.os == "linux";
    if timers.grant.class == RealtimeClass::Ordinary {
        let what = "no real-time class: the mixer runs like any other thread".to_owned();
        add("realtime-class", what, if is_linux { RTPRIO } else { OTHER_SYSTEM });
    }
    if !timers.grant.memory_locked {
        let limit =
            system.limits.memlock_bytes.soft.map_or(String::new(), |bytes| format!(" (limit {} KiB)", bytes >> 10));
        let what =
            format!("memory is not locked{limit}: a page that was swapped out makes the mixer wait for the disk");
        add("memory-lock", what, if is_linux { MEMLOCK } else { OTHER_SYSTEM });
    } else if system.limits.memlock_bytes.soft.is_some_and(|bytes| bytes < MEMLOCK_BYTES)
        && system.is_root == Some(false)
    {
        let bytes = system.limits.memlock_bytes.soft.unwrap_or_default();
        let what = format!("only {} MiB may be locked: a large set-up will not fit", bytes >> 20);
        add("memory-limit", what, MEMLOCK);
    }
    let rtprio = system.limits.rtprio.soft;
    if timers.grant.class == RealtimeClass::Fifo
        && system.is_root == Some(false)
        && rtprio.is_some_and(|n| n < PRIORITY)
    {
        let what =
            format!("real-time priorities up to {} only, the mixer asks for {PRIORITY}", rtprio.unwrap_or_default());
        add("realtime-priority", what, RTPRIO);
    }
    let best = timers.realtime.as_ref().unwrap_or(&timers.ordinary);
    if is_late(best, timers.period_us) {
        let what = format!(
            "timers are late: p99 {:.0} µs, worst {:.0} µs, {} of {} wake-ups missed a period of {:.0} µs",
            best.p99_us, best.max_us, best.missed, best.n, timers.period_us
        );
        add("timers", what, TIMERS);
    }
    let slow: Vec<_> = system.governors.iter().filter(|g| g.as_str() != "performance").map(String::as_str).collect();
    if !slow.is_empty() {
        add("cpu-governor", format!("the processor may slow down: governor {}", slow.join(", ")), GOVERNOR);
    }
    if let (Some([load, ..]), Some(cores)) = (system.load, system.cores)
        && load > cores as f64
    {
        add("load", format!("the machine is busy: {load:.1} processes want {cores} cores"), LOAD);
    }
    if system.limits.open_files.soft.is_some_and(|n| n < OPEN_FILES) {
        let n = system.limits.open_files.soft.unwrap_or_default();
        add("open-files", format!("only {n} files may be open"), FILES);
    }
    if system.kernel_sound == Some(true) && system.in_audio_group == Some(false) && system.is_root == Some(false) {
        let what = "there are sound cards, and the user is not in the group audio".to_owned();
        add("audio-group", what, GROUP);
    }
    if sound.inputs + sound.outputs == 0 {
        let reason = sound.reason.as_deref().unwrap_or("no reason given");
        let remedy = if sound.hosts.is_empty() { BUILD } else { NO_DEVICES };
        add("no-devices", format!("no sound device: {reason}"), remedy);
    }
    all
}

fn is_late(lateness: &Lateness, period_us: f64) -> bool {
    lateness.p99_us > LATE_PART * period_us || lateness.missed > 0
}

const RTPRIO: &str = "as root: printf '@audio - rtprio 95\\n@audio - memlock unlimited\\n@audio - nice -19\\n' \
    > /etc/security/limits.d/95-audio.conf; usermod -aG audio USER; log in again. \
    In a systemd unit: LimitRTPRIO=95, LimitMEMLOCK=infinity. In a container: --cap-add=SYS_NICE --ulimit rtprio=95";
const MEMLOCK: &str = "as root: echo '@audio - memlock unlimited' >> /etc/security/limits.d/95-audio.conf; log in again. \
    In a systemd unit: LimitMEMLOCK=infinity. In a container: --ulimit memlock=-1";
const OTHER_SYSTEM: &str = "the system itself refused: see the grant's reason";
const TIMERS: &str = "stop what else runs, choose a larger [engine] block_frames and latency_ms; \
    on a virtual machine, give it cores of its own; on Linux, a PREEMPT_RT kernel";
const GOVERNOR: &str = "as root: cpupower frequency-set -g performance \
    (or: echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor)";
const LOAD: &str = "stop what else runs, or give the machine more cores";
const FILES: &str = "as root: echo '* - nofile 65536' > /etc/security/limits.d/90-nofile.conf; log in again. \
    In a systemd unit: LimitNOFILE=65536";
const GROUP: &str = "as root: usermod -aG audio USER; log in again. In a systemd unit: SupplementaryGroups=audio";
const BUILD: &str = "build ra with its default features: cargo install ra-cli, without --no-default-features";
const NO_DEVICES: &str = "start a sound server (pipewire-pulse or pulseaudio) for this user, \
    or plug in a card and look at `arecord -l`; files and synthetic sources run without";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::{Limit, Limits, Sound, SoundHost, System, Timers};
    use ra_engine::core::RealtimeGrant;

    fn healthy() -> DoctorReport {
        let on_time = Lateness { n: 1875, p50_us: 60.0, p99_us: 200.0, p999_us: 300.0, max_us: 500.0, missed: 0 };
        let limit = |n| Limit { soft: n, hard: n };
        DoctorReport {
            schema: 1,
            system: System {
                os: "linux".into(),
                cores: Some(4),
                load: Some([0.5, 0.4, 0.3]),
                governors: vec!["performance".into()],
                limits: Limits {
                    known: true,
                    rtprio: limit(Some(95)),
                    memlock_bytes: limit(None),
                    nice: limit(Some(39)),
                    open_files: limit(Some(65_536)),
                },
                in_audio_group: Some(true),
                is_root: Some(false),
                kernel_sound: Some(true),
                ..System::default()
            },
            sound: Sound {
                hosts: vec![SoundHost { name: "alsa".into(), running: true, devices: 2, problem: None }],
                inputs: 1,
                outputs: 1,
                ..Sound::default()
            },
            timers: Timers {
                period_us: 5_333.333,
                seconds: 10.0,
                ordinary: on_time,
                realtime: Some(on_time),
                grant: RealtimeGrant { class: RealtimeClass::Fifo, priority: 70, memory_locked: true, reason: None },
            },
            advice: Vec::new(),
        }
    }

    fn codes(change: impl FnOnce(&mut DoctorReport)) -> Vec<&'static str> {
        let mut report = healthy();
        change(&mut report);
        let advice = advise(&report);
        assert!(advice.iter().all(|a| !a.remedy.is_empty() && !a.what.contains('\n') && !a.remedy.contains('\n')));
        advice.iter().map(|advice| advice.code).collect()
    }

    #[test]
    fn a_healthy_machine_needs_no_advice() {
        assert!(codes(|_| {}).is_empty());
    }

    #[test]
    fn every_shortfall_has_its_remedy() {
        assert_eq!(
            codes(|r| (r.timers.grant.class, r.timers.realtime) = (RealtimeClass::Ordinary, None)),
            ["realtime-class"]
        );
        assert_eq!(codes(|r| r.timers.grant.memory_locked = false), ["memory-lock"]);
        assert_eq!(codes(|r| r.system.limits.memlock_bytes.soft = Some(64 << 20)), ["memory-limit"]);
        assert_eq!(codes(|r| r.system.limits.rtprio.soft = Some(20)), ["realtime-priority"]);
        assert_eq!(codes(|r| r.timers.realtime.as_mut().unwrap().p99_us = 1_500.0), ["timers"]);
        assert_eq!(codes(|r| r.timers.realtime.as_mut().unwrap().missed = 1), ["timers"]);
        assert!(codes(|r| r.timers.ordinary.missed = 3).is_empty(), "the mixer's class is on time");
        assert_eq!(codes(|r| r.system.governors.push("powersave".into())), ["cpu-governor"]);
        assert_eq!(codes(|r| r.system.load = Some([4.5, 1.0, 1.0])), ["load"]);
        assert_eq!(codes(|r| r.system.limits.open_files.soft = Some(256)), ["open-files"]);
        assert_eq!(codes(|r| r.system.in_audio_group = Some(false)), ["audio-group"]);
        assert_eq!(codes(|r| (r.sound.inputs, r.sound.outputs) = (0, 0)), ["no-devices"]);
    }

    #[test]
    fn root_needs_no_limits() {
        let as_root = |r: &mut DoctorReport| {
            r.system.is_root = Some(true);
            r.system.limits.rtprio.soft = Some(0);
            r.system.limits.memlock_bytes.soft = Some(64 << 20);
            r.system.in_audio_group = Some(false);
        };
        assert!(codes(as_root).is_empty());
    }
}
