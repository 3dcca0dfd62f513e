//! Places on a source's timeline and in monotonic time, to less than a frame and less than a nanosecond. Computes no
//! clock.

/// Where the sound of a source stands: a whole frame and the part of one behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SourcePosition {
    /// The frame, on the source's own timeline; negative before its first one.
    pub frame: i64,
    /// From 0 to below 1.
    pub fraction: f64,
}

impl SourcePosition {
    /// Frames from `frame` to here.
    pub fn frames_since(self, frame: i64) -> f64 {
        self.frame.wrapping_sub(frame) as f64 + self.fraction
    }

    /// Frames from `earlier` to here.
    pub fn frames_from(self, earlier: SourcePosition) -> f64 {
        self.frame.wrapping_sub(earlier.frame) as f64 + (self.fraction - earlier.fraction)
    }
}

/// A monotonic time to less than a nanosecond.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SourceTime {
    /// Whole monotonic nanoseconds; negative before the clock's own zero.
    pub ns: i64,
    /// From 0 to below 1.
    pub fraction_ns: f64,
}

impl SourceTime {
    /// Nanoseconds from `ns` to here.
    pub fn ns_since(self, ns: u64) -> f64 {
        self.ns.wrapping_sub(ns as i64) as f64 + self.fraction_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_small_numbers_though_the_places_are_large() {
        let place = SourcePosition { frame: 1 << 60, fraction: 0.25 };
        assert_eq!(place.frames_since((1 << 60) - 3), 3.25);
        assert_eq!(place.frames_from(SourcePosition { frame: (1 << 60) + 2, fraction: 0.75 }), -2.5);
        assert_eq!(SourceTime { ns: 1 << 60, fraction_ns: 0.5 }.ns_since((1 << 60) + 1), -0.5);
    }
}
