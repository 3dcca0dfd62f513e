//! A linear ramp of one value, one step per frame. Knows nothing of what the value means.

/// A value that moves to its target in a straight line.
///
/// # Examples
/// ```
/// let mut gain = ra_dsp::Ramp::new(0.0);
/// gain.set_target(1.0, 4);
/// let steps: Vec<f32> = (0..5).map(|_| gain.next_value()).collect();
/// assert_eq!(steps, [0.25, 0.5, 0.75, 1.0, 1.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    target: f64,
    /// Change per frame.
    step: f64,
    left_frames: u32,
}

impl Ramp {
    /// A settled ramp at `value`.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub const fn new(value: f32) -> Self {
        Self { target: value as f64, step: 0.0, left_frames: 0 }
    }

    /// Heads for `target` from the present value, to be there after `n_frames` calls of [`Ramp::next_value`]. With 0
    /// frames it is there at once.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn set_target(&mut self, target: f32, n_frames: u32) {
        let start = self.exact();
        self.target = f64::from(target);
        self.left_frames = n_frames;
        self.step = if n_frames == 0 { 0.0 } else { (self.target - start) / f64::from(n_frames) };
    }

    /// Moves on by one frame and returns the value there.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn next_value(&mut self) -> f32 {
        self.left_frames = self.left_frames.saturating_sub(1);
        self.value()
    }

    /// The value at the frame last asked for.
    pub fn value(&self) -> f32 {
        self.exact() as f32
    }

    /// Where the ramp ends.
    pub fn target(&self) -> f32 {
        self.target as f32
    }

    /// Whether the target is reached.
    pub fn is_settled(&self) -> bool {
        self.left_frames == 0
    }

    /// Counted back from the target, so that no rounding piles up and the end is exact.
    fn exact(&self) -> f64 {
        self.target - self.step * f64::from(self.left_frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_frames_means_at_once() {
        let mut ramp = Ramp::new(0.25);
        ramp.set_target(-3.0, 0);
        assert!(ramp.is_settled());
        assert_eq!((ramp.value(), ramp.target(), ramp.next_value()), (-3.0, -3.0, -3.0));
    }

    proptest! {
        #[test]
        fn no_step_is_larger_than_the_slope_even_when_retargeted(
            a in -2.0f32..2.0, b in -2.0f32..2.0, c in -2.0f32..2.0, n in 1u32..5000, m in 1u32..5000,
            turn in 0u32..5000,
        ) {
            let mut ramp = Ramp::new(a);
            ramp.set_target(b, n);
            let mut last = a;
            for _ in 0..turn {
                let next = ramp.next_value();
                prop_assert!((next - last).abs() <= (b - a).abs() / n as f32 + 1e-6);
                last = next;
            }
            ramp.set_target(c, m);
            prop_assert_eq!(ramp.value(), last);
            let slope = (c - last).abs() / m as f32;
            for _ in 0..m {
                prop_assert!(!ramp.is_settled());
                let next = ramp.next_value();
                prop_assert!((next - last).abs() <= slope + 1e-6);
                last = next;
            }
            prop_assert!(ramp.is_settled());
            prop_assert_eq!(last, c);
        }
    }
}
