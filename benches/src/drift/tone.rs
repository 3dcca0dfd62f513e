//! A tone as a device with a wrong clock hears it, in double precision: the sound that goes in must be cleaner than what is
//! looked for in the sound that comes out.

use std::f64::consts::TAU;

use ra_engine::sources::{Delivery, Pacer};

/// Fills `period` with a tone of `hz`, which must be whole, sampled at the true times of the delivery's frames.
pub(super) fn sample_tone(pacer: &Pacer, delivery: &Delivery, hz: u32, amplitude: f64, period: &mut Vec<f32>) {
    let n = u64::from(delivery.n_frames);
    let at = |frame: u64| pacer.time_of_frame(delivery.position.0 + frame).seconds_since(delivery.captured);
    // Through three exact times: within a period of some milliseconds no clock of this bench bends by more than 1e-16 s.
    let (half, middle_s, end_s) = (n / 2, at(n / 2), at(n));
    let (x_half, x_end) = (half as f64, n as f64);
    let bend = (end_s / x_end - middle_s / x_half) / (x_end - x_half);
    let slope = end_s / x_end - bend * x_end;
    let hz = f64::from(hz);
    // A whole frequency has the same phase at every whole second.
    let begin = delivery.captured.frac_s() * hz;
    period.clear();
    period.extend((0..n).map(|frame| {
        let x = frame as f64;
        let turns = begin + (slope * x + bend * x * x) * hz;
        (amplitude * (TAU * turns.fract()).sin()) as f32
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_core::SampleRate;
    use ra_engine::sources::{ClockModel, PacedConfig};

    #[test]
    fn every_sample_is_the_rooms_at_its_true_time() {
        let clock = ClockModel { ppm: 50.0, thermal_ppm: 10.0, ..ClockModel::PERFECT };
        let config = PacedConfig { clock, jitter_us: 200.0, room_origin_ns: Some(7), ..PacedConfig::default() };
        let mut pacer = Pacer::new(&config, SampleRate::HZ_48000, 12_345).unwrap();
        let mut period = Vec::new();
        for _ in 0..1000 {
            let delivery = pacer.next_delivery();
            sample_tone(&pacer, &delivery, 18_000, 0.5, &mut period);
            for (n, &sample) in period.iter().enumerate() {
                let t = pacer.time_of_frame(delivery.position.0 + n as u64);
                let expected = 0.5 * (TAU * (t.frac_s() * 18_000.0).fract()).sin();
                assert!((f64::from(sample) - expected).abs() < 6e-8, "{sample} {expected}");
            }
        }
    }
}
