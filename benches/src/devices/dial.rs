//! A sound that says when it was played: a dial that turns twice a second, its cosine on the left and its sine on the
//! right. The angle is the time, the radius the level. Pure.

use std::f64::consts::TAU;

/// Turns in a second.
const TURNS_PER_S: f64 = 2.0;
/// The radius; 1.0 is full scale.
pub(super) const RADIUS: f64 = 0.5;

/// The frame of that number.
pub(super) fn frame(number: u64, rate_hz: u32) -> [f32; 2] {
    let turn = (number as f64 * TURNS_PER_S / f64::from(rate_hz)).fract() * TAU;
    [(RADIUS * turn.cos()) as f32, (RADIUS * turn.sin()) as f32]
}

/// Frames of a turn.
pub(super) fn turn_frames(rate_hz: u32) -> f64 {
    f64::from(rate_hz) / TURNS_PER_S
}

/// How many frames behind its playing a frame is heard at `position`, within a turn; `None` where there is less than nine
/// tenths of the radius.
pub(super) fn behind_frames(position: u64, heard: [f32; 2], rate_hz: u32) -> Option<f64> {
    let [x, y] = heard.map(f64::from);
    if x.hypot(y) < 0.9 * RADIUS {
        return None;
    }
    let turn = turn_frames(rate_hz);
    let played = y.atan2(x) / TAU * turn;
    Some((position as f64 - played).rem_euclid(turn))
}

/// The shorter way from one place within a turn to another, in frames.
pub(super) fn difference_frames(a: f64, b: f64, rate_hz: u32) -> f64 {
    let turn = turn_frames(rate_hz);
    let difference = (a - b).rem_euclid(turn);
    if difference > turn / 2.0 { difference - turn } else { difference }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_says_when_it_was_played() {
        for delay in [0, 1, 4_800, 23_999] {
            for position in [24_000_u64, 100_003] {
                let heard = frame(position - delay, 48_000);
                let behind = behind_frames(position, heard, 48_000).unwrap();
                assert!(difference_frames(behind, delay as f64, 48_000).abs() < 0.01, "{delay} {behind}");
            }
        }
        assert_eq!(behind_frames(0, [0.1, 0.1], 48_000), None);
    }

    #[test]
    fn differences_take_the_shorter_way() {
        assert!((difference_frames(10.0, 23_990.0, 48_000) - 20.0).abs() < 1e-9);
        assert!((difference_frames(23_990.0, 10.0, 48_000) + 20.0).abs() < 1e-9);
    }
}
