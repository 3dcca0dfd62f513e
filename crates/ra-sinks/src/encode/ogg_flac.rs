//! FLAC in Ogg, mapping 1.0 (RFC 9639, section 10.1): one FLAC frame to a packet, one packet to a page.

use ra_core::{FramePosition, Metadata, StreamSpec};
use ra_dsp::BitDepth;

use super::{
    EncodeError, Encoder, Page,
    flac::{FlacEncoder, FlacStreamInfo, Last},
    ogg::{OggStream, PageEnd},
};

/// Encodes FLAC frames into Ogg pages.
///
/// One frame is held back, because the last of them marks the end of the stream and nobody knows which that is.
pub(super) struct OggFlacEncoder {
    flac: FlacEncoder,
    ogg: OggStream,
    frames: Vec<Page>,
    held: Option<Page>,
    n_frames: u64,
}

impl OggFlacEncoder {
    pub(super) fn new(spec: StreamSpec, bits: BitDepth) -> Result<Self, EncodeError> {
        let flac = FlacEncoder::new(spec, bits)?;
        Ok(Self { flac, ogg: OggStream::new(), frames: Vec::new(), held: None, n_frames: 0 })
    }

    fn push(&mut self, frame: Page, end: PageEnd, pages: &mut Vec<Page>) {
        self.n_frames += frame.n_frames;
        self.ogg.push(frame.bytes, self.n_frames, end);
        pages.push(Page { bytes: self.ogg.take(), n_frames: frame.n_frames });
    }

    fn pass_on(&mut self, pages: &mut Vec<Page>) {
        for frame in std::mem::take(&mut self.frames) {
            if let Some(held) = self.held.replace(frame) {
                self.push(held, PageEnd::Page, pages);
            }
        }
    }
}

impl Encoder for OggFlacEncoder {
    fn headers(&mut self, tags: &Metadata) -> Result<Vec<u8>, EncodeError> {
        let comments = self.flac.comment_block(tags, Last::Yes)?;
        self.flac.begin();
        self.ogg.begin();
        (self.n_frames, self.held) = (0, None);
        // Mapping version 1.0, one header packet behind this one.
        let mut first = b"\x7fFLAC\x01\x00\x00\x01".to_vec();
        first.extend(self.flac.head(FlacStreamInfo::default()));
        self.ogg.push(first, 0, PageEnd::Page);
        self.ogg.push(comments, 0, PageEnd::Page);
        Ok(self.ogg.take())
    }

    fn encode(
        &mut self,
        position: FramePosition,
        interleaved: &[f32],
        pages: &mut Vec<Page>,
    ) -> Result<u64, EncodeError> {
        let clipped = self.flac.encode(position, interleaved, &mut self.frames)?;
        self.pass_on(pages);
        Ok(clipped)
    }

    fn encode_silence(&mut self, n_frames: usize, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        self.flac.encode_silence(n_frames, &mut self.frames)?;
        self.pass_on(pages);
        Ok(())
    }

    fn finish(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        self.flac.finish(&mut self.frames)?;
        self.pass_on(pages);
        if let Some(last) = self.held.take() {
            self.push(last, PageEnd::Stream, pages);
        }
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "application/ogg"
    }
}
