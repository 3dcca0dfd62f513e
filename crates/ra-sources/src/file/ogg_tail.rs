//! Looks at the end of an Ogg file: whether it is one stream or several joined end to end. Reads at most one page's size.

use std::io::{self, Read, Seek, SeekFrom};

/// The most bytes that an Ogg page may have (RFC 3533, section 6).
const MAX_PAGE_BYTES: u64 = 65_307;

/// Whether the file's last page belongs to stream `serial`. In a chained file it belongs to another: every stream has its
/// own serial number (RFC 3533, section 4).
pub(crate) fn ends_with_stream(file: &mut (impl Read + Seek), file_len: u64, serial: u32) -> io::Result<bool> {
    let from = file_len.saturating_sub(MAX_PAGE_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::with_capacity(MAX_PAGE_BYTES as usize);
    file.take(MAX_PAGE_BYTES).read_to_end(&mut tail)?;
    // The serial number stands 14 bytes into the page's header.
    let last = tail.windows(18).rfind(|page| page.starts_with(b"OggS"));
    Ok(last.is_some_and(|page| page[14..18] == serial.to_le_bytes()))
}
