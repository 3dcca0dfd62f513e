//! Gains from every input channel to every channel of a bus, ramped. Sums in double precision; owns no bus.

/// What the settled coefficients amount to, so that the common cases run as straight loops.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// Every coefficient is 0.
    Silent,
    /// As many outputs as inputs, each input to its own output, all with this gain.
    Uniform(f64),
    /// Anything else.
    General,
}

/// One coefficient that is not 0, or on its way from or to something that is not.
#[derive(Clone, Copy, Debug)]
struct Route {
    input: usize,
    output: usize,
    target: f64,
    /// Change per frame while the ramp lasts.
    step: f64,
}

/// Mixes an interleaved block into a bus through a matrix of gains.
///
/// The bus is `f64`, so that the sum of many sources is the exact sum of what they gave, to far below 1e-6.
///
/// # Examples
/// ```
/// let mut matrix = ra_dsp::GainMatrix::new(1, 2);
/// matrix.set_targets(&[0.5, 0.25], 0);
/// let mut bus = [1.0; 4];
/// matrix.mix_into(&[1.0, -1.0], &mut bus);
/// assert_eq!(bus, [1.5, 1.25, 0.5, 0.75]);
/// ```
#[derive(Clone, Debug)]
pub struct GainMatrix {
    n_in: usize,
    n_out: usize,
    /// Never longer than `n_in * n_out`, which is reserved.
    routes: Vec<Route>,
    /// Working space of `set_targets`: the present value of every coefficient, a row per output.
    present: Vec<f64>,
    left_frames: u32,
    shape: Shape,
}

impl GainMatrix {
    /// A matrix from `n_in` to `n_out` channels (1 at least) whose coefficients are all 0.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn new(n_in: usize, n_out: usize) -> Self {
        let (n_in, n_out) = (n_in.max(1), n_out.max(1));
        Self {
            n_in,
            n_out,
            routes: Vec::with_capacity(n_in * n_out),
            present: vec![0.0; n_in * n_out],
            left_frames: 0,
            shape: Shape::Silent,
        }
    }

    /// Heads for new coefficients (linear gains, `n_in` per output, output by output), to be there after `ramp_frames`
    /// frames; 0: at once. A ramp under way is left from where it is. What a shorter slice does not cover goes to 0.
    ///
    /// The work is proportional to `n_in * n_out`.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn set_targets(&mut self, coefficients: &[f32], ramp_frames: u32) {
        debug_assert_eq!(coefficients.len(), self.n_in * self.n_out, "one coefficient per pair of channels");
        self.head_for(coefficients, ramp_frames);
    }

    /// Heads for silence, to be there after `ramp_frames` frames.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn fade_out(&mut self, ramp_frames: u32) {
        self.head_for(&[], ramp_frames);
    }

    fn head_for(&mut self, coefficients: &[f32], ramp_frames: u32) {
        self.present.fill(0.0);
        for route in &self.routes {
            self.present[route.output * self.n_in + route.input] =
                route.target - route.step * f64::from(self.left_frames);
        }
        self.left_frames = ramp_frames;
        self.routes.clear();
        for (index, &present) in self.present.iter().enumerate() {
            let target = coefficients.get(index).map_or(0.0, |&gain| f64::from(gain));
            let step = if ramp_frames == 0 { 0.0 } else { (target - present) / f64::from(ramp_frames) };
            if target != 0.0 || step != 0.0 {
                // Within the capacity reserved by `new`: at most one route per coefficient.
                self.routes.push(Route { input: index % self.n_in, output: index / self.n_in, target, step });
            }
        }
        if ramp_frames == 0 {
            self.settle();
        }
    }

    /// Adds a block of `n_in`-channel frames to a bus of `n_out`-channel frames, frame by frame, for as many whole
    /// frames as both have.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn mix_into(&mut self, input: &[f32], accumulator: &mut [f64]) {
        let n_frames = (input.len() / self.n_in).min(accumulator.len() / self.n_out);
        let ramp_frames = n_frames.min(self.left_frames as usize);
        let (ramp_input, input) = input[..n_frames * self.n_in].split_at(ramp_frames * self.n_in);
        let (ramp_bus, bus) = accumulator[..n_frames * self.n_out].split_at_mut(ramp_frames * self.n_out);
        if ramp_frames > 0 {
            self.mix_ramp(ramp_input, ramp_bus);
            self.left_frames -= ramp_frames as u32;
            if self.left_frames == 0 {
                self.settle();
            }
        }
        if !input.is_empty() {
            self.mix_settled(input, bus);
        }
    }

    /// Whether nothing is heard through it, now and until the next [`GainMatrix::set_targets`]: a source whose matrix
    /// is silent need not be mixed.
    pub fn is_silent(&self) -> bool {
        self.shape == Shape::Silent && self.is_settled()
    }

    /// Whether no ramp is under way.
    pub fn is_settled(&self) -> bool {
        self.left_frames == 0
    }

    /// Forgets the routes that ended at 0 and finds the shape of the rest.
    fn settle(&mut self) {
        self.routes.retain_mut(|route| {
            route.step = 0.0;
            route.target != 0.0
        });
        let first = self.routes.first().map(|route| route.target);
        self.shape = match first {
            None => Shape::Silent,
            Some(gain)
                if self.n_in == self.n_out
                    && self.routes.len() == self.n_in
                    && self.routes.iter().all(|route| route.input == route.output && route.target == gain) =>
            {
                Shape::Uniform(gain)
            }
            Some(_) => Shape::General,
        };
    }

    fn mix_settled(&self, input: &[f32], bus: &mut [f64]) {
        match self.shape {
            Shape::Silent => {}
            Shape::Uniform(1.0) => {
                for (sum, &sample) in bus.iter_mut().zip(input) {
                    *sum += f64::from(sample);
                }
            }
            Shape::Uniform(gain) => {
                for (sum, &sample) in bus.iter_mut().zip(input) {
                    *sum += gain * f64::from(sample);
                }
            }
            Shape::General if self.n_in == 2 && self.n_out == 2 => {
                let mut gains = [[0.0; 2]; 2];
                for route in &self.routes {
                    gains[route.output][route.input] = route.target;
                }
                for (sums, samples) in bus.chunks_exact_mut(2).zip(input.chunks_exact(2)) {
                    let (left, right) = (f64::from(samples[0]), f64::from(samples[1]));
                    sums[0] += gains[0][0] * left + gains[0][1] * right;
                    sums[1] += gains[1][0] * left + gains[1][1] * right;
                }
            }
            Shape::General => {
                for route in &self.routes {
                    let sums = bus.iter_mut().skip(route.output).step_by(self.n_out);
                    for (sum, &sample) in sums.zip(input.iter().skip(route.input).step_by(self.n_in)) {
                        *sum += route.target * f64::from(sample);
                    }
                }
            }
        }
    }

    fn mix_ramp(&self, input: &[f32], bus: &mut [f64]) {
        for route in &self.routes {
            // Counted back from the target, so that the ramp's last frame has it exactly.
            let mut left = f64::from(self.left_frames);
            let sums = bus.iter_mut().skip(route.output).step_by(self.n_out);
            for (sum, &sample) in sums.zip(input.iter().skip(route.input).step_by(self.n_in)) {
                left -= 1.0;
                *sum += (route.target - route.step * left) * f64::from(sample);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn silence_is_known_and_costs_the_bus_nothing() {
        let mut matrix = GainMatrix::new(2, 2);
        assert!(matrix.is_silent());
        let mut bus = [0.25; 8];
        matrix.mix_into(&[1.0; 8], &mut bus);
        assert_eq!(bus, [0.25; 8]);
        matrix.set_targets(&[1.0, 0.0, 0.0, 1.0], 2);
        assert!(!matrix.is_silent());
        matrix.mix_into(&[1.0; 8], &mut bus);
        assert_eq!(bus, [0.75, 0.75, 1.25, 1.25, 1.25, 1.25, 1.25, 1.25]);
        matrix.set_targets(&[0.0; 4], 2);
        assert!(!matrix.is_silent(), "it still fades");
        matrix.mix_into(&[1.0; 8], &mut bus);
        assert!(matrix.is_silent());
        matrix.set_targets(&[0.5; 4], 0);
        matrix.set_targets(&[0.0; 4], 0);
        assert!(matrix.is_silent());
    }

    #[test]
    fn thirty_two_sources_sum_as_in_double_precision() {
        let sources: Vec<Vec<f32>> = (0..32u64)
            .map(|s| (0..512u64).map(|n| ((s * 7919 + n * 104_729) % 65_537) as f32 / 65_537.0 - 0.5).collect())
            .collect();
        let mut bus = vec![0.0; 512];
        for source in &sources {
            let mut matrix = GainMatrix::new(2, 2);
            matrix.set_targets(&[1.0, 0.0, 0.0, 1.0], 0);
            matrix.mix_into(source, &mut bus);
        }
        for (n, sum) in bus.iter().enumerate() {
            let exact: f64 = sources.iter().map(|source| f64::from(source[n])).sum();
            assert!((sum - exact).abs() < 1e-12);
        }
    }

    #[test]
    fn a_retargeted_ramp_has_no_step_larger_than_its_slope() {
        let mut matrix = GainMatrix::new(1, 1);
        let mut bus = vec![0.0; 300];
        matrix.set_targets(&[1.0], 200);
        matrix.mix_into(&[1.0; 100], &mut bus[..100]);
        matrix.set_targets(&[-1.0], 100);
        matrix.mix_into(&[1.0; 200], &mut bus[100..]);
        assert_eq!(bus[99], 0.5);
        let largest = bus.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
        assert!(largest <= 1.5 / 100.0 + 1e-12, "{largest}");
        assert_eq!(bus[199..], [-1.0; 101]);
    }

    proptest! {
        #[test]
        fn any_matrix_in_any_chunking_is_the_definition(
            n_in in 1usize..5, n_out in 1usize..5, block in 1usize..40, ramp in 0u32..60, kind in 0..3,
            seed in prop::collection::vec(-1.0f32..1.0, 32), frames in 1usize..100,
        ) {
            let gain = |k: usize, o: usize, i: usize| match kind {
                0 => seed[(k + o * n_in + i) % 32],
                1 => if i == o { 0.5 } else { 0.0 },
                _ => if i == o { 1.0 } else { 0.0 },
            };
            let matrix_of = |k: usize| -> Vec<f32> {
                (0..n_out * n_in).map(|index| gain(k, index / n_in, index % n_in)).collect()
            };
            let (from, to) = (matrix_of(0), matrix_of(16));
            let input: Vec<f32> = (0..frames * n_in).map(|n| seed[n % 31]).collect();
            let mut bus = vec![0.0f64; frames * n_out];
            let mut matrix = GainMatrix::new(n_in, n_out);
            matrix.set_targets(&from, 0);
            matrix.set_targets(&to, ramp);
            for (piece, sums) in input.chunks(block * n_in).zip(bus.chunks_mut(block * n_out)) {
                matrix.mix_into(piece, sums);
            }
            for frame in 0..frames {
                let t = if ramp == 0 { 1.0 } else { ((frame + 1) as f64 / f64::from(ramp)).min(1.0) };
                for o in 0..n_out {
                    let exact: f64 = (0..n_in).map(|i| {
                        let index = o * n_in + i;
                        let gain = f64::from(from[index]) * (1.0 - t) + f64::from(to[index]) * t;
                        gain * f64::from(input[frame * n_in + i])
                    }).sum();
                    prop_assert!((bus[frame * n_out + o] - exact).abs() < 1e-9);
                }
            }
        }
    }
}
