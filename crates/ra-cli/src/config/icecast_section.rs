//! `[[sink]]` of kind `icecast`: a stream to a mount. Reads no password, and repeats none that stands where it should not.

use ra_engine::SOURCE_BUS_PREFIX;
use ra_engine::sinks::{MountUrl, OnReconnect, Station, StreamCodec};

use super::metadata_section::read_metadata;
use super::model::{IcecastEntry, PasswordPlace, SourceEntry, SourceKind};
use super::problem::Findings;
use super::table_reader::{At, TableReader, clip};

/// Keys that belong to `kind = "icecast"`.
pub(super) const ICECAST_KEYS: [&str; 14] = [
    "url",
    "user",
    "password_env",
    "password_file",
    "codec",
    "bitrate_kbps",
    "station",
    "metadata",
    "metadata_from",
    "on_reconnect",
    "queue_ms",
    "stall_ms",
    "connect_timeout_ms",
    "tls_ca_file",
];
/// Keys that other programs have, and what to write instead.
const ELSEWHERE: [(&str, &str); 3] = [
    (
        "password",
        "must not stand in a config: put it into an environment variable (password_env) or a file (password_file)",
    ),
    ("mount", "is the path in url, as in http://localhost:8000/live.ogg"),
    ("host", "is in url, as in http://localhost:8000/live.ogg"),
];

/// Reads the keys of an Icecast sink.
pub(super) fn read(table: &mut TableReader<'_, '_>) -> Option<IcecastEntry> {
    for (key, why) in ELSEWHERE {
        table.refuse(&[key], why);
    }
    let url = read_url(table);
    let user = read_user(table);
    let password = read_password(table);
    let (codec, codec_offset) = read_codec(table);
    let bitrate_kbps = read_bitrate(table, codec);
    let station = read_station(table);
    let metadata = read_metadata(table, "a table such as { title = \"Studio 1\" }").unwrap_or_default();
    let metadata_from = table.string("metadata_from", "\"source:NAME\", a source of kind file");
    let rules = [("live", OnReconnect::Live), ("resume", OnReconnect::Resume)];
    let on_reconnect = table.choice("on_reconnect", &rules).map_or(OnReconnect::Live, |rule| rule.value);
    let mut milliseconds = |key, bounds| {
        let value = table.integer(key, bounds, "(milliseconds)");
        value.and_then(|ms| u32::try_from(ms.value).ok())
    };
    let queue_ms = milliseconds("queue_ms", 1_000..=60_000).unwrap_or(10_000);
    let stall_ms = milliseconds("stall_ms", 500..=60_000).unwrap_or(4_000);
    let connect_timeout_ms = milliseconds("connect_timeout_ms", 200..=60_000).unwrap_or(2_000);
    let tls_ca_file = table.string("tls_ca_file", "the path of a file of certificates (PEM)");
    let tls_ca_file = tls_ca_file.map(|path| At { value: path.value.into(), offset: path.offset });
    Some(IcecastEntry {
        url: url?,
        user,
        password: password?,
        codec,
        codec_offset,
        bitrate_kbps,
        station,
        metadata,
        metadata_from,
        on_reconnect,
        queue_ms,
        stall_ms,
        connect_timeout_ms,
        tls_ca_file,
    })
}

fn read_url(table: &mut TableReader<'_, '_>) -> Option<At<MountUrl>> {
    let expected = "http:// or https://, a host, and a mount: \"http://localhost:8000/live.ogg\"";
    let Some(text) = table.string("url", expected) else {
        table.missing("url", expected);
        return None;
    };
    match text.value.parse() {
        Ok(url) => Some(At { value: url, offset: text.offset }),
        Err(cause) => {
            // What stands there is not repeated: it may hold a password.
            table.error(text.offset, format_args!("url is no URL of a mount: {cause}; expected {expected}"));
            None
        }
    }
}

fn read_user(table: &mut TableReader<'_, '_>) -> String {
    let expected = "a name without a colon, such as \"source\"";
    match table.string("user", expected) {
        Some(user) if user.value.is_empty() || user.value.contains(|c: char| c == ':' || c.is_control()) => {
            table.error(user.offset, format_args!("user is no user's name, expected {expected}"));
            user.value
        }
        Some(user) => user.value,
        None => "source".to_owned(),
    }
}

fn read_password(table: &mut TableReader<'_, '_>) -> Option<At<PasswordPlace>> {
    let variable = table.secret_string("password_env", "the name of an environment variable");
    let file = table.secret_string("password_file", "the path of a file with the password");
    match (variable, file) {
        (Some(_), Some(file)) => {
            table.error(file.offset, "password_file and password_env are both there, expected one of them");
            None
        }
        (Some(variable), None) => {
            let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let begins_well = !variable.value.starts_with(|c: char| c.is_ascii_digit());
            if variable.value.is_empty() || !begins_well || !variable.value.chars().all(is_name) {
                let message = "password_env is no name of an environment variable, expected capital letters, digits and _; \
                               the password itself does not belong here";
                table.error(variable.offset, message);
                return None;
            }
            Some(At { value: PasswordPlace::Variable(variable.value), offset: variable.offset })
        }
        (None, Some(file)) => Some(At { value: PasswordPlace::File(file.value.into()), offset: file.offset }),
        (None, None) => {
            if !table.has("password_env") && !table.has("password_file") {
                let message = "password_env is missing, expected the name of an environment variable that holds the password, \
                               or password_file with the path of a file";
                table.error(table.offset(), message);
            }
            None
        }
    }
}

fn read_codec(table: &mut TableReader<'_, '_>) -> (StreamCodec, usize) {
    let codecs = [StreamCodec::Opus, StreamCodec::Flac, StreamCodec::Vorbis, StreamCodec::Mp3];
    let Some(codec) = table.choice("codec", &codecs.map(|codec| (codec.name(), codec))) else {
        return (StreamCodec::Opus, table.offset());
    };
    if !codec.value.is_built_in() {
        let there: Vec<_> = codecs.iter().filter(|codec| codec.is_built_in()).map(|codec| codec.name()).collect();
        let (name, there) = (codec.value.name(), there.join(", "));
        let message = format!("codec is {name:?}, which this build of ra lacks; it has {there}");
        table.error(codec.offset, message);
    }
    (codec.value, codec.offset)
}

fn read_bitrate(table: &mut TableReader<'_, '_>, codec: StreamCodec) -> u32 {
    let value = table.integer("bitrate_kbps", 6..=512, "(kbit/s)");
    if let (Some(value), StreamCodec::Flac) = (&value, codec) {
        table.warning(value.offset, "bitrate_kbps has no effect: FLAC takes what the sound needs");
    }
    value.and_then(|kbps| u32::try_from(kbps.value).ok()).unwrap_or(128)
}

fn read_station(table: &mut TableReader<'_, '_>) -> Station {
    let mut station = Station::default();
    let Some(mut words) = table.table("station", "a table such as { name = \"Radio\", genre = \"Talk\" }") else {
        return station;
    };
    let mut text = |key| words.string(key, "a text").map(|text| text.value);
    station.name = text("name");
    station.description = text("description");
    station.genre = text("genre");
    station.url = text("url");
    station.is_public = words.boolean("public").unwrap_or(false);
    words.finish();
    station
}

/// A server takes one source for a mount at a time: a second stream is refused while the first is there.
pub(super) fn check_mounts<'e>(findings: &Findings, streams: impl Iterator<Item = (&'e str, &'e IcecastEntry)>) {
    let mut seen: Vec<(&MountUrl, &str)> = Vec::new();
    for (sink, entry) in streams {
        let url = &entry.url.value;
        match seen.iter().find(|(known, _)| *known == url) {
            Some((_, other)) => findings.warning(
                entry.url.offset,
                format!("sink {sink:?}: url is {url}, as that of sink {other:?}: a server takes one of them at a time"),
            ),
            None => seen.push((url, sink)),
        }
    }
}

/// Tags come from a file.
pub(super) fn check_metadata_from(findings: &Findings, sink: &str, from: &At<String>, sources: &[&SourceEntry]) {
    let name = from.value.strip_prefix(SOURCE_BUS_PREFIX);
    let source = name.and_then(|name| sources.iter().find(|source| source.config.name == name));
    let expected = "expected \"source:NAME\" of a source of kind file";
    let shown = clip(&from.value);
    match source {
        Some(source) if matches!(source.kind, SourceKind::File(_)) => {}
        Some(_) => {
            findings
                .error(from.offset, format!("sink {sink:?}: metadata_from is {shown:?}, which is no file, {expected}"));
        }
        None => findings.error(from.offset, format!("sink {sink:?}: metadata_from is {shown:?}, {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{SinkKind, parse_config};
    use super::*;

    const BEGIN: &str = "[[source]]\nname = \"a\"\nkind = \"mock\"\n[[sink]]\nname = \"s\"\nkind = \"icecast\"\n";
    const WHOLE: &str = "url = \"http://h:8000/live.ogg\"\npassword_env = \"P\"\n";

    fn errors(lines: &str) -> String {
        match parse_config(Path::new("ra.toml"), format!("{BEGIN}{lines}").as_bytes()) {
            Err(error) => error.to_string(),
            Ok(config) => panic!("no error: {config:?}"),
        }
    }

    #[test]
    fn the_documented_example_is_understood() {
        let lines = "url = \"https://radio.example/live.ogg\"\nuser = \"me\"\npassword_file = \"secret\"\ncodec = \"opus\"\n\
                     bitrate_kbps = 96\nmetadata = { title = \"Studio 1\", artist = \"é\" }\non_reconnect = \"resume\"\n\
                     station = { name = \"Radio\", public = true }\nqueue_ms = 20000\nstall_ms = 3000\n\
                     connect_timeout_ms = 5000\ntls_ca_file = \"ca.pem\"\n";
        let config = parse_config(Path::new("ra.toml"), format!("{BEGIN}{lines}").as_bytes()).unwrap();
        let SinkKind::Icecast(entry) = &config.sinks[0].kind else { panic!("{config:?}") };
        assert_eq!(entry.url.value.to_string(), "https://radio.example:443/live.ogg");
        assert_eq!(entry.password.value, PasswordPlace::File("secret".into()));
        assert_eq!((entry.user.as_str(), entry.bitrate_kbps, entry.on_reconnect), ("me", 96, OnReconnect::Resume));
        assert_eq!((entry.queue_ms, entry.stall_ms, entry.connect_timeout_ms), (20_000, 3_000, 5_000));
        assert!(entry.station.is_public && entry.metadata.title.as_deref() == Some("Studio 1"));
        let least = parse_config(Path::new("ra.toml"), format!("{BEGIN}{WHOLE}").as_bytes()).unwrap();
        let SinkKind::Icecast(entry) = &least.sinks[0].kind else { panic!("{least:?}") };
        assert_eq!((entry.user.as_str(), entry.bitrate_kbps, entry.codec), ("source", 128, StreamCodec::Opus));
        assert_eq!((entry.queue_ms, entry.stall_ms, entry.connect_timeout_ms), (10_000, 4_000, 2_000));
    }

    #[test]
    fn two_streams_to_one_mount_are_warned_of() {
        let other = "[[sink]]\nname = \"t\"\nkind = \"icecast\"\npassword_env = \"P\"\n";
        let warnings = |url: &str| {
            let text = format!("{BEGIN}{WHOLE}{other}url = \"{url}\"\n");
            let config = parse_config(Path::new("ra.toml"), text.as_bytes()).unwrap();
            config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            warnings("http://h:8000/live.ogg"),
            [
                "ra.toml:13:7: sink \"t\": url is http://h:8000/live.ogg, as that of sink \"s\": a server takes one of them at a time"
            ]
        );
        assert!(warnings("http://h:8000/other.ogg").is_empty() && warnings("http://i:8000/live.ogg").is_empty());
    }

    #[test]
    fn a_password_in_the_config_is_refused_and_not_repeated() {
        for (lines, at, hint) in [
            (
                "password = \"hackme\"\nurl = \"http://h/x\"\npassword_env = \"P\"",
                "7:1",
                "password must not stand in a config",
            ),
            ("url = \"http://source:hackme@h/x\"\npassword_env = \"P\"", "7:7", "that is what user and password_env"),
            ("url = \"http://h/x\"\npassword_env = \"hackme\"", "8:16", "the password itself does not belong here"),
            ("url = \"http://h/x\"\npassword_env = 31337", "8:16", "is no string, expected the name of an environment"),
            (
                "url = \"http://h/x\"\npassword_file = 3133.7",
                "8:17",
                "is no string, expected the path of a file with the",
            ),
            (
                "url = \"http://h/x\"\nuser = \"source:hackme\"\npassword_env = \"P\"",
                "8:8",
                "expected a name without a colon",
            ),
        ] {
            let text = errors(lines);
            assert!(text.starts_with(&format!("ra.toml:{at}: sink \"s\": ")) && text.contains(hint), "{text}");
            assert!(!text.contains("hackme") && !text.contains("313"), "{text}");
        }
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_told_with_its_line() {
        assert_eq!(
            errors(""),
            "ra.toml:4:1: sink \"s\": url is missing, expected http:// or https://, a host, and a mount: \
             \"http://localhost:8000/live.ogg\"\n\
             ra.toml:4:1: sink \"s\": password_env is missing, expected the name of an environment variable that holds the \
             password, or password_file with the path of a file"
        );
        for (line, at, message) in [
            ("queue_ms = 10", "9:12", "queue_ms is 10, expected a whole number from 1000 to 60000 (milliseconds)"),
            ("stall_ms = 0", "9:12", "stall_ms is 0, expected a whole number from 500 to 60000 (milliseconds)"),
            ("codec = \"aac\"", "9:9", "codec is \"aac\", expected \"opus\", \"flac\", \"vorbis\" or \"mp3\""),
            ("bitrate_kbps = 5", "9:16", "bitrate_kbps is 5, expected a whole number from 6 to 512 (kbit/s)"),
            ("on_reconnect = \"skip\"", "9:16", "on_reconnect is \"skip\", expected \"live\" or \"resume\""),
            ("metadata = { titel = \"x\" }", "9:14", "metadata: unknown key titel; did you mean title?"),
            ("password_file = \"p\"", "9:17", "password_file and password_env are both there, expected one of them"),
            ("mount = \"/x\"", "9:1", "mount is the path in url, as in http://localhost:8000/live.ogg"),
            ("path = \"x.wav\"", "9:1", "path belongs to kind = \"record\""),
            (
                "metadata_from = \"source:a\"",
                "9:17",
                "metadata_from is \"source:a\", which is no file, expected \"source:NAME\" of a source of kind file",
            ),
            (
                "metadata_from = \"b\"",
                "9:17",
                "metadata_from is \"b\", expected \"source:NAME\" of a source of kind file",
            ),
        ] {
            assert_eq!(errors(&format!("{WHOLE}{line}")), format!("ra.toml:{at}: sink \"s\": {message}"));
        }
    }
}
