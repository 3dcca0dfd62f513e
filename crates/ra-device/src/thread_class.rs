//! Which scheduling class a thread has that is not ours to change: read back from the system. Asks for nothing.

use ra_core::{RealtimeClass, RealtimeGrant};

/// The class of one of this process's threads; `None` where it has ended, or the system does not say.
pub(crate) fn of_thread(number: u64) -> Option<RealtimeGrant> {
    parse(&std::fs::read_to_string(format!("/proc/self/task/{number}/stat")).ok()?)
}

/// Fields 40 and 41 of proc(5)'s `stat`, counted from 1: the real-time priority and the policy.
fn parse(stat: &str) -> Option<RealtimeGrant> {
    // The second field is a name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let priority = fields.nth(37)?.parse().ok()?;
    let policy: i32 = fields.next()?.parse().ok()?;
    // Linux's numbers: sched(7).
    let class = match policy {
        1 => RealtimeClass::Fifo,
        2 => RealtimeClass::RoundRobin,
        _ => RealtimeClass::Ordinary,
    };
    Some(RealtimeGrant { class, priority, ..RealtimeGrant::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_stands_behind_a_name_that_may_be_anything() {
        let rest = (4..=39).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let stat = format!("17 (a) b) S {rest} 70 1 0 0");
        let expected = RealtimeGrant { class: RealtimeClass::Fifo, priority: 70, ..RealtimeGrant::default() };
        assert_eq!(parse(&stat), Some(expected));
        assert_eq!(parse("17 (a) S 1 2"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn our_own_thread_is_found() {
        let number = rustix::thread::gettid().as_raw_nonzero().get() as u64;
        assert!(of_thread(number).is_some());
        assert_eq!(of_thread(u64::MAX), None);
    }
}
