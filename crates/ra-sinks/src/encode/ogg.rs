//! Packets into Ogg pages of one logical stream at a time (RFC 3533). Knows no codec.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use ogg::{PacketWriteEndInfo, PacketWriter};

/// What a packet is to its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageEnd {
    /// Others follow on the same page.
    No,
    /// The page ends behind it.
    Page,
    /// The page and the logical stream end behind it.
    Stream,
}

/// A serial number for a logical stream.
pub(super) fn random_serial() -> u32 {
    // The standard library's keys for hash maps are the randomness that needs no clock and no further crate.
    RandomState::new().build_hasher().finish() as u32
}

/// Where packets become pages. Each logical stream has a serial number of its own: recordings and streams that are laid
/// end to end must differ in them.
pub(super) struct OggStream {
    writer: PacketWriter<'static, Vec<u8>>,
    serial: u32,
}

impl OggStream {
    /// Starts at a random serial number, as RFC 3533 (section 4) asks.
    pub(super) fn new() -> Self {
        Self { writer: PacketWriter::new(Vec::new()), serial: random_serial() }
    }

    /// Begins another logical stream.
    pub(super) fn begin(&mut self) {
        self.serial = self.serial.wrapping_add(1);
        self.writer = PacketWriter::new(Vec::new());
    }

    /// The same logical stream with other pages behind the first `n_pages`, which are made and thrown away.
    pub(super) fn fork(&self, n_pages: u32) -> Self {
        let mut fork = Self { writer: PacketWriter::new(Vec::new()), serial: self.serial };
        (0..n_pages).for_each(|_| fork.push(Vec::new(), 0, PageEnd::Page));
        fork.take();
        fork
    }

    /// Adds a packet. `granule` is the place behind it, in the codec's own count.
    pub(super) fn push(&mut self, packet: Vec<u8>, granule: u64, end: PageEnd) {
        let end = match end {
            PageEnd::No => PacketWriteEndInfo::NormalPacket,
            PageEnd::Page => PacketWriteEndInfo::EndPage,
            PageEnd::Stream => PacketWriteEndInfo::EndStream,
        };
        let written = self.writer.write_packet(packet, self.serial, end, granule);
        debug_assert!(written.is_ok(), "writing into memory does not fail");
    }

    /// The bytes of the pages that were completed since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.inner_mut())
    }
}
