//! `--gain N=DB`: the gain of one input of a mix.

/// The bounds of a gain, in dB: those of the engine.
const GAIN_DB: std::ops::RangeInclusive<f32> = -120.0..=40.0;

/// The gain of one input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GainArg {
    /// The input, from 1.
    pub input: usize,
    /// Its gain.
    pub gain_db: f32,
}

/// Why a text is no gain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}, expected N=DB: the number of an input from 1, and a gain from -120 to 40 dB, such as 2=-6")]
pub struct GainArgError {
    /// What was given.
    pub text: String,
}

/// Reads `2=-6`, also with `dB` behind it.
///
/// # Errors
/// [`GainArgError`] for everything else.
pub fn parse_gain(text: &str) -> Result<GainArg, GainArgError> {
    let error = || GainArgError { text: text.to_owned() };
    let (input, gain) = text.split_once('=').ok_or_else(error)?;
    let input: usize = input.trim().parse().map_err(|_| error())?;
    let gain = gain.trim();
    let gain = gain.strip_suffix("dB").unwrap_or(gain).trim_end();
    let gain_db: f32 = gain.parse().map_err(|_| error())?;
    if input == 0 || !GAIN_DB.contains(&gain_db) {
        return Err(error());
    }
    Ok(GainArg { input, gain_db })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_are_read_and_all_else_is_explained() {
        assert_eq!(parse_gain("2=-6").unwrap(), GainArg { input: 2, gain_db: -6.0 });
        assert_eq!(parse_gain("1=+0.5dB").unwrap(), GainArg { input: 1, gain_db: 0.5 });
        for bad in ["", "2", "0=1", "-1=1", "a=1", "1=", "1=x", "1=nan", "1=inf", "1=41", "1=-121", "1=2=3"] {
            assert!(parse_gain(bad).unwrap_err().to_string().contains("expected N=DB"), "{bad}");
        }
    }
}
