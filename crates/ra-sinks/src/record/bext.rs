//! The chunk that makes a WAV file a broadcast wave file (EBU Tech 3285, version 2): who recorded it, when, and where on a
//! day's time line. Writes nothing anywhere.

use ra_core::SinkStart;

use super::origin;

/// Bytes of the chunk's fixed fields; a coding history, which we leave empty, would follow.
const BODY_BYTES: usize = 602;
/// What a loudness field that is not used holds (Tech 3285, section 2.3).
const NOT_USED: [u8; 2] = 0x7FFFu16.to_le_bytes();

/// The chunk with its header.
///
/// Date, time and the time reference are those of the first frame, in UTC; the standard leaves the zone open. The time
/// reference counts frames since midnight, as the standard says; the place on the mix timeline, which began with the
/// engine, is in the description.
pub(super) fn encode(start: &SinkStart) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + BODY_BYTES);
    out.extend(b"bext");
    out.extend((BODY_BYTES as u32).to_le_bytes());
    push_text(&mut out, 256, &origin::describe(start)); // Description
    push_text(&mut out, 32, concat!("ra ", env!("CARGO_PKG_VERSION"))); // Originator
    push_text(&mut out, 32, ""); // OriginatorReference
    let (date, time) = origin::utc(start.unix_ns)
        .map_or_else(Default::default, |t| (t.strftime("%Y-%m-%d").to_string(), t.strftime("%H:%M:%S").to_string()));
    push_text(&mut out, 10, &date); // OriginationDate
    push_text(&mut out, 8, &time); // OriginationTime
    out.extend(origin::frames_since_midnight(start).to_le_bytes()); // TimeReferenceLow, TimeReferenceHigh
    out.extend(2u16.to_le_bytes()); // Version
    out.extend([0; 64]); // UMID: none
    out.extend(NOT_USED.repeat(5)); // loudness value, range, true peak, momentary, short term
    out.resize(8 + BODY_BYTES, 0); // Reserved
    out
}

/// ASCII in a field of `n_bytes`, cut off or filled up with zeros.
fn push_text(out: &mut Vec<u8>, n_bytes: usize, text: &str) {
    let ascii = text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c as u8 } else { b'?' });
    let end = out.len() + n_bytes;
    out.extend(ascii.take(n_bytes));
    out.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use ra_core::{FramePosition, StreamSpec};

    use super::*;

    #[test]
    fn every_field_stands_where_the_standard_wants_it() {
        let start = SinkStart {
            name: "Zoë\n".repeat(80),
            spec: StreamSpec::new(96_000, 2).unwrap(),
            block_frames: 128,
            position: FramePosition(5),
            unix_ns: 1_795_256_130_000_000_000,
            unix_minus_monotonic_ns: None,
        };
        let chunk = encode(&start);
        assert_eq!(&chunk[..8], b"bext\x5a\x02\0\0");
        let body = &chunk[8..];
        assert_eq!(body.len(), 602);
        assert!(body[..256].starts_with(b"Zo??Zo??") && body[..256].is_ascii());
        assert!(body[256..288].starts_with(b"ra 0"));
        assert_eq!(&body[320..338], b"2026-11-2110:15:30");
        assert_eq!(u64::from_le_bytes(body[338..346].try_into().unwrap()), (10 * 3600 + 15 * 60 + 30) * 96_000);
        assert_eq!(body[346..348], [2, 0]);
        assert_eq!(body[412..422], [0xFF, 0x7F, 0xFF, 0x7F, 0xFF, 0x7F, 0xFF, 0x7F, 0xFF, 0x7F]);
    }
}
