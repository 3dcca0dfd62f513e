//! What an Icecast sink is told, checked once. Opens nothing but the file of certificates.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use ra_core::{Metadata, SinkError, StreamSpec};
use ra_dsp::BitDepth;

use super::mount_url::MountUrl;
use super::password::Password;
use super::text::{MOST_HEADER_BYTES, clean};
use crate::encode::{Codec, EncoderConfig, make_encoder};

/// What the sound is packed into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamCodec {
    /// Opus in Ogg.
    #[default]
    Opus,
    /// FLAC in Ogg, 24 bits. Feature `flac`.
    Flac,
    /// Vorbis in Ogg. Feature `vorbis`.
    Vorbis,
    /// MP3. Feature `mp3`.
    Mp3,
}

impl StreamCodec {
    /// The word that a config has for it.
    pub const fn name(self) -> &'static str {
        match self {
            StreamCodec::Opus => "opus",
            StreamCodec::Flac => "flac",
            StreamCodec::Vorbis => "vorbis",
            StreamCodec::Mp3 => "mp3",
        }
    }

    /// Whether this build has it.
    pub const fn is_built_in(self) -> bool {
        self.encoded_as().is_built_in()
    }

    pub(super) const fn encoded_as(self) -> Codec {
        match self {
            StreamCodec::Opus => Codec::Opus,
            StreamCodec::Flac => Codec::OggFlac,
            StreamCodec::Vorbis => Codec::Vorbis,
            StreamCodec::Mp3 => Codec::Mp3,
        }
    }

    /// Whether its size is told; else it is what it comes to.
    pub(super) const fn has_bitrate(self) -> bool {
        !matches!(self, StreamCodec::Flac)
    }

    /// Whether tags stand in the stream itself; else the server is told them by URL.
    pub(super) const fn carries_tags(self) -> bool {
        !matches!(self, StreamCodec::Mp3)
    }
}

/// What becomes of the sound of an outage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnReconnect {
    /// It is dropped: listeners are as near to live as before.
    #[default]
    Live,
    /// Up to `queue_ms` of it are kept and played out first, and then what comes: listeners miss less, and are later by it.
    Resume,
}

/// What a server tells people about the stream. Each up to 250 bytes; control characters become spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Station {
    /// The station's name.
    pub name: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What it plays.
    pub genre: Option<String>,
    /// Its web site.
    pub url: Option<String>,
    /// Whether directories may list it. Default: no.
    pub is_public: bool,
}

/// Settings of an Icecast sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcecastConfig {
    /// Server and mount.
    pub url: MountUrl,
    /// Default: `source`, as Icecast has it.
    pub user: String,
    /// Never shown.
    pub password: Password,
    /// Default: Opus.
    pub codec: StreamCodec,
    /// The target of Opus, Vorbis and MP3 in kbit/s for all channels together. FLAC has none. Default: 128.
    pub bitrate_kbps: u32,
    /// What the server tells of it.
    pub station: Station,
    /// The metadata to begin with. Default: none.
    pub metadata: Metadata,
    /// Default: live.
    pub on_reconnect: OnReconnect,
    /// How much encoded sound may wait for the network, in milliseconds. 1,000 to 60,000; default 10,000.
    pub queue_ms: u32,
    /// How long the server may acknowledge nothing before the connection counts as lost, in milliseconds. 500 to 60,000;
    /// default 4,000.
    pub stall_ms: u32,
    /// How long an attempt to connect may take, name and TLS and answer included, in milliseconds. 200 to 60,000; default
    /// 2,000.
    pub connect_timeout_ms: u32,
    /// Certificates (PEM) that are trusted beside the system's own.
    pub tls_ca_file: Option<PathBuf>,
    /// Of the jitter between attempts. Default: another one at every start.
    pub jitter_seed: Option<u64>,
}

/// Bounds of [`IcecastConfig::queue_ms`].
const QUEUE_RANGE_MS: RangeInclusive<u32> = 1_000..=60_000;
/// Bounds of [`IcecastConfig::stall_ms`].
const STALL_RANGE_MS: RangeInclusive<u32> = 500..=60_000;
/// Bounds of [`IcecastConfig::connect_timeout_ms`].
const CONNECT_RANGE_MS: RangeInclusive<u32> = 200..=60_000;

impl IcecastConfig {
    /// Opus at 128 kbit/s to `url` as the user `source`.
    pub fn new(url: MountUrl, password: Password) -> Self {
        Self {
            url,
            user: "source".to_owned(),
            password,
            codec: StreamCodec::default(),
            bitrate_kbps: 128,
            station: Station::default(),
            metadata: Metadata::default(),
            on_reconnect: OnReconnect::default(),
            queue_ms: 10_000,
            stall_ms: 4_000,
            connect_timeout_ms: 2_000,
            tls_ca_file: None,
            jitter_seed: None,
        }
    }

    /// Whether blocks of `spec` can be encoded as it says.
    ///
    /// # Errors
    /// [`SinkError::Setting`]: a rate, a channel count or a bit rate that the codec can't carry; a codec that this build
    /// lacks.
    pub fn check_spec(&self, spec: StreamSpec) -> Result<(), SinkError> {
        make_encoder(&self.encoder(), spec).map(drop).map_err(|error| setting("codec", error.to_string()))
    }

    pub(super) fn encoder(&self) -> EncoderConfig {
        EncoderConfig { codec: self.codec.encoded_as(), bitrate_kbps: self.bitrate_kbps, bits: BitDepth::S24 }
    }

    /// Everything but what depends on the format of the blocks. Gives the station's words fit for headers.
    pub(super) fn checked(mut self) -> Result<Self, SinkError> {
        if self.user.is_empty() || self.user.contains(':') || self.user.chars().any(char::is_control) {
            return Err(setting("user", format!("{:?}, expected a name without a colon", self.user)));
        }
        if !self.password.is_usable() {
            return Err(setting("password", "empty or with control characters in it, expected a password".to_owned()));
        }
        if !self.codec.is_built_in() {
            let codec = self.codec.encoded_as();
            let message = format!("{} is not built in: feature \"{}\"", codec.name(), codec.feature());
            return Err(setting("codec", message));
        }
        if self.url.is_tls() && !cfg!(feature = "tls") {
            return Err(setting("url", "https is not built in: feature \"tls\"".to_owned()));
        }
        for (what, ms, range) in [
            ("queue_ms", self.queue_ms, QUEUE_RANGE_MS),
            ("stall_ms", self.stall_ms, STALL_RANGE_MS),
            ("connect_timeout_ms", self.connect_timeout_ms, CONNECT_RANGE_MS),
        ] {
            if !range.contains(&ms) {
                return Err(setting(what, format!("{ms} ms, expected {} to {} ms", range.start(), range.end())));
            }
        }
        let Station { name, description, genre, url, .. } = &mut self.station;
        for (what, text) in [("name", name), ("description", description), ("genre", genre), ("url", url)] {
            let Some(text) = text else { continue };
            let (cleaned, has_changed) = clean(text, MOST_HEADER_BYTES);
            if has_changed {
                log::warn!("{}: the station's {what} was cut or cleaned to {cleaned:?}", self.url);
            }
            *text = cleaned;
        }
        Ok(self)
    }
}

/// A setting that makes no sense.
pub(super) fn setting(what: &str, message: String) -> SinkError {
    SinkError::Setting { what: what.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> IcecastConfig {
        IcecastConfig::new("http://localhost:8000/live.ogg".parse().unwrap(), Password::new("hackme"))
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_was_expected() {
        let refused = |change: fn(&mut IcecastConfig)| {
            let mut config = config();
            change(&mut config);
            let error = config.checked().unwrap_err();
            assert!(error.is_fatal());
            error.to_string()
        };
        assert_eq!(refused(|config| config.queue_ms = 999), "queue_ms: 999 ms, expected 1000 to 60000 ms");
        assert_eq!(refused(|config| config.stall_ms = 0), "stall_ms: 0 ms, expected 500 to 60000 ms");
        let message = refused(|config| config.connect_timeout_ms = 60_001);
        assert_eq!(message, "connect_timeout_ms: 60001 ms, expected 200 to 60000 ms");
        assert_eq!(refused(|config| config.user = "a:b".into()), "user: \"a:b\", expected a name without a colon");
        assert!(
            refused(|config| config.password = Password::new("a\nb")).starts_with("password: empty or with control")
        );
        if !StreamCodec::Mp3.is_built_in() {
            let message = refused(|config| config.codec = StreamCodec::Mp3);
            assert_eq!(message, "codec: MP3 is not built in: feature \"mp3\"");
        }
    }

    #[test]
    fn the_stations_words_are_made_fit_for_headers_and_the_password_stays_hidden() {
        let mut config = config();
        config.station.name = Some("Radio\r\nIce-Public: 1".into());
        let config = config.checked().unwrap();
        assert_eq!(config.station.name.as_deref(), Some("Radio Ice-Public: 1"));
        assert!(!format!("{config:?}").contains("hackme"));
    }

    #[test]
    fn a_format_that_the_codec_cannot_carry_is_found_before_anything_starts() {
        let stereo = StreamSpec::new(48_000, 2).unwrap();
        assert!(config().check_spec(stereo).is_ok());
        let error = config().check_spec(StreamSpec::new(48_000, 200).unwrap()).unwrap_err();
        assert!(error.is_fatal() && error.to_string().starts_with("codec: "), "{error}");
    }
}
