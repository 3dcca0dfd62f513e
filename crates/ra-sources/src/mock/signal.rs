//! What can sound in the simulated room, and what of it makes sense. Computes no sample.

use ra_core::{SampleRate, SourceError, StreamSpec};

/// A sound in the room: a pure function of true time. Two sources with the same signal hear the same sound at the same
/// true time, whatever their clocks do.
///
/// `dbfs` is the peak of a tone, sweep or impulse and the RMS of noise; negative infinity is silence.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Signal {
    /// Nothing.
    Silence,
    /// `sin(2π·hz·t)`, exact to 1e-6 of full scale in amplitude and phase for months.
    Tone {
        /// Frequency, below half the rate.
        hz: f64,
        /// Peak.
        dbfs: f64,
    },
    /// Band-limited impulses, the first with its peak at time 0.
    Impulses {
        /// From one to the next, seconds; at least 1 ms.
        every_s: f64,
        /// Peak.
        dbfs: f64,
    },
    /// Gaussian noise, white up to 0.42 of the band's rate and gone at half of it.
    Noise {
        /// RMS.
        dbfs: f64,
    },
    /// A logarithmic sweep that repeats; its phase is continuous where it starts again.
    Sweep {
        /// Frequency at its beginning, below half the rate.
        from_hz: f64,
        /// Frequency at its end, below half the rate.
        to_hz: f64,
        /// Duration, seconds.
        s: f64,
        /// Peak.
        dbfs: f64,
    },
    /// Two channels of Gaussian noise with a set correlation, each with independent noise on top.
    Pair {
        /// Correlation of the two, −1 to 1, before `noise_dbfs` is added.
        correlation: f64,
        /// RMS of the correlated noise in each channel.
        dbfs: f64,
        /// RMS of the independent noise in each channel.
        noise_dbfs: f64,
    },
}

impl Signal {
    /// The level of impulses where none is given: −6 dBFS.
    pub const IMPULSES_DBFS: f64 = -6.0;

    /// The default of a synthetic source: 1 kHz at −20 dBFS.
    pub const DEFAULT: Signal = Signal::Tone { hz: 1_000.0, dbfs: -20.0 };

    /// Checks the numbers against the format and the room's band.
    pub(crate) fn check(&self, spec: StreamSpec, band_rate: SampleRate) -> Result<(), SourceError> {
        let nyquist_hz = f64::from(spec.sample_rate.hz()) / 2.0;
        match *self {
            Signal::Silence => Ok(()),
            Signal::Tone { hz, dbfs } => {
                frequency("signal.hz", hz, nyquist_hz)?;
                level("signal.dbfs", dbfs)
            }
            Signal::Impulses { every_s, dbfs } => {
                within("signal.every_s", every_s, 1e-3, 1e6)?;
                level("signal.dbfs", dbfs)?;
                band(spec, band_rate)
            }
            Signal::Noise { dbfs } => {
                level("signal.dbfs", dbfs)?;
                band(spec, band_rate)
            }
            Signal::Sweep { from_hz, to_hz, s, dbfs } => {
                frequency("signal.from_hz", from_hz, nyquist_hz)?;
                frequency("signal.to_hz", to_hz, nyquist_hz)?;
                within("signal.s", s, 1e-3, 1e6)?;
                level("signal.dbfs", dbfs)
            }
            Signal::Pair { correlation, dbfs, noise_dbfs } => {
                within("signal.correlation", correlation, -1.0, 1.0)?;
                level("signal.dbfs", dbfs)?;
                level("signal.noise_dbfs", noise_dbfs)?;
                if spec.channels.get() != 2 {
                    return fault("signal", format!("a pair in {}, expected 2 channels", spec.channels));
                }
                band(spec, band_rate)
            }
        }
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Signal::Silence => f.write_str("silence"),
            Signal::Tone { hz, dbfs } => write!(f, "tone of {hz} Hz at {dbfs} dBFS"),
            Signal::Impulses { every_s, dbfs } => write!(f, "impulses every {every_s} s at {dbfs} dBFS"),
            Signal::Noise { dbfs } => write!(f, "noise at {dbfs} dBFS"),
            Signal::Sweep { from_hz, to_hz, s, dbfs } => {
                write!(f, "sweep from {from_hz} to {to_hz} Hz in {s} s at {dbfs} dBFS")
            }
            Signal::Pair { correlation, dbfs, noise_dbfs } => {
                write!(f, "pair of correlation {correlation} at {dbfs} dBFS with noise at {noise_dbfs} dBFS")
            }
        }
    }
}

/// The linear amplitude of a level; 0 for negative infinity.
pub(crate) fn lin(dbfs: f64) -> f64 {
    10f64.powf(dbfs / 20.0)
}

fn fault(what: &str, message: String) -> Result<(), SourceError> {
    Err(SourceError::Setting { what: what.to_owned(), message })
}

fn frequency(what: &str, hz: f64, nyquist_hz: f64) -> Result<(), SourceError> {
    if hz > 0.0 && hz < nyquist_hz {
        return Ok(());
    }
    fault(what, format!("{hz} Hz, expected more than 0 and less than {nyquist_hz} Hz, half the sample rate"))
}

fn level(what: &str, dbfs: f64) -> Result<(), SourceError> {
    if dbfs <= 60.0 { Ok(()) } else { fault(what, format!("{dbfs} dBFS, expected at most 60 dBFS")) }
}

fn within(what: &str, value: f64, low: f64, high: f64) -> Result<(), SourceError> {
    if (low..=high).contains(&value) { Ok(()) } else { fault(what, format!("{value}, expected {low} to {high}")) }
}

fn band(spec: StreamSpec, band_rate: SampleRate) -> Result<(), SourceError> {
    if band_rate <= spec.sample_rate {
        return Ok(());
    }
    fault("band_rate", format!("{band_rate}, expected at most the source's own {}", spec.sample_rate))
}
