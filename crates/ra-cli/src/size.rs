//! Sizes as people write them in a config: `512MB`, `1.5GiB`. Knows no file.

/// The largest size that is taken, in bytes: no disk has as much.
const MOST_BYTES: f64 = 1e18;

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no size, expected a number and a unit such as 512MB, 1.5GB or 2GiB")]
pub struct SizeError {
    /// What was given.
    pub text: String,
}

/// Reads a number of bytes with a unit: `kB`, `MB`, `GB` and `TB` are powers of 1000, `KiB`, `MiB`, `GiB` and `TiB` of 1024.
///
/// # Errors
/// [`SizeError`] where there is no unit, where the number is no positive number, and beyond 10^18 bytes.
///
/// # Examples
/// ```
/// assert_eq!(ra_cli::parse_size("512MB")?, 512_000_000);
/// assert!(ra_cli::parse_size("512").is_err());
/// # Ok::<(), ra_cli::SizeError>(())
/// ```
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let error = || SizeError { text: text.to_owned() };
    let trimmed = text.trim();
    let unit_at = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
    let (number, unit) = trimmed.split_at(unit_at);
    let unit_bytes = match unit.trim_start() {
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(error()),
    };
    let bytes = (number.parse::<f64>().map_err(|_| error())? * unit_bytes).round();
    if !(1.0..=MOST_BYTES).contains(&bytes) {
        return Err(error());
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_mean_what_their_standard_says() {
        for (text, bytes) in [
            ("512MB", 512_000_000),
            ("1.5 GB", 1_500_000_000),
            ("2GiB", 2 << 30),
            ("100 kB", 100_000),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "512", "MB", "-1MB", "0MB", "0.0000001kB", "1e3MB", "1mb", "1Mb", "1.2.3MB", "9999999999TB", "infMB"]
        {
            let error = parse_size(text).unwrap_err().to_string();
            assert!(error.ends_with("expected a number and a unit such as 512MB, 1.5GB or 2GiB"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,20}") {
            let _ = parse_size(&text);
        }
    }
}
