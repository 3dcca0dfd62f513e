//! A list that remembers its first and its latest entries and counts the others. Knows nothing of what it lists.

use std::collections::VecDeque;

/// At most twice `KEPT` entries.
#[derive(Clone, Debug)]
pub(crate) struct BoundedList<T, const KEPT: usize> {
    first: Vec<T>,
    latest: VecDeque<T>,
    n_entries: u64,
}

impl<T, const KEPT: usize> Default for BoundedList<T, KEPT> {
    fn default() -> Self {
        Self { first: Vec::new(), latest: VecDeque::new(), n_entries: 0 }
    }
}

impl<T, const KEPT: usize> BoundedList<T, KEPT> {
    pub(crate) fn push(&mut self, entry: T) {
        self.n_entries += 1;
        if self.first.len() < KEPT {
            self.first.push(entry);
            return;
        }
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(entry);
    }

    /// The entries that are kept, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.latest)
    }

    /// All entries, those that are not kept included.
    pub(crate) const fn n_entries(&self) -> u64 {
        self.n_entries
    }

    /// Entries that are counted and not kept.
    pub(crate) fn n_omitted(&self) -> u64 {
        self.n_entries - (self.first.len() + self.latest.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_only_counted() {
        let mut list = BoundedList::<u64, 3>::default();
        (0..10).for_each(|n| list.push(n));
        assert_eq!(list.iter().copied().collect::<Vec<_>>(), [0, 1, 2, 7, 8, 9]);
        assert_eq!((list.n_entries(), list.n_omitted()), (10, 4));
    }
}
