//! Stretches of true time in which a fault is in force. Knows no fault by name.

use std::collections::VecDeque;

use crate::RoomTime;

/// From a time to another one, the latter apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) from: RoomTime,
    pub(super) to: RoomTime,
    /// The same on the monotonic clock.
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

impl Window {
    pub(super) fn new(origin_ns: u64, at_s: f64, for_s: f64) -> Self {
        let from = RoomTime::from_s(at_s);
        let to = from.plus_s(for_s);
        let monotonic = |t: RoomTime| origin_ns.saturating_add_signed(t.as_ns());
        Self { from, to, from_ns: monotonic(from), to_ns: monotonic(to) }
    }
}

/// Windows that do not touch each other, in their order; those that are over are forgotten.
#[derive(Clone, Debug)]
pub(super) struct Windows(VecDeque<Window>);

impl Windows {
    /// Sorts the windows and joins those that overlap.
    pub(super) fn new(windows: impl Iterator<Item = Window>) -> Self {
        let mut all: Vec<Window> = windows.collect();
        all.sort_by_key(|window| window.from_ns);
        let mut joined: VecDeque<Window> = VecDeque::with_capacity(all.len());
        for window in all {
            match joined.back_mut() {
                Some(last) if window.from_ns <= last.to_ns => {
                    if window.to_ns > last.to_ns {
                        (last.to, last.to_ns) = (window.to, window.to_ns);
                    }
                }
                _ => joined.push_back(window),
            }
        }
        Self(joined)
    }

    /// The first window that is not over at `ns`. Times asked for must not go back.
    pub(super) fn at_or_after_ns(&mut self, ns: u64) -> Option<Window> {
        while self.0.front().is_some_and(|window| window.to_ns <= ns) {
            self.0.pop_front();
        }
        self.0.front().copied()
    }

    /// The window that `ns` is in. Times asked for must not go back.
    pub(super) fn around_ns(&mut self, ns: u64) -> Option<Window> {
        self.at_or_after_ns(ns).filter(|window| window.from_ns <= ns)
    }

    /// Forgets the first window.
    pub(super) fn pass(&mut self) {
        self.0.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_sorted_joined_and_forgotten() {
        let window = |at_s, for_s| Window::new(1_000, at_s, for_s);
        let mut windows =
            Windows::new([window(5.0, 1.0), window(1.0, 1.0), window(1.5, 2.0), window(2.0, 0.1)].into_iter());
        let second = |s: u64| 1_000 + s * 1_000_000_000;
        assert_eq!(windows.around_ns(second(0)), None);
        let first = windows.around_ns(second(1)).unwrap();
        assert_eq!((first.from_ns, first.to_ns), (second(1), 3_500_001_000));
        assert_eq!(windows.around_ns(second(4)), None);
        assert_eq!(windows.at_or_after_ns(second(4)), Some(window(5.0, 1.0)));
        assert_eq!(windows.at_or_after_ns(second(6)), None);
    }
}
