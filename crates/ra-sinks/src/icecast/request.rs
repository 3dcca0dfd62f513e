//! The bytes of a request: a source that wants a mount, and a song that has changed. Sends nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ra_core::{Metadata, StreamSpec};

use super::config::IcecastConfig;
use super::text::percent_encoded;

/// What the server is told it is talking to.
const USER_AGENT: &str = concat!("ra/", env!("CARGO_PKG_VERSION"));

/// How a source asks for its mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    /// HTTP/1.1, as Icecast has it since 2.4.
    #[default]
    Put,
    /// What Icecast had before.
    Source,
}

impl Method {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Method::Put => "PUT",
            Method::Source => "SOURCE",
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Method::Put => Method::Source,
            Method::Source => Method::Put,
        }
    }
}

/// Asks for the mount.
pub(super) fn source_request(config: &IcecastConfig, method: Method, content_type: &str, spec: StreamSpec) -> Vec<u8> {
    let url = &config.url;
    let version = match method {
        Method::Put => "HTTP/1.1",
        Method::Source => "HTTP/1.0",
    };
    let mut lines = vec![
        format!("{} {} {version}", method.name(), url.mount()),
        format!("Host: {}", url.authority()),
        format!("Authorization: {}", authorization(config)),
        format!("User-Agent: {USER_AGENT}"),
        format!("Content-Type: {content_type}"),
    ];
    let station = &config.station;
    let words = [
        ("Ice-Name", &station.name),
        ("Ice-Description", &station.description),
        ("Ice-Genre", &station.genre),
        ("Ice-URL", &station.url),
    ];
    for (name, value) in words {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            lines.push(format!("{name}: {value}"));
        }
    }
    lines.push(format!("Ice-Public: {}", u8::from(station.is_public)));
    let (rate_hz, channels) = (spec.sample_rate.hz(), spec.channels.get());
    let mut info = format!("ice-samplerate={rate_hz};ice-channels={channels}");
    if config.codec.has_bitrate() {
        info.push_str(&format!(";ice-bitrate={}", config.bitrate_kbps));
        lines.push(format!("Ice-Bitrate: {}", config.bitrate_kbps));
    }
    lines.push(format!("Ice-Audio-Info: {info}"));
    if method == Method::Put {
        lines.push("Expect: 100-continue".to_owned());
    }
    finished(lines)
}

/// Tells the server what is playing, for streams that have no place for tags.
pub(super) fn song_request(config: &IcecastConfig, song: &str) -> Vec<u8> {
    let (url, song) = (&config.url, percent_encoded(song));
    let mount = percent_encoded(url.mount());
    finished(vec![
        format!("GET /admin/metadata?mount={mount}&mode=updinfo&charset=UTF-8&song={song} HTTP/1.0"),
        format!("Host: {}", url.authority()),
        format!("Authorization: {}", authorization(config)),
        format!("User-Agent: {USER_AGENT}"),
    ])
}

/// Artist and title as one line.
pub(super) fn song_line(metadata: &Metadata) -> String {
    match (metadata.artist.as_deref(), metadata.title.as_deref()) {
        (Some(artist), Some(title)) => format!("{artist} - {title}"),
        (one, other) => one.or(other).unwrap_or_default().to_owned(),
    }
}

fn authorization(config: &IcecastConfig) -> String {
    format!("Basic {}", credentials(config))
}

/// User and password as Basic authentication has them (RFC 7617), in UTF-8.
pub(super) fn credentials(config: &IcecastConfig) -> String {
    BASE64.encode(format!("{}:{}", config.user, config.password.reveal()))
}

fn finished(lines: Vec<String>) -> Vec<u8> {
    let mut text = lines.join("\r\n");
    text.push_str("\r\n\r\n");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::password::Password;
    use super::*;

    fn config() -> IcecastConfig {
        IcecastConfig::new("http://radio.example:8000/live.ogg".parse().unwrap(), Password::new("hackme"))
    }

    #[test]
    fn a_source_asks_in_both_ways() {
        let mut config = config();
        config.station.name = Some("Grüße".to_owned());
        config.station.genre = Some(String::new());
        let spec = StreamSpec::new(48_000, 2).unwrap();
        let text = String::from_utf8(source_request(&config, Method::Put, "audio/ogg", spec)).unwrap();
        assert!(text.starts_with("PUT /live.ogg HTTP/1.1\r\nHost: radio.example:8000\r\n"), "{text}");
        assert!(text.contains("\r\nAuthorization: Basic c291cmNlOmhhY2ttZQ==\r\n"), "{text}");
        assert!(text.contains("\r\nContent-Type: audio/ogg\r\nIce-Name: Grüße\r\nIce-Public: 0\r\n"), "{text}");
        assert!(text.contains("\r\nIce-Audio-Info: ice-samplerate=48000;ice-channels=2;ice-bitrate=128\r\n"), "{text}");
        assert!(text.ends_with("\r\nExpect: 100-continue\r\n\r\n"), "{text}");
        config.codec = super::super::config::StreamCodec::Flac;
        let text = String::from_utf8(source_request(&config, Method::Source, "audio/ogg", spec)).unwrap();
        assert!(text.starts_with("SOURCE /live.ogg HTTP/1.0\r\n"), "{text}");
        assert!(!text.contains("Expect") && !text.contains("bitrate"), "{text}");
    }

    #[test]
    fn a_request_with_everything_in_it_at_its_longest_fits_into_icecasts_buffer() {
        let long = |n: usize| Some("ä".repeat(n / 2));
        let mut config = config();
        let n = super::super::text::MOST_HEADER_BYTES;
        config.station = super::super::config::Station {
            name: long(n),
            description: long(n),
            genre: long(n),
            url: long(n),
            is_public: true,
        };
        config.password = Password::new("p".repeat(200));
        let spec = StreamSpec::new(48_000, 2).unwrap();
        assert!(source_request(&config, Method::Put, "audio/ogg", spec).len() < 4096);
        let most = super::super::text::MOST_TAG_BYTES;
        let metadata = Metadata { title: long(most), artist: long(most), ..Metadata::default() };
        assert!(song_request(&config, &song_line(&metadata)).len() < 4096);
    }

    #[test]
    fn a_song_is_told_in_utf_8() {
        let mut metadata = Metadata::default();
        assert_eq!(song_line(&metadata), "");
        metadata.title = Some("Hoppípolla".to_owned());
        assert_eq!(song_line(&metadata), "Hoppípolla");
        metadata.artist = Some("Sigur Rós".to_owned());
        let text = String::from_utf8(song_request(&config(), &song_line(&metadata))).unwrap();
        let path =
            "/admin/metadata?mount=%2Flive.ogg&mode=updinfo&charset=UTF-8&song=Sigur%20R%C3%B3s%20-%20Hopp%C3%ADpolla";
        assert!(text.starts_with(&format!("GET {path} HTTP/1.0\r\n")), "{text}");
    }
}
