//! Makes the checksums of Ogg pages right again, so that what was mutated behind them is looked at at all.

/// Bytes of a page's header before its table of segments.
const HEADER_BYTES: usize = 27;

/// Writes the right checksum into every Ogg page that is whole.
pub(crate) fn mend_checksums(bytes: &mut [u8]) {
    let mut at = 0;
    while at + HEADER_BYTES <= bytes.len() {
        if !bytes[at..].starts_with(b"OggS") {
            at += 1;
            continue;
        }
        // RFC 3533, section 6: the number of segments, then the length of each, then what is in them.
        let table = at + HEADER_BYTES;
        let body = table + usize::from(bytes[at + 26]);
        let Some(lengths) = bytes.get(table..body) else { return };
        let end = body + lengths.iter().map(|&length| usize::from(length)).sum::<usize>();
        let Some(page) = bytes.get_mut(at..end) else { return };
        page[22..26].fill(0);
        let checksum = crc(page);
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
        at = end;
    }
}

/// RFC 3533, section 6: polynomial 0x04c11db7, no reflection, from 0.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    })
}
