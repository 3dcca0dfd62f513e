//! A simulated device: a clock of its own, deliveries with stamps that are wrong in every way that devices know. Scores
//! nothing.

#![allow(dead_code, reason = "each test program uses a part of it")]

/// How a device's clock goes, as in scenario files: 1 + (ppm + thermal_ppm sin(2 pi t / thermal_s) + step) 1e-6.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceClock {
    pub(crate) ppm: f64,
    pub(crate) thermal_ppm: f64,
    pub(crate) thermal_s: f64,
    pub(crate) step_ppm: f64,
    pub(crate) step_at_s: f64,
}

impl DeviceClock {
    pub(crate) const fn at_ppm(ppm: f64) -> Self {
        Self { ppm, thermal_ppm: 0.0, thermal_s: 600.0, step_ppm: 0.0, step_at_s: f64::INFINITY }
    }

    /// How far the clock is ahead at the true time `t_s`, in seconds.
    pub(crate) fn ahead_s(&self, t_s: f64) -> f64 {
        let turn = std::f64::consts::TAU / self.thermal_s;
        let thermal = self.thermal_ppm * (1.0 - (turn * t_s).cos()) / turn;
        (self.ppm * t_s + thermal + self.step_ppm * (t_s - self.step_at_s).max(0.0)) * 1e-6
    }

    /// The clock's rate at the true time `t_s`, as a deviation from 1.
    pub(crate) fn drift(&self, t_s: f64) -> f64 {
        let turn = std::f64::consts::TAU / self.thermal_s;
        let step = if t_s >= self.step_at_s { self.step_ppm } else { 0.0 };
        (self.ppm + self.thermal_ppm * (turn * t_s).sin() + step) * 1e-6
    }

    /// The true time at which the clock shows `own_s`.
    pub(crate) fn time_of(&self, own_s: f64) -> f64 {
        let mut t_s = own_s / (1.0 + self.ppm * 1e-6);
        for _ in 0..4 {
            t_s -= (t_s + self.ahead_s(t_s) - own_s) / (1.0 + self.drift(t_s));
        }
        t_s
    }
}

/// What happens to the deliveries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Captures on, delivers the backlog afterwards, with its own right stamps.
    Stall { at_s: f64, for_s: f64 },
    /// The same, and all of the backlog is stamped with the moment of its delivery.
    StampedStall { at_s: f64, for_s: f64 },
    /// Away: captures nothing, counts nothing, says so when it is back.
    Unplug { at_s: f64, for_s: f64 },
    /// Loses frames and does not say so: its count goes on as if nothing was.
    Loss { at_s: f64, n_frames: u64 },
    /// The device loses frames and counts them: the position jumps, the time agrees.
    Gap { at_s: f64, n_frames: u64 },
    /// Monotonic time goes on by so much in which the device stood still.
    Suspend { at_s: f64, for_s: f64 },
    /// From here on every second delivery has the stamp of the one before it.
    Twins { from_s: f64, to_s: f64 },
    /// Single stamps go back by so much, one in a hundred.
    Backwards { from_s: f64, to_s: f64, by_s: f64 },
    /// The jitter is another one from here on.
    Jitter { from_s: f64, sigma_us: f64 },
    /// Another period from here on.
    Period { from_s: f64, period_frames: u64 },
    /// The count begins again at 0, and nobody says so.
    Recount { at_s: f64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) hz: u32,
    pub(crate) clock: DeviceClock,
    pub(crate) period_frames: u64,
    pub(crate) jitter_us: f64,
    pub(crate) outlier_probability: f64,
    pub(crate) outlier_s: f64,
    pub(crate) is_first_late: bool,
    pub(crate) faults: Vec<Fault>,
}

impl Device {
    pub(crate) fn new(hz: u32, clock: DeviceClock, period_frames: u64, jitter_us: f64) -> Self {
        Self {
            hz,
            clock,
            period_frames,
            jitter_us,
            outlier_probability: 0.0,
            outlier_s: 0.010,
            is_first_late: false,
            faults: Vec::new(),
        }
    }

    pub(crate) fn with_outliers(mut self) -> Self {
        self.outlier_probability = 0.001;
        self
    }

    pub(crate) fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }
}

/// One delivery, and when it is there. Times are true seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    pub(crate) position: u64,
    pub(crate) n_frames: u64,
    pub(crate) stamp_s: f64,
    pub(crate) visible_s: f64,
    pub(crate) is_after_break: bool,
    /// Frames that were captured before this delivery and not counted: what its true place is reckoned from.
    pub(crate) uncounted_frames: f64,
}

/// All deliveries of a device, one after the other.
pub(crate) struct Deliveries {
    device: Device,
    random: Random,
    /// Frames captured, by the device's clock.
    captured: u64,
    /// Frames counted: what positions are.
    position: u64,
    last_visible_s: f64,
    last_stamp_s: f64,
    n: u64,
    done: Vec<bool>,
    is_after_break: bool,
}

impl Deliveries {
    pub(crate) fn new(device: Device, seed: u64) -> Self {
        let done = vec![false; device.faults.len()];
        Self {
            device,
            random: Random::new(seed),
            captured: 0,
            position: 0,
            last_visible_s: 0.0,
            last_stamp_s: 0.0,
            n: 0,
            done,
            is_after_break: false,
        }
    }

    pub(crate) fn next(&mut self) -> Delivery {
        let hz = f64::from(self.device.hz);
        let mut period = self.device.period_frames;
        let mut jitter_us = self.device.jitter_us;
        let mut hold_until_s = 0.0;
        let mut is_stamped_late = false;
        let (mut is_twin, mut back_s) = (false, 0.0);
        for at in 0..self.device.faults.len() {
            let t_s = self.device.clock.time_of(self.captured as f64 / hz);
            let mut once = |at_s: f64| {
                !self.done[at] && t_s >= at_s && {
                    self.done[at] = true;
                    true
                }
            };
            match self.device.faults[at] {
                Fault::Stall { at_s, for_s } | Fault::StampedStall { at_s, for_s }
                    if t_s >= at_s && t_s < at_s + for_s =>
                {
                    hold_until_s = at_s + for_s;
                    is_stamped_late = matches!(self.device.faults[at], Fault::StampedStall { .. });
                }
                Fault::Unplug { at_s, for_s } if once(at_s) => {
                    // A device starts its next period when it comes back.
                    self.captured += (for_s * hz) as u64;
                    self.is_after_break = true;
                }
                Fault::Suspend { at_s, for_s } if once(at_s) => self.captured += (for_s * hz) as u64,
                Fault::Loss { at_s, n_frames } if once(at_s) => self.captured += n_frames,
                Fault::Gap { at_s, n_frames } if once(at_s) => {
                    self.captured += n_frames;
                    self.position += n_frames;
                }
                Fault::Recount { at_s } if once(at_s) => self.position = 0,
                Fault::Twins { from_s, to_s } if t_s >= from_s && t_s < to_s => is_twin = self.n % 2 == 1,
                Fault::Backwards { from_s, to_s, by_s } if t_s >= from_s && t_s < to_s => {
                    back_s = if self.random.uniform() < 0.01 { by_s } else { 0.0 };
                }
                Fault::Jitter { from_s, sigma_us } if t_s >= from_s => jitter_us = sigma_us,
                Fault::Period { from_s, period_frames } if t_s >= from_s => period = period_frames,
                _ => {}
            }
        }
        let first_s = self.device.clock.time_of(self.captured as f64 / hz);
        let mut error_s = self.random.normal() * jitter_us * 1e-6;
        let is_outlier =
            self.random.uniform() < self.device.outlier_probability || (self.n == 0 && self.device.is_first_late);
        if is_outlier {
            error_s += self.device.outlier_s;
        }
        let full_s = self.device.clock.time_of((self.captured + period) as f64 / hz);
        let visible_s = (full_s + error_s).max(self.last_visible_s).max(hold_until_s);
        let mut stamp_s = first_s + error_s - back_s;
        if is_stamped_late {
            stamp_s = visible_s - (full_s - first_s);
        }
        if is_twin {
            stamp_s = self.last_stamp_s;
        }
        let delivery = Delivery {
            position: self.position,
            n_frames: period,
            stamp_s,
            visible_s,
            is_after_break: std::mem::take(&mut self.is_after_break),
            uncounted_frames: self.captured as f64 - self.position as f64,
        };
        self.last_visible_s = visible_s;
        self.last_stamp_s = stamp_s;
        self.captured += period;
        self.position += period;
        self.n += 1;
        delivery
    }
}

/// Xorshift64*, seeded by splitmix64 (Vigna, ACM TOMS 42, 2016), and normal numbers of it by the polar method.
pub(crate) struct Random {
    state: u64,
    spare: Option<f64>,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self { state: (z ^ (z >> 31)) | 1, spare: None }
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let r = x * x + y * y;
            if r > 0.0 && r < 1.0 {
                let scale = (-2.0 * r.ln() / r).sqrt();
                self.spare = Some(y * scale);
                return x * scale;
            }
        }
    }
}
