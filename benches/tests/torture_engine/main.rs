//! Short storms on a running engine: what the long one must hold, times apart, and that every planted fault is found.
//!
//! Nothing here is judged by the clock: a loaded machine makes a storm longer, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod planted;
#[cfg(target_os = "linux")]
mod traced;

use std::sync::{Mutex, MutexGuard, PoisonError};

use ra_benches::torture::engine::{CountingAllocator, Storm, StormFigures, Timing};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// One storm at a time: they count what marked threads of the whole process do, and each of them wants the machine.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines of the criteria that do not hold.
fn failed(figures: &StormFigures) -> Vec<String> {
    let criteria = figures.criteria(Timing::NotJudged).to_string();
    criteria.lines().filter(|line| line.starts_with("FAILED")).map(str::to_owned).collect()
}

#[test]
fn hundreds_of_commands_leave_no_trace_in_the_sound_or_on_the_audio_thread() {
    let _alone = alone();
    let figures = Storm::new(600, 1).run().unwrap();
    println!("{}", figures.criteria(Timing::NotJudged));
    assert!(failed(&figures).is_empty(), "{:#?}\n{figures:#?}", failed(&figures));
    assert_eq!(figures.kinds.values().sum::<usize>(), 600);
    assert!(figures.sound.readers.iter().all(|&n| n > 0), "{:?}", figures.sound.readers);
    assert!(figures.accounts.recordings > 0 && figures.accounts.lived > 50, "{:?}", figures.accounts);
    assert!(figures.times.mixer.count > 100, "{:?}", figures.times);
    if let Some(reason) = &figures.realtime.calls_not_counted {
        println!("not judged: system calls: {reason}");
    }
}

#[test]
fn the_same_seed_is_the_same_list_of_commands() {
    let _alone = alone();
    let [first, again, other] = [7, 7, 8].map(|seed| Storm::new(40, seed).run().unwrap());
    assert_eq!(first.list_hash, again.list_hash);
    assert_eq!(first.kinds, again.kinds);
    assert_ne!(first.list_hash, other.list_hash);
}
