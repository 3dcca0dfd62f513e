//! On what a figure was measured, and what else the machine was doing. Reads, never changes anything.

use std::thread::available_parallelism;

use serde::Serialize;

/// The machine that a bench ran on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's own name; "unknown" where the system does not tell.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The operating system and, on Linux, its kernel's release.
    pub os: String,
    /// The processor architecture that this was built for.
    pub arch: &'static str,
    /// Whether the processor says that it is a virtual machine's: then the tail of every figure is the host's too.
    pub hypervisor: bool,
    /// Whether this was built with optimisation; a figure without it is worth nothing.
    pub optimised: bool,
}

impl Machine {
    /// Describes this machine.
    pub fn describe() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: cpu_name(&cpuinfo).unwrap_or_else(|| "unknown".to_owned()),
            cores: available_parallelism().map_or(1, usize::from),
            os: format!("{} {}", std::env::consts::OS, release.trim()).trim().to_owned(),
            arch: std::env::consts::ARCH,
            hypervisor: has_flag(&cpuinfo, "hypervisor"),
            optimised: !cfg!(debug_assertions),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} cores, {} {}", self.cpu, self.cores, self.os, self.arch)?;
        if self.hypervisor {
            write!(f, ", a virtual machine")?;
        }
        if !self.optimised {
            write!(f, ", NOT OPTIMISED")?;
        }
        Ok(())
    }
}

/// The load averages (1, 5 and 15 minutes) around a measurement; `None` where the system has none.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// At the start.
    pub before: Option<[f64; 3]>,
    /// At the end: the bench itself is part of it.
    pub after: Option<[f64; 3]>,
}

impl Load {
    /// Reads the load at the start of a measurement.
    pub fn at_start() -> Self {
        Self { before: load_average(), after: None }
    }

    /// Adds the load at the end.
    #[must_use]
    pub fn at_end(self) -> Self {
        Self { after: load_average(), ..self }
    }
}

fn cpu_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn has_flag(cpuinfo: &str, flag: &str) -> bool {
    cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| line.split_whitespace().any(|word| word == flag))
}

fn load_average() -> Option<[f64; 3]> {
    parse_load_average(&std::fs::read_to_string("/proc/loadavg").ok()?)
}

fn parse_load_average(text: &str) -> Option<[f64; 3]> {
    let mut words = text.split_whitespace().map(str::parse);
    Some([words.next()?.ok()?, words.next()?.ok()?, words.next()?.ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUINFO: &str = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nflags\t\t: fpu hypervisor sse\n";

    #[test]
    fn the_processors_name_and_flags_are_found() {
        assert_eq!(cpu_name(CPUINFO).as_deref(), Some("Some CPU @ 2.0GHz"));
        assert_eq!(cpu_name(""), None);
        assert!(has_flag(CPUINFO, "hypervisor"));
        assert!(!has_flag(CPUINFO, "hyper"));
    }

    #[test]
    fn load_averages_are_read() {
        assert_eq!(parse_load_average("0.14 0.47 0.33 1/120 99\n"), Some([0.14, 0.47, 0.33]));
        assert_eq!(parse_load_average("0.14"), None);
    }
}
