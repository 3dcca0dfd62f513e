//! What the sink's thread and the network's thread share: the queue of pages, whether there is a connection, and who has to
//! end. Neither holds the lock while it does anything that may wait.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::config::OnReconnect;
use super::counts::{Count, Counters};
use super::page_queue::{PageQueue, QueuedPage};

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The first attempt is on its way: sound is kept for it.
    Opening,
    /// Sound flows.
    Up,
    /// There is none; why.
    Down(String),
}

/// What is shared. `outages` counts how often the connection went away: sound that was encoded before one does not fit
/// behind it.
#[derive(Debug)]
pub(super) struct Link {
    state: Mutex<State>,
    changed: Condvar,
    on_reconnect: OnReconnect,
    pub(super) counters: Arc<Counters>,
}

#[derive(Debug)]
struct State {
    queue: PageQueue,
    status: Status,
    outages: u64,
    /// Frames that were thrown away and not yet taken back.
    lost_frames: u64,
    /// What the server is to be told by URL.
    song: Option<String>,
    /// Monotonic nanoseconds by which the network's thread has to end.
    end_ns: Option<u64>,
    is_over: bool,
    /// Real frames that the network has taken and that have neither arrived nor come back.
    in_flight_frames: u64,
}

impl Link {
    pub(super) fn new(limit_frames: u64, on_reconnect: OnReconnect, counters: Arc<Counters>) -> Self {
        let state = State {
            queue: PageQueue::new(limit_frames),
            status: Status::Opening,
            outages: 0,
            lost_frames: 0,
            song: None,
            end_ns: None,
            is_over: false,
            in_flight_frames: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), on_reconnect, counters }
    }

    /// Whether there is a connection, and how often it went away.
    pub(super) fn status(&self) -> (Status, u64) {
        let state = self.state.lock();
        (state.status.clone(), state.outages)
    }

    /// The sink: pages that were encoded after `outages` outages. They are thrown away where they come too late.
    pub(super) fn push(&self, pages: Vec<QueuedPage>, outages: u64) {
        let mut state = self.state.lock();
        let is_too_late = self.on_reconnect == OnReconnect::Live
            && (state.outages != outages || matches!(state.status, Status::Down(_)));
        if is_too_late || state.is_over {
            self.throw_away(&mut state, pages.iter().map(|page| page.real_frames).sum());
            return;
        }
        pages.into_iter().for_each(|page| state.queue.push(page));
        let overflow_frames = state.queue.throw_away_overflow();
        if overflow_frames > 0 {
            if state.status == Status::Up {
                self.counters.add(Count::Overflows, 1);
            }
            self.throw_away(&mut state, overflow_frames);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The sink: frames that never became a page.
    pub(super) fn lose(&self, n_frames: u64) {
        self.throw_away(&mut self.state.lock(), n_frames);
    }

    /// The sink: the song that the server is to be told.
    pub(super) fn set_song(&self, song: String) {
        self.state.lock().song = Some(song);
        self.changed.notify_all();
    }

    /// The song that the server is to be told.
    pub(super) fn song(&self) -> Option<String> {
        self.state.lock().song.clone()
    }

    /// The sink: frames that were thrown away since the last call.
    pub(super) fn take_lost_frames(&self) -> u64 {
        std::mem::take(&mut self.state.lock().lost_frames)
    }

    /// The sink: nothing more comes; what waits may be sent until `end_ns`.
    pub(super) fn end_by(&self, end_ns: u64) {
        self.state.lock().end_ns = Some(end_ns);
        self.changed.notify_all();
    }

    /// The sink: waits for the network's thread to be done, and says whether it is.
    pub(super) fn wait_for_end(&self, wait: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| !state.is_over, wait);
        state.is_over
    }

    /// The sink: nobody waits for the network's thread any more, which is to end at once. What waits, and what has not arrived
    /// by now, is lost. `reason` says why, where there is a connection.
    pub(super) fn give_up(&self, reason: String) {
        let mut state = self.state.lock();
        if state.status == Status::Up {
            state.status = Status::Down(reason);
        }
        state.end_ns = Some(0);
        self.settle(&mut state);
        drop(state);
        self.changed.notify_all();
    }

    /// Whether the network's thread should give up what it is waiting for.
    pub(super) fn is_ending(&self) -> bool {
        self.end_ns().is_some()
    }

    /// The network: by when it has to end, once it is to end. All that it has to send is in the queue by then.
    pub(super) fn end_ns(&self) -> Option<u64> {
        self.state.lock().end_ns
    }

    /// The network: waits for a page, and takes it.
    pub(super) fn take(&self, wait: Duration) -> Option<QueuedPage> {
        let mut state = self.state.lock();
        if state.queue.is_empty() && state.end_ns.is_none() {
            self.changed.wait_for(&mut state, wait);
        }
        let page = state.queue.pop()?;
        state.in_flight_frames += page.real_frames;
        Some(page)
    }

    /// The network: of what it took, real frames that the other side has acknowledged.
    pub(super) fn arrived(&self, n_frames: u64) {
        let mut state = self.state.lock();
        state.in_flight_frames = state.in_flight_frames.saturating_sub(n_frames);
        self.counters.add(Count::AcknowledgedFrames, n_frames);
    }

    /// The network: waits until `wait` is over, or until it has to end. What happens to the queue meanwhile is no concern.
    pub(super) fn rest(&self, wait: Duration) {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| state.end_ns.is_none(), wait);
    }

    /// How many frames may wait, and the most that have.
    pub(super) fn queue_frames(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.queue.limit_frames(), state.queue.most_frames())
    }

    /// The network: there is a connection.
    pub(super) fn went_up(&self) {
        self.state.lock().status = Status::Up;
        self.counters.add(Count::Connections, 1);
    }

    /// The network: there is none, or none any more; `unsent` was on its way. By the rule for outages all that waits is kept
    /// or thrown away.
    pub(super) fn went_down(&self, reason: String, unsent: impl DoubleEndedIterator<Item = QueuedPage>) {
        let mut state = self.state.lock();
        if state.is_over {
            // Given up on: the account is settled.
            return;
        }
        if !matches!(state.status, Status::Down(_)) {
            state.outages += 1;
        }
        state.status = Status::Down(reason);
        state.in_flight_frames = 0;
        let lost_frames = match self.on_reconnect {
            OnReconnect::Live => unsent.map(|page| page.real_frames).sum::<u64>() + state.queue.clear(),
            OnReconnect::Resume => {
                state.queue.put_back(unsent);
                state.queue.throw_away_overflow()
            }
        };
        self.throw_away(&mut state, lost_frames);
    }

    /// The network: it is done. What still waits is lost, and so is what it took and has not arrived.
    pub(super) fn is_over(&self) {
        self.settle(&mut self.state.lock());
        self.changed.notify_all();
    }

    /// Nothing more arrives.
    fn settle(&self, state: &mut State) {
        let lost_frames = std::mem::take(&mut state.in_flight_frames) + state.queue.clear();
        self.throw_away(state, lost_frames);
        state.is_over = true;
    }

    fn throw_away(&self, state: &mut State, n_frames: u64) {
        state.lost_frames += n_frames;
        self.counters.add(Count::ThrownAwayFrames, n_frames);
    }
}

#[cfg(test)]
mod tests {
    use super::super::page_queue::StreamHead;
    use super::*;

    fn page(n_frames: u64) -> QueuedPage {
        let head = Arc::new(StreamHead { number: 0, bytes: Vec::new() });
        QueuedPage { head, bytes: vec![0; 10], n_frames, real_frames: n_frames }
    }

    fn link(on_reconnect: OnReconnect) -> Link {
        Link::new(1_000, on_reconnect, Arc::new(Counters::default()))
    }

    fn waiting(link: &Link) -> Vec<u64> {
        std::iter::from_fn(|| link.take(Duration::ZERO)).map(|page| page.n_frames).collect()
    }

    #[test]
    fn live_an_outage_takes_all_that_waits_and_all_that_comes_too_late() {
        let link = link(OnReconnect::Live);
        link.push(vec![page(1), page(2)], 0);
        link.went_up();
        assert_eq!(link.take_lost_frames(), 0, "what was kept for the first attempt is not lost");
        link.push(vec![page(4)], 0);
        link.went_down("gone".into(), [page(8)].into_iter());
        assert_eq!(link.take_lost_frames(), 15);
        link.push(vec![page(16)], 0);
        assert_eq!((link.take_lost_frames(), link.take_lost_frames()), (16, 0));
        link.went_down("still gone".into(), [].into_iter());
        assert_eq!(link.status(), (Status::Down("still gone".into()), 1));
        link.went_up();
        link.push(vec![page(32)], 0);
        assert_eq!(link.take_lost_frames(), 32, "encoded before the outage");
        link.push(vec![page(64)], 1);
        assert_eq!(waiting(&link), [64]);
    }

    #[test]
    fn resumed_an_outage_keeps_what_may_wait_in_its_order() {
        let link = link(OnReconnect::Resume);
        link.went_up();
        link.push(vec![page(300)], 0);
        link.went_down("gone".into(), [page(100), page(200)].into_iter());
        link.push(vec![page(250)], 0);
        assert_eq!(link.take_lost_frames(), 0);
        link.push(vec![page(201)], 0);
        assert_eq!(link.take_lost_frames(), 300, "1051 of 1000, down to 875");
        assert_eq!(waiting(&link), [300, 250, 201]);
    }

    #[test]
    fn too_slow_a_network_is_counted() {
        let link = link(OnReconnect::Live);
        link.went_up();
        (0..11).for_each(|_| link.push(vec![page(100)], 0));
        assert_eq!(link.take_lost_frames(), 300);
        let probe = super::super::counts::IcecastProbe(Arc::clone(&link.counters));
        assert_eq!((probe.counts().overflows, probe.counts().thrown_away_frames), (1, 300));
        assert_eq!(link.queue_frames(), (1_000, 1_000));
    }

    #[test]
    fn the_end_takes_what_is_left() {
        let link = link(OnReconnect::Resume);
        link.push(vec![page(5), page(3)], 0);
        link.end_by(77);
        assert_eq!((link.end_ns(), waiting(&link)), (Some(77), vec![5, 3]));
        assert!(link.take(Duration::from_secs(60)).is_none(), "it does not wait at the end");
        assert!(link.is_ending() && !link.wait_for_end(Duration::ZERO));
        link.push(vec![page(7)], 0);
        link.arrived(3);
        link.is_over();
        assert_eq!(link.take_lost_frames(), 12, "5 that did not arrive, and 7 that waited");
        assert!(link.wait_for_end(Duration::from_secs(60)));
        link.push(vec![page(9)], 0);
        assert_eq!(link.take_lost_frames(), 9);
    }

    #[test]
    fn given_up_on_nothing_counts_twice() {
        for on_reconnect in [OnReconnect::Live, OnReconnect::Resume] {
            let link = link(on_reconnect);
            link.went_up();
            link.push(vec![page(1), page(2), page(4)], 0);
            let taken = [link.take(Duration::ZERO), link.take(Duration::ZERO)];
            link.arrived(1);
            link.give_up("stuck".into());
            assert_eq!((link.take_lost_frames(), link.end_ns()), (6, Some(0)));
            assert_eq!(link.status().0, Status::Down("stuck".into()));
            link.went_down("too late".into(), taken.into_iter().flatten());
            link.is_over();
            assert_eq!((link.take_lost_frames(), link.status().0), (0, Status::Down("stuck".into())));
        }
    }
}
