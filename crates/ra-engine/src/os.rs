//! What is asked of the operating system for the audio thread, and what it really granted. The one file of OS calls.

#![allow(unsafe_code, reason = "scheduling and memory locking have no safe interface")]

use ra_core::{RealtimeClass, RealtimeGrant};

use crate::RealtimeRequest;

/// Asks for the calling thread's class and for locked memory; returns what was granted, read back.
///
/// For a thread that handles `block_frames` frames at `sample_rate_hz` each time it wakes: the platform's own class for
/// audio wants to know. The class is the thread's, locked memory the process's; neither is given back.
///
/// # Real-time safety
/// Not real-time safe: does system calls. Called once, before the thread's first block.
pub fn request_realtime(request: RealtimeRequest, sample_rate_hz: u32, block_frames: usize) -> RealtimeGrant {
    let RealtimeRequest::Fifo { priority } = request else {
        return granted(None, false);
    };
    let mut refusals = Vec::new();
    if let Err(cause) = platform::raise(priority, sample_rate_hz, block_frames) {
        refusals.push(cause);
    }
    let memory_locked = match platform::lock_memory() {
        Ok(()) => true,
        Err(cause) => {
            refusals.push(cause);
            false
        }
    };
    granted((!refusals.is_empty()).then(|| refusals.join("; ")), memory_locked)
}

/// Asks for the calling thread's niceness, where it is not 0: what the user has chosen for the process stays else. Returns what
/// it is then, read back; `None` where threads have none of their own.
///
/// # Real-time safety
/// Not real-time safe: does system calls.
pub(crate) fn ask_for_niceness(niceness: i32) -> Option<i32> {
    let granted = platform::set_niceness(niceness);
    if niceness != 0 && granted.is_some_and(|granted| granted != niceness) {
        log::info!("niceness {niceness} was refused: it is {}", granted.unwrap_or_default());
    }
    granted
}

/// Runs `work` with denormal numbers taken as zero: they would make quiet tails slow.
pub(crate) fn without_denormals<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: sets two bits of the floating-point control register for this thread, and puts them back. Rust gives no
    // promise for code under another register state; what runs here is plain arithmetic whose results may differ in
    // denormals only.
    unsafe { no_denormals::no_denormals(work) }
}

fn granted(reason: Option<String>, memory_locked: bool) -> RealtimeGrant {
    let (class, priority) = platform::read_back();
    RealtimeGrant { class, priority, memory_locked, reason }
}

#[cfg(target_os = "linux")]
mod platform {
    use super::RealtimeClass;

    pub(super) fn raise(priority: i32, _sample_rate_hz: u32, _block_frames: usize) -> Result<(), String> {
        let param = libc::sched_param { sched_priority: priority };
        // SAFETY: pid 0 is the calling thread; `param` outlives the call, which only reads it.
        let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &param) };
        if result == 0 {
            return Ok(());
        }
        let cause = std::io::Error::last_os_error();
        Err(format!(
            "SCHED_FIFO {priority} refused ({cause}): grant it with rtprio in /etc/security/limits.d or CAP_SYS_NICE"
        ))
    }

    pub(super) fn lock_memory() -> Result<(), String> {
        // SAFETY: takes no pointers.
        let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) };
        if result == 0 {
            return Ok(());
        }
        let cause = std::io::Error::last_os_error();
        Err(format!("memory locking refused ({cause}): raise memlock in /etc/security/limits.d"))
    }

    pub(super) fn set_niceness(niceness: i32) -> Option<i32> {
        // SAFETY: takes no pointers; 0 is the calling thread: on Linux, niceness is a thread's own.
        unsafe {
            // A refusal shows in what is read back.
            if niceness != 0 {
                libc::setpriority(libc::PRIO_PROCESS, 0, niceness);
            }
            Some(libc::getpriority(libc::PRIO_PROCESS, 0))
        }
    }

    pub(super) fn read_back() -> (RealtimeClass, i32) {
        // SAFETY: pid 0 is the calling thread; no pointers.
        let policy = unsafe { libc::sched_getscheduler(0) };
        let mut param = libc::sched_param { sched_priority: 0 };
        // SAFETY: `param` is ours and outlives the call, which writes it.
        let known = unsafe { libc::sched_getparam(0, &mut param) } == 0;
        let priority = if known { param.sched_priority } else { 0 };
        match policy & !libc::SCHED_RESET_ON_FORK {
            libc::SCHED_FIFO => (RealtimeClass::Fifo, priority),
            libc::SCHED_RR => (RealtimeClass::RoundRobin, priority),
            _ => (RealtimeClass::Ordinary, 0),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::cell::Cell;

    use super::RealtimeClass;

    thread_local! {
        /// Whether this thread's request was granted: these systems have no number to read back.
        static GRANTED: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn raise(_priority: i32, sample_rate_hz: u32, block_frames: usize) -> Result<(), String> {
        let period_frames = u32::try_from(block_frames).unwrap_or(u32::MAX);
        audio_thread_priority::promote_current_thread_to_real_time(period_frames, sample_rate_hz)
            .map(|_handle| GRANTED.with(|granted| granted.set(true)))
            .map_err(|cause| format!("the platform's class for audio was refused: {cause}"))
    }

    pub(super) fn set_niceness(_niceness: i32) -> Option<i32> {
        None
    }

    #[cfg(unix)]
    pub(super) fn lock_memory() -> Result<(), String> {
        // SAFETY: takes no pointers.
        match unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } {
            0 => Ok(()),
            _ => Err(format!("memory locking refused ({})", std::io::Error::last_os_error())),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn lock_memory() -> Result<(), String> {
        Err("memory locking is not offered on this platform".to_owned())
    }

    pub(super) fn read_back() -> (RealtimeClass, i32) {
        let granted = GRANTED.with(Cell::get);
        (if granted { RealtimeClass::Platform } else { RealtimeClass::Ordinary }, 0)
    }
}
