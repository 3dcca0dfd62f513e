//! Effects that do on the audio thread what nothing may do there: each criterion has to find its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ra_benches::torture::engine::{Storm, StormFigures};
#[cfg(target_os = "linux")]
use ra_core::{Clock, SystemClock};
use ra_engine::dsp::Insert;

use super::{alone, failed};

/// An effect that does something in every so-manieth block.
struct Planted<F> {
    work: F,
    every_blocks: u64,
    n_blocks: u64,
}

impl<F: FnMut(&mut [f32]) + Send> Insert for Planted<F> {
    fn process(&mut self, interleaved: &mut [f32]) {
        self.n_blocks += 1;
        if self.n_blocks.is_multiple_of(self.every_blocks) {
            (self.work)(interleaved);
        }
    }
    fn latency_frames(&self) -> usize {
        0
    }
    fn name(&self) -> &'static str {
        "planted"
    }
}

fn planted(every_blocks: u64, work: impl FnMut(&mut [f32]) + Send + 'static) -> Vec<Box<dyn Insert>> {
    vec![Box::new(Planted { work, every_blocks, n_blocks: 0 })]
}

/// What a short storm finds with the fault in every so-manieth block.
fn storm_with(every_blocks: u64, work: impl FnMut(&mut [f32]) + Send + 'static) -> (StormFigures, Vec<String>) {
    let figures = Storm { planted: planted(every_blocks, work), ..Storm::new(150, 3) }.run().unwrap();
    let failed = failed(&figures);
    println!("{failed:#?}");
    (figures, failed)
}

fn names(failed: &[String], what: &str) -> bool {
    failed.iter().any(|line| line.contains(what))
}

#[test]
fn memory_that_is_taken_or_given_back_is_found() {
    let _alone = alone();
    let mut kept: Option<Vec<f32>> = None;
    let (figures, failed) = storm_with(50, move |block| {
        // Taken in one block, given back in another.
        kept = match kept.take() {
            None => Some(std::hint::black_box(block.to_vec())),
            Some(_) => None,
        };
    });
    assert!(figures.realtime.allocations > 0 && figures.realtime.frees > 0, "{:?}", figures.realtime);
    assert!(names(&failed, "allocations there") && names(&failed, "frees there"), "{failed:?}");
}

#[test]
fn system_calls_are_found_and_named() {
    let _alone = alone();
    let (figures, failed) = storm_with(50, |_| {
        std::hint::black_box(std::process::id());
        std::thread::sleep(Duration::from_nanos(1));
        std::thread::yield_now();
    });
    if let Some(reason) = figures.realtime.calls_not_counted {
        println!("skipped: {reason}");
        return;
    }
    assert!(names(&failed, "system calls there"), "{failed:?}");
    let calls = figures.realtime.system_calls;
    assert!(calls.contains_key("getpid") && calls.contains_key("sched_yield"), "{calls:?}");
    assert!(calls.keys().any(|name| name.contains("nanosleep")), "a sleep that is not to a deadline: {calls:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_second_wait_in_every_block_is_found_whatever_it_is_for() {
    let _alone = alone();
    let (_, failed) = storm_with(1, |_| SystemClock.sleep_until_ns(SystemClock.now_ns() + 20_000));
    assert!(names(&failed, "waits of the audio thread"), "{failed:?}");
    assert!(!names(&failed, "system calls there"), "it is a wait for a deadline: {failed:?}");
}

#[test]
fn a_lock_that_is_taken_is_found() {
    let _alone = alone();
    let lock = Arc::new(Mutex::new(0.0_f32));
    let (held, quit) = (Arc::clone(&lock), Arc::new(AtomicBool::new(false)));
    let has_quit = Arc::clone(&quit);
    let holder = std::thread::spawn(move || {
        while !has_quit.load(Ordering::Acquire) {
            let mut guard = held.lock().unwrap();
            *guard += 1.0;
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let (figures, failed) = storm_with(50, move |_| drop(std::hint::black_box(lock.lock())));
    quit.store(true, Ordering::Release);
    holder.join().unwrap();
    match figures.realtime.calls_not_counted {
        Some(reason) => println!("skipped: {reason}"),
        None => assert!(names(&failed, "locks waited for there"), "{failed:?}"),
    }
}

#[test]
fn a_step_in_the_sound_is_found() {
    let _alone = alone();
    // A gain that is set without a ramp.
    let mut n = 0;
    let (figures, failed) = storm_with(50, move |block| {
        n += 1;
        let gain = if n % 2 == 0 { 1.0 } else { 0.25 };
        block.iter_mut().for_each(|sample| *sample *= gain);
    });
    assert!(figures.sound.steps_above > 0, "{:?}", figures.sound);
    assert!(names(&failed, "steps above their bound"), "{failed:?}");
}

#[test]
fn a_panic_on_the_audio_thread_is_an_error() {
    let _alone = alone();
    let result = Storm { planted: planted(50, |_| panic!("planted")), ..Storm::new(150, 3) }.run();
    let cause = result.map(|figures| failed(&figures));
    assert!(
        cause.as_ref().is_err_and(|cause| format!("{cause:#}").contains("the audio thread has panicked")),
        "{cause:?}"
    );
}
