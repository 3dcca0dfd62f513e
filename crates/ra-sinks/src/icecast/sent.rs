//! Pages that were sent and that the other side has not acknowledged: they are lost with the connection, and a connection
//! that acknowledges nothing for too long is lost. Reads no clock and no socket.

use std::collections::VecDeque;

use super::page_queue::QueuedPage;

/// What is on its way on one connection.
#[derive(Debug)]
pub(super) struct Sent {
    pages: VecDeque<(u64, QueuedPage)>,
    acknowledged_bytes: u64,
    progress_ns: u64,
    stall_ns: u64,
}

impl Sent {
    /// Nothing, on a connection that has just been made.
    pub(super) fn new(acknowledged_bytes: u64, stall_ns: u64, now_ns: u64) -> Self {
        Self { pages: VecDeque::new(), acknowledged_bytes, progress_ns: now_ns, stall_ns }
    }

    /// A page whose last byte was the `end_byte`th of the connection.
    pub(super) fn push(&mut self, page: QueuedPage, end_byte: u64) {
        self.pages.push_back((end_byte, page));
    }

    /// The other side has `acknowledged_bytes`. `is_outstanding`: it should have more. Returns the real frames that have
    /// arrived by that.
    pub(super) fn acknowledge(&mut self, acknowledged_bytes: u64, is_outstanding: bool, now_ns: u64) -> u64 {
        if acknowledged_bytes > self.acknowledged_bytes || !is_outstanding {
            self.acknowledged_bytes = acknowledged_bytes;
            self.progress_ns = now_ns;
        }
        let mut arrived_frames = 0;
        while let Some((end_byte, page)) = self.pages.front()
            && *end_byte <= acknowledged_bytes
        {
            arrived_frames += page.real_frames;
            self.pages.pop_front();
        }
        arrived_frames
    }

    /// For how long nothing has been acknowledged, in milliseconds, where that is too long.
    pub(super) fn stalled_ms(&self, now_ns: u64) -> Option<u64> {
        let waited_ns = now_ns.saturating_sub(self.progress_ns);
        (waited_ns >= self.stall_ns).then_some(waited_ns / 1_000_000)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// What has not arrived as far as is known, in its order.
    pub(super) fn into_pages(self) -> impl DoubleEndedIterator<Item = QueuedPage> {
        self.pages.into_iter().map(|(_, page)| page)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::page_queue::StreamHead;
    use super::*;

    fn page(real_frames: u64) -> QueuedPage {
        let head = Arc::new(StreamHead { number: 0, bytes: Vec::new() });
        QueuedPage { head, bytes: Vec::new(), n_frames: real_frames, real_frames }
    }

    #[test]
    fn pages_arrive_when_their_last_byte_does() {
        let mut sent = Sent::new(500, 1_000, 0);
        sent.push(page(10), 600);
        sent.push(page(20), 700);
        assert_eq!(sent.acknowledge(599, true, 1), 0);
        assert_eq!(sent.acknowledge(650, true, 2), 10);
        assert_eq!(sent.into_pages().map(|page| page.real_frames).collect::<Vec<_>>(), [20]);
    }

    #[test]
    fn a_connection_that_acknowledges_nothing_is_lost_after_a_while_and_one_with_nothing_to_say_is_not() {
        let ms = 1_000_000;
        let mut sent = Sent::new(0, 4_000 * ms, 0);
        assert_eq!(sent.acknowledge(0, false, 60_000 * ms), 0);
        assert_eq!(sent.stalled_ms(60_000 * ms), None);
        sent.push(page(10), 100);
        sent.acknowledge(0, true, 63_000 * ms);
        assert_eq!(sent.stalled_ms(63_999 * ms), None);
        sent.acknowledge(1, true, 63_999 * ms);
        sent.acknowledge(1, true, 67_998 * ms);
        assert_eq!(sent.stalled_ms(67_998 * ms), None);
        assert_eq!(sent.stalled_ms(67_999 * ms), Some(4_000));
    }
}
