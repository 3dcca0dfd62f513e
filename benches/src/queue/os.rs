//! What the bench asks of the operating system and its library: a core for a thread, memory pages for a queue. Says what
//! was granted, not what was asked.
#![cfg_attr(
    target_os = "linux",
    allow(unsafe_code, reason = "sched_* and mallopt have no safe form in the dependencies")
)]

/// The cores that this process may run on, in order; empty where the system doesn't say.
#[cfg(target_os = "linux")]
pub(super) fn allowed_cores() -> Vec<usize> {
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
pub(super) fn pin_to(core: usize) -> bool {
    // SAFETY: all zeros is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the core came from `allowed_cores`, so it is below the size of the set.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: the pointer is to a live set of the size that is given; 0 is this thread.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0 }
}

/// The cores that this process may run on: not known here.
#[cfg(not(target_os = "linux"))]
pub(super) fn allowed_cores() -> Vec<usize> {
    Vec::new()
}

/// Keeps this thread on one core: not possible here.
#[cfg(not(target_os = "linux"))]
pub(super) fn pin_to(_core: usize) -> bool {
    false
}

/// Has every queue live on pages of its own, fresh each time it is made and at the same place within a page; whether that
/// was granted. Else the allocator's past decides how a queue's samples lie in cache lines, which is worth a third of what
/// a delivery takes, and gives it the same pages round after round.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn use_fresh_pages() -> bool {
    /// Less than the memory of any queue here.
    const FROM_BYTES: libc::c_int = 1 << 16;
    // SAFETY: takes no pointer; the allocator takes its own lock.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, FROM_BYTES) == 1 }
}

/// Has every queue live on pages of its own: not known how here.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn use_fresh_pages() -> bool {
    false
}
