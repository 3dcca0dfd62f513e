//! Decibels to linear gain and back. Amplitude, not power.

/// The gain of `db` decibels: `10^(db/20)`. Negative infinity gives 0.
///
/// # Real-time safety
/// Wait-free, no allocation.
pub fn db_to_lin(db: f32) -> f32 {
    10f64.powf(f64::from(db) / 20.0) as f32
}

/// The decibels of an amplitude: `20·log10(|lin|)`. Zero gives negative infinity.
///
/// # Real-time safety
/// Wait-free, no allocation.
pub fn lin_to_db(lin: f32) -> f32 {
    (20.0 * f64::from(lin.abs()).log10()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_marks_on_a_fader_are_where_they_belong() {
        assert_eq!(db_to_lin(0.0), 1.0);
        assert!((db_to_lin(-6.0206) - 0.5).abs() < 1e-6);
        assert!((db_to_lin(20.0) - 10.0).abs() < 1e-5);
        assert_eq!(db_to_lin(f32::NEG_INFINITY), 0.0);
        assert_eq!(lin_to_db(0.0), f32::NEG_INFINITY);
        assert!((lin_to_db(-0.5) + 6.0206).abs() < 1e-4);
    }

    proptest! {
        #[test]
        fn there_and_back(db in -120.0f32..60.0) {
            prop_assert!((lin_to_db(db_to_lin(db)) - db).abs() < 1e-4);
        }
    }
}
