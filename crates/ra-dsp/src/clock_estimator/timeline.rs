//! The arithmetic between frames, nominal time and stamps: whole numbers until the difference is small.

use ra_core::SampleRate;

const NS_PER_S: i64 = 1_000_000_000;

/// Where a delivery begins on the source's timeline, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamp {
    pub(super) position: u64,
    pub(super) ns: u64,
}

/// A nominal rate, in Hz.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    hz: u32,
}

impl Timeline {
    pub(super) const fn new(rate: SampleRate) -> Self {
        Self { hz: rate.hz() }
    }

    pub(super) fn hz(self) -> f64 {
        f64::from(self.hz)
    }

    /// Nominal seconds from one position to another.
    pub(super) fn nominal_s(self, from: u64, to: u64) -> f64 {
        to.wrapping_sub(from) as i64 as f64 / self.hz()
    }

    /// Nominal nanoseconds from one position to another: whole ones, rounded down, and the rest.
    pub(super) fn nominal_ns(self, from: u64, to: u64) -> (i64, f64) {
        let frames = to.wrapping_sub(from) as i64;
        let hz = i64::from(self.hz);
        match frames.checked_mul(NS_PER_S) {
            Some(product) => (product.div_euclid(hz), product.rem_euclid(hz) as f64 / self.hz()),
            // Days at once: rare, and slower by far.
            None => {
                let (product, hz) = (i128::from(frames) * i128::from(NS_PER_S), i128::from(hz));
                (product.div_euclid(hz) as i64, product.rem_euclid(hz) as f64 / self.hz())
            }
        }
    }

    /// Nanoseconds from one stamp to another.
    pub(super) fn ns_between(from: u64, to: u64) -> f64 {
        to.wrapping_sub(from) as i64 as f64
    }

    /// How much later `stamp` came behind `first` than the nominal rate lets it, in us.
    pub(super) fn late_us(self, first: Stamp, stamp: Stamp) -> f64 {
        let (whole_ns, rest_ns) = self.nominal_ns(first.position, stamp.position);
        let passed_ns = stamp.ns.wrapping_sub(first.ns) as i64;
        (passed_ns.wrapping_sub(whole_ns) as f64 - rest_ns) * 1e-3
    }
}
