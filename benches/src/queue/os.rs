//! What the bench asks of the operating system: a core for a thread. Says what was granted, not what was asked.
#![cfg_attr(target_os = "linux", allow(unsafe_code, reason = "sched_* have no safe form in the dependencies"))]

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
