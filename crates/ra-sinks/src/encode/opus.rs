//! Opus in Ogg (RFC 7845): packets of 20 ms, pages of 60 ms, beginning and end cut to the frame. Writes no file.

use opus::{Application, Bitrate, MSEncoder};
use ra_core::{FramePosition, Metadata, SampleRate, StreamSpec};

use super::{
    Codec, EncodeError, Encoder, Page,
    channel_order::VORBIS_FROM_WAV,
    extrapolate::extrapolate,
    ogg::{OggStream, PageEnd},
    rate_converter::RateConverter,
    told_frames::ToldFrames,
    vorbis_comment,
};

/// Granule positions count at this rate, whatever the codec is given.
const GRANULE_HZ: u64 = 48_000;
/// The rates that the codec takes.
const CODEC_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
/// 20 ms.
const PACKET_GRANULES: u64 = 960;
/// A page lasts 60 ms. Longer ones save 1 % of the bytes; but what a page is waiting for is lost in a kill.
const PACKETS_PER_PAGE: u32 = 3;
/// What a following logical stream cuts off at its beginning, with the codec's own look-ahead: 80 ms, which RFC 7845
/// (section 4.2) gives a decoder to settle. It is the sound before the seam. Whole packets, because ffmpeg forgets what is
/// left to cut when it comes to the last packet.
const SEAM_PRE_SKIP: u64 = 3840;
/// The most that one stream of a packet of 20 ms takes, with its length in front.
const MAX_STREAM_BYTES: usize = 1277;
/// So much silence goes through the resampler and the codec before the codec is taken to be still, in seconds: the resampler
/// holds two at most. In the last of them all packets have to be the same.
const SETTLING_S: u64 = 3;
const PACKETS_PER_SECOND: u64 = GRANULE_HZ / PACKET_GRANULES;
/// A page of nothing but the same packet lasts as long as its 255 segments let it, in whole seconds.
const STILL_SECONDS_PER_PAGE: u64 = 255 / PACKETS_PER_SECOND - 1;
/// Frames that are encoded at once while the codec settles.
const SETTLING_FRAMES: u64 = 4800;
const MIN_KBPS_PER_CHANNEL: u32 = 6;
const MAX_KBPS_PER_CHANNEL: u32 = 255;

/// How channels go into the coded streams.
struct Layout {
    streams: u8,
    coupled: u8,
    /// For each channel of the Ogg stream the decoded channel that it is (RFC 7845, section 5.1.1).
    mapping: &'static [u8],
}

const LAYOUTS: [Layout; 8] = [
    Layout { streams: 1, coupled: 0, mapping: &[0] },
    Layout { streams: 1, coupled: 1, mapping: &[0, 1] },
    Layout { streams: 2, coupled: 1, mapping: &[0, 2, 1] },
    Layout { streams: 2, coupled: 2, mapping: &[0, 1, 2, 3] },
    Layout { streams: 3, coupled: 2, mapping: &[0, 4, 1, 2, 3] },
    Layout { streams: 4, coupled: 2, mapping: &[0, 4, 1, 2, 3, 5] },
    Layout { streams: 4, coupled: 3, mapping: &[0, 4, 1, 2, 3, 5, 6] },
    Layout { streams: 5, coupled: 3, mapping: &[0, 6, 1, 2, 3, 4, 5, 7] },
];

/// Encodes Ogg/Opus.
pub(crate) struct OpusEncoder {
    spec: StreamSpec,
    bitrate_kbps: u32,
    layout: &'static Layout,
    converter: RateConverter,
    /// Granules in one frame at the codec's rate.
    granules_per_frame: u64,
    codec_rate: SampleRate,
    ogg: OggStream,
    stream: Option<LogicalStream>,
    /// The end of the last logical stream, at the codec's rate.
    tail: Vec<f32>,
    finite: Vec<f32>,
}

/// One logical stream under way.
struct LogicalStream {
    encoder: MSEncoder,
    pre_skip: u64,
    /// At the codec's rate: what fills no packet yet.
    pending: Vec<f32>,
    /// Frames at the codec's rate behind the pre-skip that were taken.
    taken_frames: u64,
    /// Input frames.
    frames: ToldFrames,
    granule: u64,
    /// The first page has one packet alone: the sooner there is sound in a file, the better.
    n_packets_in_page: u32,
    /// Frames of silence that were taken since the last sound.
    silent_frames: u64,
    last_packet: Vec<u8>,
    /// Packets before it that were the same.
    n_same_packets: u64,
}

impl OpusEncoder {
    pub(crate) fn new(spec: StreamSpec, bitrate_kbps: u32) -> Result<Self, EncodeError> {
        let channels = spec.channels.get();
        let unsupported = |actual, expected| EncodeError::Unsupported { codec: Codec::Opus.name(), actual, expected };
        let Some(layout) = LAYOUTS.get(channels - 1) else {
            return Err(unsupported(format!("{channels} channels"), format!("at most {}", LAYOUTS.len())));
        };
        let range = MIN_KBPS_PER_CHANNEL * channels as u32..=MAX_KBPS_PER_CHANNEL * channels as u32;
        if !range.contains(&bitrate_kbps) {
            return Err(unsupported(
                format!("{bitrate_kbps} kbit/s for {channels} channels"),
                format!("{} to {}", range.start(), range.end()),
            ));
        }
        let hz = spec.sample_rate.hz();
        let codec_rate = if CODEC_HZ.contains(&hz) { spec.sample_rate } else { SampleRate::HZ_48000 };
        let converter = RateConverter::new(channels, spec.sample_rate, codec_rate).map_err(library)?;
        Ok(Self {
            spec,
            bitrate_kbps,
            layout,
            converter,
            granules_per_frame: GRANULE_HZ / u64::from(codec_rate.hz()),
            codec_rate,
            ogg: OggStream::new(),
            stream: None,
            tail: Vec::new(),
            finite: Vec::new(),
        })
    }

    fn make_codec(&self) -> Result<MSEncoder, EncodeError> {
        // By telling the codec which of our channels each of the stream's is, nothing has to be moved.
        let from_wav = VORBIS_FROM_WAV[self.layout.mapping.len() - 1];
        let mut mapping = [0; LAYOUTS.len()];
        for (&coded, &ours) in self.layout.mapping.iter().zip(from_wav) {
            mapping[usize::from(ours)] = coded;
        }
        let mapping = &mapping[..self.layout.mapping.len()];
        let (streams, coupled) = (self.layout.streams, self.layout.coupled);
        let mut codec =
            MSEncoder::new(self.codec_rate.hz(), streams, coupled, mapping, Application::Audio).map_err(library)?;
        codec.set_bitrate(Bitrate::Bits((self.bitrate_kbps * 1000) as i32)).map_err(library)?;
        Ok(codec)
    }

    /// `OpusHead` (RFC 7845, section 5.1).
    fn head(&self, pre_skip: u64) -> Vec<u8> {
        let channels = self.layout.mapping.len() as u8;
        let mut out = b"OpusHead\x01".to_vec();
        out.push(channels);
        out.extend((pre_skip as u16).to_le_bytes());
        out.extend(self.spec.sample_rate.hz().to_le_bytes());
        out.extend(0i16.to_le_bytes()); // no gain
        if channels <= 2 {
            out.push(0);
        } else {
            out.extend([1, self.layout.streams, self.layout.coupled]);
            out.extend(self.layout.mapping);
        }
        out
    }

    /// The last page of a stream without a sound, as it could follow the headers, which were made: libsndfile refuses a
    /// file of headers alone.
    pub(crate) fn end_of_nothing(&self) -> Result<Vec<u8>, EncodeError> {
        let Some(stream) = &self.stream else { return Err(not_started()) };
        let mut codec = self.make_codec()?;
        let mut ogg = self.ogg.fork(2);
        let silence = vec![0.0; self.samples_of(PACKET_GRANULES)];
        let n_packets = stream.pre_skip.div_ceil(PACKET_GRANULES);
        for n in 1..=n_packets {
            let end = if n == n_packets { PageEnd::Stream } else { PageEnd::No };
            let packet = codec.encode_vec_float(&silence, MAX_STREAM_BYTES * usize::from(self.layout.streams));
            ogg.push(packet.map_err(library)?, stream.pre_skip, end);
        }
        Ok(ogg.take())
    }

    /// Encodes every whole packet of what is pending.
    fn drain(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let packet_samples = self.samples_of(PACKET_GRANULES);
        let Some(stream) = &mut self.stream else { return Err(not_started()) };
        let whole = stream.pending.len() / packet_samples * packet_samples;
        for at in (0..whole).step_by(packet_samples) {
            let packet = stream.encode_packet(at..at + packet_samples, self.layout.streams)?;
            stream.n_packets_in_page += 1;
            let end = if stream.n_packets_in_page == PACKETS_PER_PAGE { PageEnd::Page } else { PageEnd::No };
            self.ogg.push(packet, stream.granule, end);
            if end == PageEnd::Page {
                pages.push(stream.end_page(&mut self.ogg, self.spec.sample_rate));
            }
        }
        stream.pending.drain(..whole);
        Ok(())
    }

    fn take(&mut self, interleaved: &[f32], pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let tail_samples = self.samples_of(SEAM_PRE_SKIP);
        let Some(stream) = &mut self.stream else { return Err(not_started()) };
        let before = stream.pending.len();
        self.converter.push(interleaved, &mut stream.pending).map_err(library)?;
        let channels = self.spec.channels.get();
        stream.taken_frames += ((stream.pending.len() - before) / channels) as u64;
        stream.frames.take((interleaved.len() / channels) as u64);
        keep_last(&mut self.tail, &stream.pending[before..], tail_samples);
        self.drain(pages)
    }

    /// As [`Encoder::encode_silence`] at a small part of its cost: as soon as the codec gives the same packet again and again,
    /// whole seconds of that packet go into long pages.
    pub(crate) fn encode_long_silence(&mut self, n_frames: u64, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let rate = self.spec.sample_rate;
        let mut left = n_frames;
        while left > 0 {
            let n_seconds = left / u64::from(rate.hz());
            match &mut self.stream {
                Some(stream) if n_seconds > 0 && stream.is_still(rate) => {
                    let n_seconds = n_seconds.min(STILL_SECONDS_PER_PAGE);
                    pages.push(stream.repeat_packet(n_seconds, &mut self.ogg, self.spec, self.codec_rate));
                    self.converter.skip_seconds(n_seconds);
                    left -= n_seconds * u64::from(rate.hz());
                }
                _ => {
                    let n_now = left.min(SETTLING_FRAMES);
                    self.encode_silence(n_now as usize, pages)?;
                    left -= n_now;
                }
            }
        }
        Ok(())
    }

    /// Samples at the codec's rate that last as long as `granules`.
    fn samples_of(&self, granules: u64) -> usize {
        (granules / self.granules_per_frame) as usize * self.spec.channels.get()
    }
}

impl LogicalStream {
    fn encode_packet(&mut self, samples: std::ops::Range<usize>, streams: u8) -> Result<Vec<u8>, EncodeError> {
        self.granule += PACKET_GRANULES;
        let most_bytes = MAX_STREAM_BYTES * usize::from(streams);
        let packet = self.encoder.encode_vec_float(&self.pending[samples], most_bytes).map_err(library)?;
        self.n_same_packets = if packet == self.last_packet { self.n_same_packets + 1 } else { 0 };
        self.last_packet.clone_from(&packet);
        Ok(packet)
    }

    /// Whether further silence would give the same packet again and again.
    fn is_still(&self, rate: SampleRate) -> bool {
        self.silent_frames >= SETTLING_S * u64::from(rate.hz())
            && self.n_same_packets >= PACKETS_PER_SECOND
            && self.last_packet.len() < 255
    }

    /// A page with the last packet for so many seconds, behind the packets that wait for one. What is pending goes on behind
    /// it: it is silence too.
    fn repeat_packet(&mut self, n_seconds: u64, ogg: &mut OggStream, spec: StreamSpec, codec_rate: SampleRate) -> Page {
        let n_packets = n_seconds * PACKETS_PER_SECOND;
        for n in 1..=n_packets {
            self.granule += PACKET_GRANULES;
            let end = if n == n_packets { PageEnd::Page } else { PageEnd::No };
            ogg.push(self.last_packet.clone(), self.granule, end);
        }
        self.taken_frames += n_seconds * u64::from(codec_rate.hz());
        self.frames.take(n_seconds * u64::from(spec.sample_rate.hz()));
        self.end_page(ogg, spec.sample_rate)
    }

    /// What a page holds that was completed.
    fn end_page(&mut self, ogg: &mut OggStream, rate: SampleRate) -> Page {
        self.n_packets_in_page = 0;
        let there = self.granule.saturating_sub(self.pre_skip);
        let n_frames = u128::from(there) * u128::from(rate.hz()) / u128::from(GRANULE_HZ);
        Page { bytes: ogg.take(), n_frames: self.frames.tell(n_frames as u64) }
    }
}

impl Encoder for OpusEncoder {
    fn headers(&mut self, tags: &Metadata) -> Result<Vec<u8>, EncodeError> {
        let mut encoder = self.make_codec()?;
        let look_ahead = encoder.get_lookahead().map_err(library)? as u64 * self.granules_per_frame;
        // What came before, where something did: the decoder of this stream settles on it.
        let excess = self.tail.len().saturating_sub(self.samples_of(SEAM_PRE_SKIP - look_ahead));
        let pending = self.tail.split_off(excess);
        let pre_roll = (pending.len() / self.spec.channels.get()) as u64 * self.granules_per_frame;
        let pre_skip = look_ahead + pre_roll;
        self.tail.clone_from(&pending);
        self.stream = Some(LogicalStream {
            encoder,
            pre_skip,
            pending,
            taken_frames: 0,
            frames: ToldFrames::default(),
            granule: 0,
            n_packets_in_page: PACKETS_PER_PAGE - 1,
            silent_frames: 0,
            last_packet: Vec::new(),
            n_same_packets: 0,
        });
        self.ogg.begin();
        self.ogg.push(self.head(pre_skip), 0, PageEnd::Page);
        let mut comments = b"OpusTags".to_vec();
        comments.extend(vorbis_comment::comments(opus::version(), tags, &[]));
        self.ogg.push(comments, 0, PageEnd::Page);
        Ok(self.ogg.take())
    }

    fn encode(
        &mut self,
        _position: FramePosition,
        interleaved: &[f32],
        pages: &mut Vec<Page>,
    ) -> Result<u64, EncodeError> {
        if let Some(stream) = &mut self.stream {
            stream.silent_frames = 0;
        }
        // One NaN would stay in the codec's filters.
        self.finite.clear();
        self.finite.extend_from_slice(interleaved);
        ra_dsp::replace_non_finite(&mut self.finite);
        let finite = std::mem::take(&mut self.finite);
        let taken = self.take(&finite, pages);
        self.finite = finite;
        taken.map(|()| 0)
    }

    fn encode_silence(&mut self, n_frames: usize, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        if let Some(stream) = &mut self.stream {
            stream.silent_frames += n_frames as u64;
        }
        self.take(&vec![0.0; n_frames * self.spec.channels.get()], pages)
    }

    fn finish(&mut self, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
        let channels = self.spec.channels.get();
        let tail_samples = self.samples_of(SEAM_PRE_SKIP);
        let packet_samples = self.samples_of(PACKET_GRANULES);
        let Some(stream) = &mut self.stream else { return Err(not_started()) };
        let before = stream.pending.len();
        self.converter.complete(&mut stream.pending).map_err(library)?;
        stream.taken_frames += ((stream.pending.len() - before) / channels) as u64;
        keep_last(&mut self.tail, &stream.pending[before..], tail_samples);
        let end = stream.pre_skip + stream.taken_frames * self.granules_per_frame;
        // The codec gives the last frames only behind further ones. The granule position of the last page cuts them off (RFC 7845, section 4.4).
        let coded = stream.granule + (stream.pending.len() / channels) as u64 * self.granules_per_frame;
        let wanted = end.next_multiple_of(PACKET_GRANULES);
        let padding = (wanted.saturating_sub(coded) / self.granules_per_frame) as usize;
        stream.pending.extend(extrapolate(&self.tail, channels, padding));
        // All but the last packet as ever, the last one with the mark.
        let last = stream.pending.split_off(stream.pending.len() - packet_samples);
        self.drain(pages)?;
        let Some(mut stream) = self.stream.take() else { return Err(not_started()) };
        stream.pending = last;
        let packet = stream.encode_packet(0..packet_samples, self.layout.streams)?;
        self.ogg.push(packet, end, PageEnd::Stream);
        let n_frames = stream.frames.tell(u64::MAX);
        pages.push(Page { bytes: self.ogg.take(), n_frames });
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        "application/ogg"
    }
}

/// Keeps the last `n_samples` of what `kept` and `new` are together.
fn keep_last(kept: &mut Vec<f32>, new: &[f32], n_samples: usize) {
    let new = &new[new.len().saturating_sub(n_samples)..];
    let excess = (kept.len() + new.len()).saturating_sub(n_samples);
    kept.drain(..excess);
    kept.extend_from_slice(new);
}

fn library(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Library { codec: Codec::Opus.name(), message: error.to_string() }
}

const fn not_started() -> EncodeError {
    EncodeError::NotStarted { codec: Codec::Opus.name() }
}
