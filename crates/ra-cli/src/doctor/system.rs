//! What the machine says of itself. Reads, and changes nothing; what can't be read stays unknown.

use std::fs;
use std::path::Path;

use super::privileges::{group_number, parse_groups, parse_limits, parse_user};
use super::report::System;

/// Looks.
pub(super) fn look() -> System {
    let mut system = System {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cores: std::thread::available_parallelism().ok().map(usize::from),
        ..System::default()
    };
    if cfg!(target_os = "linux") {
        look_at_linux(&mut system);
    }
    system
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn look_at_linux(system: &mut System) {
    system.kernel = read("/proc/sys/kernel/osrelease");
    let is_realtime = read("/sys/kernel/realtime").is_some_and(|text| text == "1");
    let says_so = read("/proc/version").is_some_and(|text| text.contains("PREEMPT_RT"));
    system.realtime_kernel = system.kernel.as_ref().map(|_| is_realtime || says_so);
    system.cpu = read("/proc/cpuinfo").and_then(|text| parse_cpu(&text));
    system.load = read("/proc/loadavg").and_then(|text| parse_load(&text));
    system.governors = governors(Path::new("/sys/devices/system/cpu"));
    let share = |name: &str| read(format!("/proc/sys/kernel/sched_rt_{name}_us"));
    system.realtime_share = share("runtime").zip(share("period")).and_then(|(run, period)| parse_share(&run, &period));
    system.limits = read("/proc/self/limits").map(|text| parse_limits(&text)).unwrap_or_default();
    if let Some(status) = read("/proc/self/status") {
        system.is_root = parse_user(&status).map(|user| user == 0);
        let audio = read("/etc/group").and_then(|groups| group_number(&groups, "audio"));
        system.in_audio_group = audio.map(|audio| parse_groups(&status).contains(&audio));
    }
    let has_pcm =
        |entries: fs::ReadDir| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("pcm"));
    system.kernel_sound = Some(fs::read_dir("/dev/snd").is_ok_and(has_pcm));
}

/// The name of the first core that has one.
fn parse_cpu(text: &str) -> Option<String> {
    let (_, name) = text.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
    Some(name.trim().to_owned())
}

fn parse_load(text: &str) -> Option<[f64; 3]> {
    let mut words = text.split_whitespace().map_while(|word| word.parse().ok());
    Some([words.next()?, words.next()?, words.next()?])
}

/// Of so many microseconds in so many; −1 for all of them.
fn parse_share(runtime: &str, period: &str) -> Option<f64> {
    let (runtime, period): (f64, f64) = (runtime.parse().ok()?, period.parse().ok()?);
    if runtime < 0.0 { Some(1.0) } else { (period > 0.0).then(|| runtime / period) }
}

fn governors(cpus: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(cpus) else { return Vec::new() };
    let of = |entry: fs::DirEntry| read(entry.path().join("cpufreq/scaling_governor"));
    let mut governors: Vec<String> = entries.flatten().filter_map(of).collect();
    governors.sort();
    governors.dedup();
    governors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_kernel_are_read() {
        assert_eq!(parse_load("6.61 7.18 7.48 3/512 9731"), Some([6.61, 7.18, 7.48]));
        assert_eq!(parse_load("what"), None);
        let cpu = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(parse_cpu(cpu).as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!((parse_share("950000", "1000000"), parse_share("-1", "1000000")), (Some(0.95), Some(1.0)));
        assert_eq!((parse_share("x", "1"), parse_share("1", "0")), (None, None));
    }

    #[test]
    fn governors_are_named_once_each() {
        let folder = tempfile::tempdir().unwrap();
        for (cpu, governor) in [("cpu0", "powersave\n"), ("cpu1", "powersave\n"), ("cpu2", "performance\n")] {
            let path = folder.path().join(cpu).join("cpufreq");
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("scaling_governor"), governor).unwrap();
        }
        fs::create_dir(folder.path().join("cpuidle")).unwrap();
        assert_eq!(governors(folder.path()), ["performance", "powersave"]);
        assert!(governors(&folder.path().join("no")).is_empty());
    }

    #[test]
    fn this_machine_says_something() {
        let system = look();
        assert!(!system.os.is_empty() && system.cores.is_some_and(|n| n > 0));
        if cfg!(target_os = "linux") {
            assert!(system.limits.known && system.kernel.is_some() && system.load.is_some(), "{system:?}");
        }
    }
}
