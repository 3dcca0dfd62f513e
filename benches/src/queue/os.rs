//! What the bench asks of the operating system: a core, a scheduling class. Says what was granted, not what was asked.
#![cfg_attr(target_os = "linux", allow(unsafe_code, reason = "sched_* have no safe form in the dependencies"))]

/// The priority that the writer asks for: below the kernel's own threads, above everything ordinary.
#[cfg(target_os = "linux")]
const FIFO_PRIORITY: i32 = 60;

/// The cores that this process may run on, in order; empty where the system doesn't say.
#[cfg(target_os = "linux")]
pub(crate) fn allowed_cores() -> Vec<usize> {
    // SAFETY: all zeros is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live set of the size that is given; 0 is this thread.
    let status = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    if status != 0 {
        return Vec::new();
    }
    // SAFETY: every index is below the size of the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect()
}

/// Keeps this thread on one core; whether that was granted.
#[cfg(target_os = "linux")]
pub(crate) fn pin_to(core: usize) -> bool {
    // SAFETY: all zeros is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the core came from `allowed_cores`, so it is below the size of the set.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: the pointer is to a live set of the size that is given; 0 is this thread.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0 }
}

/// Asks for SCHED_FIFO for this thread and reads back what it has.
///
/// # Errors
/// A sentence on why it has not.
#[cfg(target_os = "linux")]
pub(crate) fn ask_for_fifo() -> Result<(), String> {
    let param = libc::sched_param { sched_priority: FIFO_PRIORITY };
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

/// The cores that this process may run on: not known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn allowed_cores() -> Vec<usize> {
    Vec::new()
}

/// Keeps this thread on one core: not possible here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin_to(_core: usize) -> bool {
    false
}

/// Asks for SCHED_FIFO: this system has none that is built here.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub(crate) fn ask_for_fifo() -> Result<(), String> {
    Err("SCHED_FIFO is asked for on Linux only".to_owned())
}
