//! Which of our channels, in WAV's order, is which of a Vorbis or Opus stream.

/// By the number of channels less one: for each channel of the stream that of ours. Ours are ordered as WAV's speakers
/// are, for six of them left, right, centre, low frequencies, back left, back right; the streams' as the Vorbis I
/// specification says (section 4.3.9), which RFC 7845 (section 5.1.1.2) takes over.
pub(super) const VORBIS_FROM_WAV: [&[u8]; 8] = [
    &[0],
    &[0, 1],
    &[0, 2, 1],
    &[0, 1, 2, 3],
    &[0, 2, 1, 3, 4],
    &[0, 2, 1, 4, 5, 3],
    &[0, 2, 1, 5, 6, 4, 3],
    &[0, 2, 1, 6, 7, 4, 5, 3],
];
