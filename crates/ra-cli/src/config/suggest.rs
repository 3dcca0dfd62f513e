//! "Did you mean": the known word that looks most like an unknown one.

/// The candidate that is nearest to `word`, if one is near enough to be what was meant.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // A long word is a typo of nothing, and the distance costs the product of the lengths.
    if word.len() > 64 {
        return None;
    }
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, &candidate.to_lowercase()), candidate))
        .filter(|&(edits, candidate)| edits <= 1 + candidate.chars().count() / 4 && edits < candidate.chars().count())
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, changes and swaps of neighbours that turn `a` into `b` (the optimal string alignment
/// distance: Boytsov, "Indexing methods for approximate dictionary searching", JEA 16, 2011, section 2.2).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_book() {
        for (a, b, edits) in [("", "", 0), ("abc", "abc", 0), ("ab", "ba", 1), ("kitten", "sitting", 3), ("", "abc", 3)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn typos_are_understood_and_strangers_are_not() {
        let keys = ["gain_db", "name", "path", "loop", "pan"];
        assert_eq!(nearest("gian_db", keys), Some("gain_db"));
        assert_eq!(nearest("gain", ["gain_db"]), None);
        assert_eq!(nearest("Name", keys), Some("name"));
        assert_eq!(nearest("lop", keys), Some("loop"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest(&"x".repeat(100_000), keys), None);
    }
}
