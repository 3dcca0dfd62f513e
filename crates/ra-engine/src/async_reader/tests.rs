//! The notifier by itself, on the system's clock: who waits is woken, and its thread comes and goes.

use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Wake, Waker};
use std::time::Duration;

use ra_core::{BlockStamp, Clock, SystemClock};
use ra_queue::{BlockReader, BlockWriter, Join, ring_fan_out};

use super::Notifier;

const PATIENCE: Duration = Duration::from_secs(20);

struct Tell(mpsc::Sender<u64>);

impl Wake for Tell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(SystemClock.now_ns());
    }
}

/// A waker, and when it was woken.
fn waker() -> (Waker, mpsc::Receiver<u64>) {
    let (tell, told) = mpsc::channel();
    (Waker::from(Arc::new(Tell(tell))), told)
}

#[test]
fn a_block_a_deadline_and_a_long_wait_wake_once_each() {
    let (mut writer, bus) = ring_fan_out(16, 2).unwrap();
    let reader = bus.join(Join::Next);
    let notifier = Notifier::new(Arc::new(SystemClock));
    let slot = notifier.join(reader.monitor()).unwrap();
    let (waker, woken) = waker();
    let now_ns = notifier.now_ns();
    slot.wait(&waker, now_ns, Some(now_ns + 12_000_000));
    assert!(woken.recv_timeout(PATIENCE).unwrap() >= now_ns + 12_000_000, "not before its time");
    let now_ns = notifier.now_ns();
    slot.wait(&waker, now_ns, None);
    assert!(woken.recv_timeout(PATIENCE).unwrap() >= now_ns + 50_000_000, "a look whether it has ended");
    slot.wait(&waker, notifier.now_ns(), None);
    writer.publish(&BlockStamp::default(), &[0.0; 2]);
    woken.recv_timeout(PATIENCE).unwrap();
    // Still queued, and nobody waits: nobody is woken.
    slot.forget();
    let (other, other_woken) = self::waker();
    slot.wait(&other, notifier.now_ns(), None);
    other_woken.recv_timeout(PATIENCE).unwrap();
    assert!(woken.try_recv().is_err(), "one wake for each wait");
    notifier.leave(&slot);
}

#[test]
fn a_waker_that_panics_hurts_nobody_else_and_one_that_drops_a_reader_does_not_hang() {
    struct Panic;
    impl Wake for Panic {
        fn wake(self: Arc<Self>) {
            panic!("planted");
        }
    }
    struct Leave(Arc<Notifier>, Arc<super::Slot>, mpsc::Sender<()>);
    impl Wake for Leave {
        fn wake(self: Arc<Self>) {
            self.0.leave(&self.1);
            let _ = self.2.send(());
        }
    }
    let (_writer, bus) = ring_fan_out(16, 2).unwrap();
    let notifier = Notifier::new(Arc::new(SystemClock));
    let join = || notifier.join(bus.join(Join::Next).monitor()).unwrap();
    let (first, second, third) = (join(), join(), join());
    let now_ns = notifier.now_ns();
    first.wait(&Waker::from(Arc::new(Panic)), now_ns, Some(now_ns));
    let (left, has_left) = mpsc::channel();
    let leaving = Leave(Arc::clone(&notifier), Arc::clone(&second), left);
    second.wait(&Waker::from(Arc::new(leaving)), now_ns, Some(now_ns));
    let (waker, woken) = waker();
    third.wait(&waker, now_ns, Some(now_ns));
    has_left.recv_timeout(PATIENCE).unwrap();
    woken.recv_timeout(PATIENCE).unwrap();
    notifier.leave(&first);
    notifier.leave(&third);
}

#[test]
fn its_thread_ends_with_the_last_reader_and_begins_with_the_next() {
    let (_writer, bus) = ring_fan_out(16, 2).unwrap();
    let notifier = Notifier::new(Arc::new(SystemClock));
    assert!(!notifier.is_running(), "nobody has asked for it");
    for _ in 0..3 {
        let slots = [0, 1].map(|_| notifier.join(bus.join(Join::Next).monitor()).unwrap());
        assert!(notifier.is_running());
        slots.iter().for_each(|slot| notifier.leave(slot));
        let deadline_ns = SystemClock.now_ns() + PATIENCE.as_nanos() as u64;
        while notifier.is_running() {
            assert!(SystemClock.now_ns() < deadline_ns, "its thread goes on");
            std::thread::yield_now();
        }
    }
}
