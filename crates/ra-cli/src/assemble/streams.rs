//! Streams of a config: where the password comes from, and whose titles they show. Connects nothing, prints no password.

use std::io::Read;
use std::path::Path;

use ra_engine::core::{Metadata, Sink, SourceState, Stats, StreamSpec};
use ra_engine::sinks::{IcecastConfig, IcecastSink, Password, StreamCodec};
use ra_engine::sources::{FileConfig, FileSource};
use ra_engine::{MAIN_BUS, SOURCE_BUS_PREFIX};

use super::AssembledSource;
use crate::config::{Config, IcecastEntry, PasswordPlace, SinkKind, SourceKind};

/// A file with a password has no more bytes than this.
const MOST_PASSWORD_BYTES: u64 = 4096;

/// A stream that has connected nothing yet, and what it is; or what is wrong, and where.
pub(super) fn make_stream(
    config: &Config,
    sources: &[AssembledSource],
    from: &str,
    entry: &IcecastEntry,
) -> Result<(Box<dyn Sink>, String), (usize, String)> {
    let base_dir = config.base_dir();
    let password =
        read_password(base_dir, &entry.password.value).map_err(|message| (entry.password.offset, message))?;
    let icecast = IcecastConfig {
        user: entry.user.clone(),
        codec: entry.codec,
        bitrate_kbps: entry.bitrate_kbps,
        station: entry.station.clone(),
        metadata: entry.metadata.clone(),
        on_reconnect: entry.on_reconnect,
        queue_ms: entry.queue_ms,
        stall_ms: entry.stall_ms,
        connect_timeout_ms: entry.connect_timeout_ms,
        tls_ca_file: entry.tls_ca_file.as_ref().map(|path| base_dir.join(&path.value)),
        ..IcecastConfig::new(entry.url.value.clone(), password)
    };
    if let Some(spec) = bus_spec(config, sources, from) {
        icecast.check_spec(spec).map_err(|e| (entry.codec_offset, e.to_string()))?;
    }
    let rate = if entry.codec == StreamCodec::Flac { String::new() } else { format!(" {} kbit/s", entry.bitrate_kbps) };
    let description = format!("icecast to {} ({}{rate})", entry.url.value, entry.codec.name());
    let offset = entry.tls_ca_file.as_ref().map_or(entry.url.offset, |path| path.offset);
    let sink = IcecastSink::new(icecast).map_err(|e| (offset, e.to_string()))?;
    Ok((Box::new(sink), description))
}

/// The format of a bus; `None` for the own one of a device, which is not open yet.
pub(super) fn bus_spec(config: &Config, sources: &[AssembledSource], from: &str) -> Option<StreamSpec> {
    let main = config.engine.main_spec();
    if from == MAIN_BUS {
        return Some(main);
    }
    if let Some(name) = from.strip_prefix(SOURCE_BUS_PREFIX) {
        return sources.iter().find(|source| source.config.name == name)?.bus_spec(main);
    }
    let bus = config.buses.iter().find(|bus| bus.config.name == from)?;
    Some(StreamSpec { channels: bus.config.channels, ..main })
}

fn read_password(base_dir: &Path, place: &PasswordPlace) -> Result<Password, String> {
    let (text, what) = match place {
        PasswordPlace::Variable(name) => {
            let found = std::env::var(name);
            let problem = |cause| format!("password_env names {name}, which {cause}, expected the password in it");
            let text = found.map_err(|cause| match cause {
                std::env::VarError::NotPresent => problem("is not set in this environment"),
                std::env::VarError::NotUnicode(_) => problem("is no UTF-8"),
            })?;
            (text, format!("password_env names {name}, which"))
        }
        PasswordPlace::File(path) => {
            let path = base_dir.join(path);
            let what = format!("password_file is {}, which", path.display());
            let text = read_password_file(&path).map_err(|cause| format!("{what} {cause}"))?;
            (text, what)
        }
    };
    let password = Password::new(text);
    if password.is_usable() {
        Ok(password)
    } else {
        Err(format!("{what} is empty or holds control characters, expected one line with the password"))
    }
}

/// What stands in the file, without the end of its line.
fn read_password_file(path: &Path) -> Result<String, String> {
    let cannot = |cause: std::io::Error| format!("can't be read: {cause}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    warn_if_others_can_read(path, &file);
    let mut text = String::new();
    file.take(MOST_PASSWORD_BYTES + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > MOST_PASSWORD_BYTES {
        return Err(format!("has more than {MOST_PASSWORD_BYTES} bytes, expected a password"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(unix)]
fn warn_if_others_can_read(path: &Path, file: &std::fs::File) {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o004 != 0 {
        log::warn!("{}: everybody on this machine can read this password; `chmod 600` it", path.display());
    }
}

#[cfg(not(unix))]
fn warn_if_others_can_read(_path: &Path, _file: &std::fs::File) {}

/// Streams that show the titles of files: from when the file starts until it ends.
#[derive(Debug, Default)]
pub(crate) struct Titles {
    streams: Vec<Title>,
}

#[derive(Debug)]
struct Title {
    sink: String,
    source: String,
    /// What is said while the source plays.
    playing: Metadata,
    /// What is said otherwise.
    idle: Metadata,
    is_playing: bool,
}

impl Titles {
    /// Reads the tags of the files that a config's streams name.
    pub(crate) fn of(config: &Config) -> Self {
        let titles = config.sinks.iter().filter_map(|sink| {
            let SinkKind::Icecast(entry) = &sink.kind else { return None };
            let source = entry.metadata_from.as_ref()?.value.strip_prefix(SOURCE_BUS_PREFIX)?;
            let found = config.sources.iter().find(|known| known.config.name == source)?;
            let SourceKind::File(file) = &found.kind else { return None };
            let path = config.base_dir().join(&file.path.value);
            let playing = FileSource::open(FileConfig::new(path)).map(|file| file.metadata()).unwrap_or_default();
            if playing.is_empty() {
                log::warn!("sink {:?}: the file of source {source:?} has no title in it", sink.config.name);
                return None;
            }
            Some(Title {
                sink: sink.config.name.clone(),
                source: source.to_owned(),
                playing,
                idle: entry.metadata.clone(),
                is_playing: false,
            })
        });
        Self { streams: titles.collect() }
    }

    /// The sinks that have to say something else now.
    pub(crate) fn changes(&mut self, stats: &Stats) -> Vec<(String, Metadata)> {
        let mut changes = Vec::new();
        for title in &mut self.streams {
            let source = stats.sources.iter().find(|source| source.name == title.source);
            let is_playing = source.is_some_and(|source| source.state == SourceState::Live);
            if is_playing != title.is_playing {
                title.is_playing = is_playing;
                let metadata = if is_playing { &title.playing } else { &title.idle };
                changes.push((title.sink.clone(), metadata.clone()));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::assemble;
    use crate::config::parse_config;
    use ra_engine::core::SourceStats;

    #[test]
    fn titles_change_when_a_file_starts_and_when_it_ends() {
        let title = |text: &str| Metadata { title: Some(text.to_owned()), ..Metadata::default() };
        let mut titles = Titles {
            streams: vec![Title {
                sink: "air".into(),
                source: "bed".into(),
                playing: title("song"),
                idle: title("studio"),
                is_playing: false,
            }],
        };
        let mut changes_in = |state| {
            let source = SourceStats { name: "bed".into(), state, ..SourceStats::default() };
            titles.changes(&Stats { sources: vec![source], ..Stats::default() })
        };
        assert!(changes_in(SourceState::Opening).is_empty());
        assert_eq!(changes_in(SourceState::Live), [("air".to_owned(), title("song"))]);
        assert!(changes_in(SourceState::Live).is_empty());
        assert_eq!(changes_in(SourceState::Ended), [("air".to_owned(), title("studio"))]);
    }

    #[test]
    fn passwords_are_read_from_files_and_never_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(dir.path().join("p"), bytes).unwrap();
            read_password(dir.path(), &PasswordPlace::File("p".into()))
        };
        assert_eq!(read(b"hackme\r\n"), Ok(Password::new("hackme")));
        assert_eq!(read(b" with spaces "), Ok(Password::new(" with spaces ")));
        for bad in [&b""[..], b"\n", b"hackme\nhackme2\n", b"hackme\xff", &[b'x'; 5000]] {
            let message = read(bad).unwrap_err();
            assert!(message.starts_with("password_file is ") && !message.contains("hackme"), "{message}");
        }
        let message = read_password(dir.path(), &PasswordPlace::File("none".into())).unwrap_err();
        assert!(message.contains("none, which can't be read: "), "{message}");
        let message = read_password(dir.path(), &PasswordPlace::Variable("RA_NO_SUCH_VARIABLE".into())).unwrap_err();
        assert!(message.contains("which is not set in this environment"), "{message}");
    }

    #[test]
    fn a_source_that_the_codec_cannot_carry_is_found_before_anything_starts() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("p"), "hackme").unwrap();
        let faults = |channels: u32, from: &str| {
            let text = format!(
                "[[source]]\nname = \"many\"\nkind = \"mock\"\nchannels = {channels}\n[[sink]]\nname = \"air\"\n\
                 kind = \"icecast\"\nurl = \"http://h/x\"\npassword_file = \"p\"\nfrom = \"{from}\"\ncodec = \"flac\"\n"
            );
            let config = parse_config(&dir.path().join("ra.toml"), text.as_bytes()).unwrap();
            assemble(&config).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!((faults(8, "source:many"), faults(9, "main")), (Ok(()), Ok(())));
        let message = faults(9, "source:many").unwrap_err();
        assert!(
            message.contains("ra.toml:11:9: sink \"air\": codec: FLAC: 9 channels, expected at most 8"),
            "{message}"
        );
    }
}
