//! Looks at every step from one frame to the next of a stream of blocks. Knows a bound, and nothing of where it is from.

/// The largest step of a stream, and those above its bound.
#[derive(Clone, Debug)]
pub(super) struct StepWatch {
    bound_lin: f64,
    last_frame: Vec<f32>,
    /// Whether `last_frame` is the one before the next block.
    is_joined: bool,
    pub(super) largest_lin: f64,
    pub(super) n_above: u64,
    /// Where the first one above the bound was, and how large.
    pub(super) first_above: Option<(u64, f64)>,
    pub(super) peak_lin: f64,
}

impl StepWatch {
    pub(super) fn new(channels: usize, bound_lin: f64) -> Self {
        Self {
            bound_lin,
            last_frame: vec![0.0; channels],
            is_joined: false,
            largest_lin: 0.0,
            n_above: 0,
            first_above: None,
            peak_lin: 0.0,
        }
    }

    pub(super) fn bound_lin(&self) -> f64 {
        self.bound_lin
    }

    /// The next block is not the continuation of the last one: what lies between was not heard.
    pub(super) fn cut(&mut self) {
        self.is_joined = false;
    }

    /// Looks at a block of interleaved frames that begins at `position`.
    pub(super) fn look(&mut self, position: u64, interleaved: &[f32]) {
        let channels = self.last_frame.len();
        for (n, frame) in interleaved.chunks_exact(channels).enumerate() {
            if self.is_joined {
                // Of all channels the largest; NaN is no sound at all, and above every bound.
                let steps = frame.iter().zip(&self.last_frame).map(|(now, last)| f64::from(now - last).abs());
                let step =
                    steps.fold(0.0, |most: f64, step| if step.is_nan() { f64::INFINITY } else { most.max(step) });
                self.largest_lin = self.largest_lin.max(step);
                if step > self.bound_lin {
                    self.n_above += 1;
                    self.first_above.get_or_insert((position + n as u64, step));
                }
            }
            self.is_joined = true;
            self.last_frame.copy_from_slice(frame);
            self.peak_lin = frame.iter().fold(self.peak_lin, |most, sample| most.max(f64::from(sample.abs())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_within_a_block_and_between_two_is_seen_and_one_over_a_cut_is_not() {
        let mut watch = StepWatch::new(2, 0.1);
        watch.look(0, &[0.0, 0.0, 0.05, 0.0]);
        assert_eq!((watch.n_above, watch.first_above), (0, None));
        assert!((watch.largest_lin - 0.05).abs() < 1e-6);
        watch.look(2, &[0.05, 0.3, 0.05, 0.3]);
        assert_eq!(watch.n_above, 1);
        let (position, step) = watch.first_above.unwrap();
        assert!(position == 2 && (step - 0.3).abs() < 1e-6);
        watch.cut();
        watch.look(100, &[0.9, 0.9, 0.9, 0.5]);
        assert_eq!(watch.n_above, 2);
        watch.look(102, &[f32::NAN, 0.5]);
        assert_eq!((watch.n_above, watch.largest_lin), (3, f64::INFINITY));
    }
}
