//! Lists of numbers as people read them. Pure.

/// Numbers in ascending order, runs of neighbours as `1-32`, long lists by their ends and how many they are.
pub(super) fn join<T: Copy + Into<u32>>(numbers: &[T]) -> String {
    const MOST_RUNS: usize = 4;
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers.iter().map(|&number| number.into()) {
        match runs.last_mut() {
            Some((_, last)) if number == last.wrapping_add(1) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    match (runs.first(), runs.last()) {
        (Some((first, _)), Some((_, last))) if runs.len() > MOST_RUNS => {
            format!("{first} … {last} ({} of them)", numbers.len())
        }
        _ => {
            let shown =
                runs.iter().map(|&(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
            shown.collect::<Vec<_>>().join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_shortened() {
        assert_eq!(join::<u16>(&[]), "");
        assert_eq!(join(&[2u16]), "2");
        assert_eq!(join(&[1u16, 2, 3, 4, 6, 8]), "1-4 6 8");
        assert_eq!(join(&[44_100u32, 48_000]), "44100 48000");
        assert_eq!(join(&[8_000u32, 11_025, 16_000, 22_050, 48_000]), "8000 … 48000 (5 of them)");
    }
}
