//! The audio thread: waits for each block's absolute deadline, and steps the mixer. Everything else is in `rt`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use ra_core::{Clock, RealtimeGrant};

use crate::rt::mixer::Mixer;
use crate::timeline::Timeline;
use crate::{EngineConfig, EngineError, os};

/// The audio thread, and how it is told to end.
pub(crate) struct MixerThread {
    /// `None` once it has been joined.
    thread: Option<JoinHandle<Mixer>>,
    /// Set: end as soon as every clocked source's tail is in the mix.
    drain: Arc<AtomicBool>,
    /// Set: end now.
    quit: Arc<AtomicBool>,
}

impl MixerThread {
    /// Starts the thread; its grant goes to `grants` before the first block.
    pub(crate) fn spawn(
        mut mixer: Mixer,
        config: &EngineConfig,
        clock: Arc<dyn Clock>,
        timeline: Arc<Timeline>,
        grants: Sender<RealtimeGrant>,
    ) -> Result<Self, EngineError> {
        let drain = Arc::new(AtomicBool::new(false));
        let quit = Arc::new(AtomicBool::new(false));
        let (drain_seen, quit_seen) = (Arc::clone(&drain), Arc::clone(&quit));
        let (realtime, rate_hz, block_frames) = (config.realtime, config.sample_rate.hz(), config.block_frames);
        let name = "ra-mixer";
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Nobody may be listening: the engine was dropped at once.
                drop(grants.send(os::request_realtime(realtime, rate_hz, block_frames)));
                let start_ns = clock.now_ns();
                timeline.start_at_ns(start_ns);
                mixer.start_at_ns(start_ns);
                run(&mut mixer, &*clock, &drain_seen, &quit_seen);
                mixer
            })
            .map_err(|cause| EngineError::Thread { thread: name.to_owned(), cause })?;
        Ok(Self { thread: Some(thread), drain, quit })
    }

    /// Lets the tails of clocked sources be mixed, then ends the thread.
    pub(crate) fn drain(&self) {
        // Release pairs with the Acquire in `run`.
        self.drain.store(true, Ordering::Release);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the thread and takes the mixer back; `None` if it panicked.
    pub(crate) fn join(mut self) -> Option<Mixer> {
        // Release pairs with the Acquire in `run`.
        self.quit.store(true, Ordering::Release);
        self.thread.take()?.join().ok()
    }
}

impl Drop for MixerThread {
    /// Nobody is left to command it.
    fn drop(&mut self) {
        // Release pairs with the Acquire in `run`.
        self.quit.store(true, Ordering::Release);
    }
}

/// The audio thread's loop. One wait a round; no other system call.
fn run(mixer: &mut Mixer, clock: &dyn Clock, drain: &AtomicBool, quit: &AtomicBool) {
    // Denormals would make quiet tails slow.
    os::without_denormals(|| {
        loop {
            // Acquire pairs with the Release in `join` and `drain`.
            if quit.load(Ordering::Acquire) {
                return;
            }
            if drain.load(Ordering::Acquire) && mixer.clocked_tails_are_mixed() {
                mixer.flush_tails();
                return;
            }
            clock.sleep_until_ns(mixer.next_deadline_ns());
            mixer.run_due(clock.now_ns());
        }
    });
}
