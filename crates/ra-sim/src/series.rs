//! Offsets over time, for plots. Draws nothing.

/// Offsets of every source at regular times.
#[derive(Clone, Debug)]
pub struct OffsetSeries {
    /// Seconds between two samples, at least; they stand on the blocks at or behind these times.
    pub every_s: f64,
    /// When each sample was taken, on the mix timeline, in seconds.
    pub time_s: Vec<f64>,
    /// From capture to the mix point at these times, in microseconds.
    pub latency_us: Vec<f64>,
    /// One list for each source, as long as `time_s`; in microseconds, NaN where the source was silent.
    pub offset_us: Vec<Vec<f32>>,
}

impl OffsetSeries {
    pub(crate) fn new(every_s: f64, n_sources: usize) -> Self {
        Self { every_s, time_s: Vec::new(), latency_us: Vec::new(), offset_us: vec![Vec::new(); n_sources] }
    }

    /// Takes the offsets of the block at `time_s`, if it is time for a sample.
    pub(crate) fn take(&mut self, time_s: f64, latency_us: f64, offset_us: &[Option<f64>]) {
        if time_s < self.time_s.len() as f64 * self.every_s {
            return;
        }
        self.time_s.push(time_s);
        self.latency_us.push(latency_us);
        for (list, offset_us) in self.offset_us.iter_mut().zip(offset_us) {
            list.push(offset_us.map_or(f32::NAN, |us| us as f32));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_at_regular_times() {
        let mut series = OffsetSeries::new(0.1, 2);
        for block in 0..100 {
            series.take(f64::from(block) * 0.04, 20_000.0, &[Some(f64::from(block)), None]);
        }
        assert_eq!(series.time_s.len(), 40); // 0 to 3.9 s
        assert_eq!(series.latency_us, [20_000.0; 40]);
        assert_eq!(series.offset_us[0][..3], [0.0, 3.0, 5.0]);
        assert!(series.offset_us[1].iter().all(|us| us.is_nan()));
    }
}
