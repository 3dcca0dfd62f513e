//! Counts the system calls of single threads, other than the one by which they wait. By a filter of the kernel's that a
//! thread puts on itself (seccomp): the wait passes as if there were none, everything else is told to a supervisor, who
//! counts it and lets it go on. Costs the watched thread nothing that can be heard, needs no debugger and no privilege.

#![cfg_attr(target_os = "linux", allow(unsafe_code, reason = "prctl, seccomp and its ioctls have no safe form"))]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

/// Numbers above this are counted as one.
const N_NUMBERS: usize = 512;
/// The watched thread has not put its filter on yet.
const PENDING: i32 = -1;
/// It never will.
const CANCELLED: i32 = i32::MIN;

/// How often each system call was told, while the count was open.
#[derive(Debug)]
pub(super) struct CallCounts {
    is_open: AtomicBool,
    by_number: Box<[AtomicU64]>,
}

impl CallCounts {
    pub(super) fn new() -> Arc<Self> {
        let by_number = (0..N_NUMBERS).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { is_open: AtomicBool::new(false), by_number })
    }

    /// Counts from now on, or not any more.
    pub(super) fn set_open(&self, is_open: bool) {
        // Release pairs with the Acquire in `count`: what is told behind this is counted as this says.
        self.is_open.store(is_open, Ordering::Release);
    }

    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing is told there"))]
    fn count(&self, number: i32) {
        // Acquire: as above.
        if self.is_open.load(Ordering::Acquire) {
            let at = usize::try_from(number).unwrap_or(usize::MAX).min(N_NUMBERS - 1);
            // Relaxed: read when all is over.
            self.by_number[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// By name, those that came.
    pub(super) fn named(&self) -> BTreeMap<String, u64> {
        let counts = self.by_number.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        counts.filter(|&(_, n)| n > 0).map(|(number, n)| (name_of(number), n)).collect()
    }
}

/// Where a thread takes its filter from. The thread calls [`Seat::take`] once.
#[derive(Clone, Debug)]
pub(super) struct Seat(Arc<AtomicI32>);

impl Seat {
    /// Puts the filter on this thread, for good. Does nothing where it is taken already.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation: three system calls, before anything counts.
    pub(super) fn take(&self) {
        // Acquire and Release: the supervisor has begun before, and goes on behind the descriptor.
        if self.0.load(Ordering::Acquire) == PENDING {
            let listener = platform::filter_this_thread();
            self.0.store(listener, Ordering::Release);
        }
    }
}

/// The supervisor of one thread.
pub(super) struct CallWatch {
    seat: Seat,
    thread: std::thread::JoinHandle<()>,
}

impl CallWatch {
    /// Waits, on a thread of its own, for somebody to take the seat, and then serves them until their end.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn spawn(counts: Arc<CallCounts>) -> std::io::Result<Self> {
        let seat = Seat(Arc::new(AtomicI32::new(PENDING)));
        let taken = seat.clone();
        let supervise = move || platform::supervise(&taken.0, &counts);
        let thread = std::thread::Builder::new().name("storm-calls".to_owned()).spawn(supervise)?;
        Ok(Self { seat, thread })
    }

    /// The seat for the thread that is to be watched.
    pub(super) fn seat(&self) -> Seat {
        self.seat.clone()
    }

    /// Why the thread is not watched, where it is not; to be asked once it has taken its seat.
    pub(super) fn refusal(&self) -> Option<String> {
        match self.seat.0.load(Ordering::Acquire) {
            PENDING | CANCELLED => Some("it has not begun".to_owned()),
            refused if refused < 0 => Some(platform::refusal(refused)),
            _ => None,
        }
    }

    /// Ends with the thread that it watches, which must be ending; one that never began is not waited for.
    pub(super) fn finish(self) {
        // A seat that nobody has taken is closed: the supervisor goes; one that is taken stays taken.
        if self.seat.0.compare_exchange(PENDING, CANCELLED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.thread.thread().unpark();
        }
        // It counts and does nothing that panics.
        drop(self.thread.join());
    }
}

/// Names of those that are likely; the others go by number.
fn name_of(number: usize) -> String {
    match platform::NAMES.iter().find(|(known, _)| usize::try_from(*known) == Ok(number)) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("system call {number}"),
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::sync::atomic::{AtomicI32, Ordering};
    use std::time::Duration;

    use super::{CANCELLED, CallCounts, PENDING};

    macro_rules! names {
        ($($constant:ident $name:literal),* $(,)?) => { &[$((libc::$constant, $name)),*] };
    }

    pub(super) const NAMES: &[(libc::c_long, &str)] = names![
        SYS_brk "brk", SYS_clock_gettime "clock_gettime", SYS_clock_nanosleep "clock_nanosleep", SYS_close "close",
        SYS_exit "exit", SYS_futex "futex", SYS_getpid "getpid", SYS_getrandom "getrandom", SYS_gettid "gettid",
        SYS_ioctl "ioctl", SYS_madvise "madvise", SYS_mmap "mmap", SYS_mprotect "mprotect", SYS_mremap "mremap",
        SYS_munmap "munmap", SYS_nanosleep "nanosleep", SYS_openat "openat", SYS_read "read",
        SYS_rt_sigprocmask "rt_sigprocmask", SYS_sched_yield "sched_yield", SYS_write "write",
    ];

    /// How long the supervisor waits before it looks whether its thread is still there, in milliseconds.
    const LOOK_MS: i32 = 200;

    /// Lets the wait for a deadline through and tells everything else, a sleep for a while too; returns the descriptor that it is told on, or what the system said,
    /// negative.
    pub(super) fn filter_this_thread() -> i32 {
        let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
        let jump_if = |k: u32, jt: u8, jf: u8| {
            let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
            libc::sock_filter { code, jt, jf, k }
        };
        let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        let number = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
        // The second argument's lower half: the wait's flags.
        let flags = std::mem::offset_of!(libc::seccomp_data, args) as u32 + 8;
        let flags = if cfg!(target_endian = "big") { flags + 4 } else { flags };
        // Which architecture's numbers they are is not asked: this program makes calls of its own alone.
        let program = [
            statement(load, number),
            jump_if(libc::SYS_clock_nanosleep as u32, 0, 2),
            statement(load, flags),
            jump_if(libc::TIMER_ABSTIME as u32, 1, 0),
            statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF),
            statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
        ];
        let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
        // SAFETY: no pointers; asked for so that no privilege is needed.
        let status = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        if status != 0 {
            return refused();
        }
        // SAFETY: the filter and its program live until the call returns; the kernel copies them.
        let listener = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER),
                libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
                &raw const filter,
            )
        };
        if listener < 0 { refused() } else { listener as i32 }
    }

    /// The system's word, apart from [`PENDING`].
    fn refused() -> i32 {
        -1 - std::io::Error::last_os_error().raw_os_error().unwrap_or(1)
    }

    pub(super) fn refusal(refused: i32) -> String {
        format!("seccomp was refused: {}", std::io::Error::from_raw_os_error(-1 - refused))
    }

    pub(super) fn supervise(seat: &AtomicI32, counts: &CallCounts) {
        let listener = loop {
            // Acquire pairs with the Release in `take`.
            match seat.load(Ordering::Acquire) {
                PENDING => std::thread::park_timeout(Duration::from_millis(1)),
                CANCELLED => return,
                listener => break listener,
            }
        };
        if listener < 0 {
            return;
        }
        // Until nobody is left behind the filter: who went earlier would leave a thread without answers.
        loop {
            let mut poll = libc::pollfd { fd: listener, events: libc::POLLIN, revents: 0 };
            // SAFETY: one live descriptor.
            let n_ready = unsafe { libc::poll(&mut poll, 1, LOOK_MS) };
            if n_ready > 0 && poll.revents & libc::POLLIN != 0 {
                answer(listener, counts);
            } else if n_ready > 0 && poll.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
                break;
            }
        }
        // SAFETY: ours, and used no more.
        unsafe { libc::close(listener) };
    }

    fn answer(listener: i32, counts: &CallCounts) {
        // SAFETY: all zeros is what the kernel wants to see in it, and a valid value.
        let mut told: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel fills the live value, whose size is part of the request.
        if unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut told) } != 0 {
            return; // interrupted, or the thread was ended meanwhile
        }
        counts.count(told.data.nr);
        let mut reply = libc::seccomp_notif_resp {
            id: told.id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: a live value of the size that is part of the request. It fails where the thread is gone.
        unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut reply) };
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::sync::atomic::AtomicI32;

    use super::CallCounts;

    pub(super) const NAMES: &[(i64, &str)] = &[];
    const NOT_HERE: i32 = -2;

    pub(super) fn filter_this_thread() -> i32 {
        NOT_HERE
    }

    pub(super) fn refusal(_refused: i32) -> String {
        "single threads' system calls are counted on Linux only".to_owned()
    }

    pub(super) fn supervise(_seat: &AtomicI32, _counts: &CallCounts) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use ra_core::{Clock, SystemClock};

    use super::*;

    #[test]
    fn the_wait_passes_and_everything_else_is_counted_by_name_while_the_count_is_open() {
        let counts = CallCounts::new();
        let watch = CallWatch::spawn(Arc::clone(&counts)).unwrap();
        let (seat, seen) = (watch.seat(), Arc::clone(&counts));
        let thread = std::thread::spawn(move || {
            seat.take();
            let call = || drop(std::hint::black_box(std::fs::read("/proc/self/no-such-file")));
            call();
            seen.set_open(true);
            for _ in 0..5 {
                SystemClock.sleep_until_ns(SystemClock.now_ns() + 100_000);
            }
            call();
            call();
            std::thread::sleep(std::time::Duration::from_micros(1));
            seen.set_open(false);
            call();
        });
        thread.join().unwrap();
        let refusal = watch.refusal();
        watch.finish();
        match refusal {
            None => {
                let mut named = counts.named();
                assert_eq!(named.remove("openat"), Some(2));
                // By whichever call the standard library sleeps.
                assert!(
                    named.len() == 1 && named.iter().all(|(name, &n)| name.contains("nanosleep") && n == 1),
                    "{named:?}"
                );
            }
            Some(reason) => println!("skipped: {reason}"),
        }
    }

    #[test]
    fn a_seat_that_nobody_takes_keeps_nobody_waiting() {
        let watch = CallWatch::spawn(CallCounts::new()).unwrap();
        assert!(watch.refusal().is_some());
        watch.finish();
        assert_eq!(name_of(511), "system call 511");
    }
}
