//! A real-time class for a bench's own threads. Says what was granted, not what was asked.
#![cfg_attr(target_os = "linux", allow(unsafe_code, reason = "sched_* have no safe form in the dependencies"))]

/// Asks for SCHED_FIFO at `priority` (1 to 99) for this thread and reads back what it has.
///
/// # Errors
/// A sentence on why it has not.
#[cfg(target_os = "linux")]
pub fn ask_for_fifo(priority: i32) -> Result<(), String> {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: the pointer is to a live parameter; 0 is this thread.
    let status = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &param) };
    let error = std::io::Error::last_os_error();
    // SAFETY: takes no pointer; 0 is this thread.
    let class = unsafe { libc::sched_getscheduler(0) };
    match (status, class) {
        (0, libc::SCHED_FIFO) => Ok(()),
        (0, other) => Err(format!("SCHED_FIFO was asked for, class {other} was granted")),
        _ => Err(format!("SCHED_FIFO was refused: {error}")),
    }
}

/// Asks for SCHED_FIFO: this system has none that is built here.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn ask_for_fifo(_priority: i32) -> Result<(), String> {
    Err("SCHED_FIFO is asked for on Linux only".to_owned())
}

/// What a thread that asked got, for people and reports.
pub fn describe_grant(priority: i32, asked: &Result<(), String>) -> String {
    match asked {
        Ok(()) => format!("SCHED_FIFO {priority}"),
        Err(cause) => format!("an ordinary thread ({cause})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_that_does_not_exist_is_refused_with_a_reason() {
        let refused = ask_for_fifo(1_000);
        assert!(refused.is_err());
        assert!(describe_grant(1_000, &refused).starts_with("an ordinary thread (SCHED_FIFO "), "{refused:?}");
        assert_eq!(describe_grant(60, &Ok(())), "SCHED_FIFO 60");
    }
}
