//! Async readers of a running engine, on several executors. Every block is accounted for, whatever is dropped when.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use futures_core::Stream;
use ra_engine::core::{FramePosition, StreamSpec};
use ra_engine::{
    AnySource, AsyncBusEvent, AsyncBusReader, Engine, EngineConfig, EngineHandle, OnLag, OwnedBusEvent, ReaderConfig,
    RealtimeRequest, SourceConfig,
};
use support::Constant;

const BLOCK: u64 = 128;

fn engine() -> (Engine, EngineHandle) {
    let config = EngineConfig { realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() };
    let engine = Engine::new(config).unwrap();
    let handle = engine.handle();
    let spec = StreamSpec::new(48_000, 2).unwrap();
    handle.add_source(SourceConfig::named("level"), AnySource::pulled(Constant(spec, 0.25))).unwrap();
    (engine, handle)
}

/// Takes `n_blocks` blocks that follow each other, from the first one or from `next` on; counts what lag cost.
async fn follow(bus: &mut AsyncBusReader, n_blocks: u64, next: &mut Option<FramePosition>) -> u64 {
    let (mut n_read, mut n_lost) = (0, 0);
    while n_read < n_blocks {
        match bus.next_frame().await {
            AsyncBusEvent::Block(block) => {
                let expected = next.map_or(block.stamp.position, |next| next + n_lost * BLOCK);
                assert_eq!(block.stamp.position, expected, "after {n_read} blocks");
                assert_eq!(block.n_frames() as u64, BLOCK);
                *next = Some(block.end_position());
                (n_read, n_lost) = (n_read + 1, 0);
            }
            AsyncBusEvent::Lagged { n_blocks } => n_lost += n_blocks,
            other => panic!("{other:?}"),
        }
    }
    n_lost
}

fn thread_names() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

fn block_on_threads<F: Future>(future: F) -> F::Output {
    /// An executor of our own: parks the thread until it is woken.
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn every_executor_gets_every_block() {
    let (mut engine, handle) = engine();
    let mut readers: Vec<AsyncBusReader> = (0..4).map(|_| handle.subscribe_async("main").unwrap()).collect();
    let ids: Vec<u64> = readers.iter().map(AsyncBusReader::id).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    engine.start().unwrap();
    let check = |bus: &mut AsyncBusReader| assert!(bus.counts().is_balanced() && bus.counts().read_blocks >= 200);
    let mut on_tokio = readers.split_off(2);
    let (mut second, mut first) = (readers.pop().unwrap(), readers.pop().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            futures_executor::block_on(follow(&mut first, 200, &mut Some(FramePosition(0))));
            check(&mut first);
        });
        scope.spawn(|| {
            block_on_threads(follow(&mut second, 200, &mut Some(FramePosition(0))));
            check(&mut second);
        });
        scope.spawn(|| {
            let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut bus = on_tokio.pop().unwrap();
            one.block_on(follow(&mut bus, 200, &mut Some(FramePosition(0))));
            let many = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            let mut other = on_tokio.pop().unwrap();
            let task = many.spawn(async move { follow(&mut other, 200, &mut Some(FramePosition(0))).await });
            many.block_on(task).unwrap();
        });
    });
    drop((first, second));
    engine.stop().unwrap();
}

#[test]
fn one_thread_runs_while_there_are_readers_and_no_longer() {
    // The name may be another test's; that its thread comes and goes is tested inside.
    let (mut engine, handle) = engine();
    engine.start().unwrap();
    let mut first = handle.subscribe_async("main").unwrap();
    let second = handle.subscribe_async("main").unwrap();
    futures_executor::block_on(follow(&mut first, 5, &mut None));
    if cfg!(target_os = "linux") {
        assert!(thread_names().iter().any(|name| name == "ra-notify"), "{:?}", thread_names());
    }
    drop((first, second));
    let mut third = handle.subscribe_async("main").unwrap();
    assert_eq!(third.id(), 2);
    futures_executor::block_on(follow(&mut third, 5, &mut None));
    engine.stop().unwrap();
}

#[test]
fn lag_timeout_disconnection_and_end_are_four_things() {
    let (mut engine, handle) = engine();
    let mut slow = handle.subscribe_async("main").unwrap();
    let rule = ReaderConfig { on_lag: OnLag::Disconnect, max_lag_ms: Some(100) };
    let mut strict = handle.subscribe_async_with("main", rule).unwrap();
    // Nothing is mixed yet.
    let asked = Instant::now();
    let event = futures_executor::block_on(slow.next_frame_timeout(Duration::from_millis(30)));
    assert!(matches!(event, AsyncBusEvent::Timeout), "{event:?}");
    assert!(asked.elapsed() >= Duration::from_millis(30));
    let event = futures_executor::block_on(slow.next_frame_timeout(Duration::ZERO));
    assert!(matches!(event, AsyncBusEvent::Timeout), "{event:?}");

    engine.start().unwrap();
    let ring_blocks = 2_000 * 48 / BLOCK;
    while slow.lag_blocks() <= 2 * ring_blocks {
        std::thread::yield_now();
    }
    let event = futures_executor::block_on(slow.next_frame());
    assert!(matches!(event, AsyncBusEvent::Lagged { n_blocks } if n_blocks > 0), "{event:?}");
    let event = futures_executor::block_on(strict.next_frame());
    assert!(matches!(event, AsyncBusEvent::Disconnected { lag_blocks } if lag_blocks > 0), "{event:?}");
    let event = futures_executor::block_on(strict.next_frame_timeout(Duration::from_secs(1)));
    assert!(matches!(event, AsyncBusEvent::Ended), "{event:?}");
    assert!(slow.skip_ahead() > 0);
    engine.stop().unwrap();
    let mut n_blocks = 0;
    loop {
        match futures_executor::block_on(slow.next_frame()) {
            AsyncBusEvent::Block(_) => n_blocks += 1,
            AsyncBusEvent::Ended => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(n_blocks > 0);
    let counts = slow.counts();
    assert!(counts.is_balanced() && counts.queued_blocks == 0 && counts.lost_blocks > 0, "{counts:?}");
}

#[test]
fn who_waits_for_a_bus_that_ends_is_told() {
    let (mut engine, handle) = engine();
    engine.start().unwrap();
    let mut bus = handle.subscribe_async("main").unwrap();
    let listener = std::thread::spawn(move || {
        futures_executor::block_on(async {
            loop {
                match bus.next_frame().await {
                    AsyncBusEvent::Block(_) => {}
                    AsyncBusEvent::Ended => return,
                    other => panic!("{other:?}"),
                }
            }
        });
    });
    engine.stop().unwrap();
    listener.join().unwrap();
}

/// Polls two futures in turn, and drops the one that is not ready first: what `select!` does.
struct Either<A, B>(Pin<Box<A>>, Pin<Box<B>>);

impl<A: Future<Output = ()>, B: Future<Output = bool>> Future for Either<A, B> {
    type Output = bool;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        if self.0.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        self.1.as_mut().poll(context)
    }
}

/// Ready when it is polled the second time.
struct Soon(bool);

impl Future for Soon {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn dropping_a_future_at_any_moment_loses_nothing() {
    let (mut engine, handle) = engine();
    let mut bus = handle.subscribe_async("main").unwrap();
    engine.start().unwrap();
    let (mut next, mut n_dropped) = (FramePosition(0), 0);
    futures_executor::block_on(async {
        while next.0 < 300 * BLOCK {
            let wait = async {
                match bus.next_frame().await {
                    AsyncBusEvent::Block(block) => {
                        assert_eq!(block.stamp.position, next, "a block is missing");
                        next = block.end_position();
                        true
                    }
                    other => panic!("{other:?}"),
                }
            };
            if !Either(Box::pin(Soon(false)), Box::pin(wait)).await {
                n_dropped += 1;
                // Leaves the executor for a moment, so that the engine gets the core.
                std::thread::yield_now();
            }
        }
    });
    assert!(n_dropped > 100, "{n_dropped} futures were dropped while they waited");
    let counts = bus.counts();
    assert_eq!((counts.read_blocks, counts.lost_blocks), (300, 0));
    engine.stop().unwrap();
}

#[test]
fn as_a_stream_it_owns_its_blocks_and_ends() {
    let (mut engine, handle) = engine();
    let mut bus = handle.subscribe_async("main").unwrap();
    engine.start().unwrap();
    let next = |bus: &mut AsyncBusReader| {
        block_on_threads(std::future::poll_fn(|context| Pin::new(&mut *bus).poll_next(context)))
    };
    let mut blocks = Vec::new();
    while blocks.len() < 50 {
        match next(&mut bus) {
            Some(OwnedBusEvent::Block(block)) => blocks.push(block),
            other => panic!("{other:?}"),
        }
    }
    for (i, block) in blocks.iter().enumerate() {
        assert_eq!(block.stamp.seq, i as u64);
        assert_eq!((block.as_block().n_frames(), block.samples.len()), (128, 256));
    }
    engine.stop().unwrap();
    while let Some(event) = next(&mut bus) {
        assert!(matches!(event, OwnedBusEvent::Block(_)), "{event:?}");
    }
    assert_eq!(next(&mut bus), None);
}

/// No wake-up is lost: tasks that go to sleep at every block, with wakers that change, are there at the end.
#[test]
fn many_tasks_that_sleep_at_every_block_miss_none() {
    struct Counter(Thread, AtomicUsize);
    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.unpark();
        }
    }
    let (mut engine, handle) = engine();
    let readers: Vec<AsyncBusReader> = (0..16).map(|_| handle.subscribe_async("main").unwrap()).collect();
    engine.start().unwrap();
    let threads: Vec<_> = readers
        .into_iter()
        .map(|mut bus| {
            std::thread::spawn(move || {
                let mut n_wakes = 0;
                for i in 0..375 {
                    let mut future = pin!(bus.next_frame());
                    loop {
                        // A waker of its own for every sleep: the last one counts.
                        let counter = Arc::new(Counter(std::thread::current(), AtomicUsize::new(0)));
                        match future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&counter)))) {
                            Poll::Ready(AsyncBusEvent::Block(block)) => {
                                assert_eq!(block.stamp.seq, i);
                                break;
                            }
                            Poll::Ready(other) => panic!("{other:?}"),
                            Poll::Pending => {
                                let asleep = Instant::now();
                                while counter.1.load(Ordering::Relaxed) == 0 {
                                    std::thread::park_timeout(Duration::from_secs(10));
                                    assert!(asleep.elapsed() < Duration::from_secs(10), "nobody woke it");
                                }
                                n_wakes += 1;
                            }
                        }
                    }
                }
                n_wakes
            })
        })
        .collect();
    let n_wakes: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(n_wakes > 16 * 20, "{n_wakes}");
    engine.stop().unwrap();
}
