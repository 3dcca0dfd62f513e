//! What a child process cost: the one file of the benches that calls the operating system.

use std::{process::Command, time::Duration};

use anyhow::Result;

/// The cost of a child process, itself and the children that it waited for.
#[derive(Clone, Copy, Debug)]
pub struct ChildCost {
    /// Time on processors, in user mode and in the system on its behalf.
    pub cpu: Duration,
    /// Time from start to end.
    pub wall: Duration,
    /// The most memory that it had resident, in KiB.
    pub max_rss_kib: u64,
}

/// Runs a program to its end and says what it cost. Its standard streams are the caller's choice.
///
/// # Errors
/// It could not be started, was ended by a signal, or ended with another code than 0.
#[cfg(unix)]
#[expect(unsafe_code, reason = "wait4: the only call that tells one child's CPU time")]
pub fn run_measured(command: &mut Command) -> Result<ChildCost> {
    use std::{mem::MaybeUninit, os::unix::process::ExitStatusExt, process::ExitStatus, time::Instant};

    use anyhow::{Context, bail};

    let begun = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let pid = libc::pid_t::try_from(child.id()).context("a process id that does not fit")?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to live locals of the types that wait4 writes; `child` is never waited for elsewhere.
        let waited = unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) };
        if waited == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error).context("wait4 failed");
        }
    }
    let wall = begun.elapsed();
    // SAFETY: zeroed at first, and filled by the wait4 that succeeded; every bit pattern is a valid rusage.
    let usage = unsafe { usage.assume_init() };
    let status = ExitStatus::from_raw(status);
    if !status.success() {
        bail!("{:?} ended with {status}", command.get_program());
    }
    // The fields differ in width from system to system; none of them is ever negative.
    let duration = |time: libc::timeval| {
        let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
        seconds + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    // macOS counts in bytes, everybody else in KiB.
    let unit = if cfg!(target_os = "macos") { 1024 } else { 1 };
    Ok(ChildCost {
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        wall,
        max_rss_kib: usage.ru_maxrss.unsigned_abs() / unit,
    })
}

/// Runs a program to its end and says what it cost.
///
/// # Errors
/// Always: this system does not tell a child's CPU time in a way that is built here.
#[cfg(not(unix))]
pub fn run_measured(_command: &mut Command) -> Result<ChildCost> {
    anyhow::bail!("the CPU time of a child is measured on Unix only")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_busy_child_costs_cpu_and_a_waiting_one_does_not() {
        let busy = run_measured(Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]));
        let busy = busy.unwrap();
        assert!(busy.cpu > Duration::from_millis(20), "{busy:?}");
        let waiting = run_measured(Command::new("sleep").arg("0.2")).unwrap();
        assert!(waiting.cpu < Duration::from_millis(100) && waiting.wall >= Duration::from_millis(200), "{waiting:?}");
        assert!(waiting.max_rss_kib > 0);
    }

    #[test]
    fn failure_is_an_error() {
        let error = run_measured(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(error.to_string().contains('3'), "{error}");
        assert!(run_measured(&mut Command::new("no-such-program-here")).is_err());
        assert!(run_measured(Command::new("sh").args(["-c", "kill -9 $$"])).is_err());
    }
}
