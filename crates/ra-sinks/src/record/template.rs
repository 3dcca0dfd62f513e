//! Names of recordings: a path with placeholders, checked once, and the candidates that it stands for. Opens no file.

use std::path::{Component, Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use ra_core::SinkError;

/// How many names are tried before it is said that all are taken.
const MOST_CANDIDATES: u32 = 1_000_000;

/// A path that may hold `{name}`, `{time}` and `{index}`.
#[derive(Clone, Debug)]
pub(crate) struct PathTemplate {
    /// As it was given, for messages.
    source: PathBuf,
    components: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// A root, a prefix, `..`, or a name that is no UTF-8.
    Literal(PathBuf),
    /// One name.
    Pieces(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name,
    Time,
    Index,
}

fn setting(source: &Path, message: impl Into<String>) -> SinkError {
    SinkError::Setting { what: format!("path {}", source.display()), message: message.into() }
}

impl PathTemplate {
    /// Takes a path apart and checks its placeholders and its extension.
    pub(crate) fn parse(source: &Path) -> Result<Self, SinkError> {
        let error = |message: String| setting(source, message);
        if source.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(error("a NUL byte, expected a path".into()));
        }
        let ends_as_directory = source.as_os_str().as_encoded_bytes().ends_with(b"/");
        let file_name = source.file_name().filter(|_| !ends_as_directory);
        let file_name = file_name.ok_or_else(|| error("no file name, expected for example out/{name}.wav".into()))?;
        check_extension(Path::new(file_name)).map_err(error)?;
        let components = source.components().map(|component| match component {
            Component::Normal(name) => match name.to_str() {
                Some(text) => parse_pieces(text).map(Part::Pieces),
                None if name.as_encoded_bytes().contains(&b'{') => {
                    Err("placeholders in a name that is no UTF-8".into())
                }
                None => Ok(Part::Literal(name.into())),
            },
            other => Ok(Part::Literal(other.as_os_str().into())),
        });
        let components = components.collect::<Result<_, String>>().map_err(error)?;
        Ok(Self { source: source.into(), components })
    }

    /// The paths to try, in order, for a sink called `name` whose first frame was captured at `unix_ns`.
    pub(crate) fn candidates(&self, name: &str, unix_ns: i128) -> Result<impl Iterator<Item = PathBuf>, SinkError> {
        let time = if self.has(&Piece::Time) { format_time(&self.source, unix_ns)? } else { String::new() };
        if self.has(&Piece::Name) {
            check_name(name).map_err(|message| setting(&self.source, message))?;
        }
        let has_index = self.has(&Piece::Index);
        let count = if self.is_fixed() { 1 } else { MOST_CANDIDATES };
        Ok((1..=count).map(move |n| {
            let path = self.expand(name, &time, n);
            if has_index || n == 1 { path } else { with_suffix(&path, n) }
        }))
    }

    /// Whether there is one candidate only.
    pub(crate) fn is_fixed(&self) -> bool {
        !self.has(&Piece::Time) && !self.has(&Piece::Index)
    }

    fn has(&self, piece: &Piece) -> bool {
        self.components.iter().any(|part| matches!(part, Part::Pieces(pieces) if pieces.contains(piece)))
    }

    fn expand(&self, name: &str, time: &str, index: u32) -> PathBuf {
        let expand_piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Name => name.to_owned(),
            Piece::Time => time.to_owned(),
            Piece::Index => format!("{index:04}"),
        };
        let expand_part = |part: &Part| match part {
            Part::Literal(path) => path.clone(),
            Part::Pieces(pieces) => pieces.iter().map(expand_piece).collect::<String>().into(),
        };
        self.components.iter().map(expand_part).collect()
    }
}

fn check_extension(file_name: &Path) -> Result<(), String> {
    match file_name.extension() {
        None => Err("no extension, expected .wav".into()),
        Some(extension) if extension.eq_ignore_ascii_case("wav") => Ok(()),
        Some(extension) => Err(format!("recordings to .{} are not supported, expected .wav", extension.display())),
    }
}

fn parse_pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let (brace, tail) = rest[at..].split_at(1);
        if let Some(after) = tail.strip_prefix(brace) {
            literal.push_str(brace);
            rest = after;
            continue;
        }
        let (key, after) = match tail.split_once('}') {
            Some(found) if brace == "{" => found,
            _ => return Err(format!("a single \"{brace}\", expected {{name}}, {{time}}, {{index}}, {{{{ or }}}}")),
        };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(match key {
            "name" => Piece::Name,
            "time" => Piece::Time,
            "index" => Piece::Index,
            _ => return Err(format!("{{{key}}}, expected {{name}}, {{time}} or {{index}}")),
        });
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

/// A sink's name becomes part of one file's or directory's name, and of nothing above it.
fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty()
        || name == "."
        || name == ".."
        || name.contains(|c: char| c == '/' || c == '\\' || c.is_control())
    {
        return Err(format!("{{name}} is {name:?}, expected a name without path separators and control characters"));
    }
    Ok(())
}

/// `20261121T101530Z`: ISO 8601 in its basic form, which sorts by time and holds no colon.
fn format_time(source: &Path, unix_ns: i128) -> Result<String, SinkError> {
    let out_of_range = |e: jiff::Error| setting(source, format!("{{time}} of {unix_ns} ns since 1970: {e}"));
    let t = Timestamp::from_nanosecond(unix_ns).map_err(out_of_range)?.to_zoned(TimeZone::UTC);
    Ok(format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", t.year(), t.month(), t.day(), t.hour(), t.minute(), t.second()))
}

/// `out/a.wav` and 2 to `out/a-2.wav`.
fn with_suffix(path: &Path, n: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{n}."));
    name.push(path.extension().unwrap_or_default());
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T10:15:30Z.
    const UNIX_NS: i128 = 1_795_256_130_999_999_999;

    fn expand(template: &str, name: &str, count: usize) -> Vec<String> {
        let template = PathTemplate::parse(Path::new(template)).unwrap();
        let paths = template.candidates(name, UNIX_NS).unwrap().take(count);
        paths.map(|p| p.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn placeholders_are_filled_in_anywhere() {
        assert_eq!(
            expand("out/{name}-{time}.wav", "mic", 3),
            ["out/mic-20261121T101530Z.wav", "out/mic-20261121T101530Z-2.wav", "out/mic-20261121T101530Z-3.wav"]
        );
        assert_eq!(expand("/rec/{name}/{index}.WAV", "a b", 2), ["/rec/a b/0001.WAV", "/rec/a b/0002.WAV"]);
        assert_eq!(expand("../{{x}}{name}.wav", "ü", 9), ["../{x}ü.wav"]);
        assert_eq!(expand("{time}{index}.wav", "", 2), ["20261121T101530Z0001.wav", "20261121T101530Z0002.wav"]);
        assert_eq!(expand("take.one.wav", "..", 2), ["take.one.wav"]);
    }

    #[test]
    fn bad_templates_say_what_is_expected() {
        for (template, says) in [
            ("out/{nmae}.wav", "{nmae}, expected {name}, {time} or {index}"),
            ("out/{name.wav", "a single \"{\""),
            ("out/name}.wav", "a single \"}\""),
            ("out/{name}", "no extension, expected .wav"),
            ("take.flac", "recordings to .flac are not supported, expected .wav"),
            ("take.opus", "recordings to .opus are not supported, expected .wav"),
            ("take.ogg", "expected .wav"),
            ("out/a.wav/", "no file name"),
            ("", "no file name"),
            ("a\0.wav", "a NUL byte"),
        ] {
            let error = PathTemplate::parse(Path::new(template)).unwrap_err();
            assert!(matches!(error, SinkError::Setting { .. }) && error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        let template = PathTemplate::parse(Path::new("out/{name}.wav")).unwrap();
        for name in ["../../etc/x", "a/b", "..", ".", "", "a\\b", "a\0b", "a\nb"] {
            let error = template.candidates(name, UNIX_NS).err().unwrap();
            assert!(matches!(error, SinkError::Setting { .. }), "{error}");
        }
        assert!(template.candidates("..a", UNIX_NS).is_ok());
    }

    #[test]
    fn a_time_outside_the_calendar_is_refused() {
        let template = PathTemplate::parse(Path::new("{time}.wav")).unwrap();
        assert!(template.candidates("a", i128::MAX).is_err());
        assert_eq!(template.candidates("a", 0).unwrap().next().unwrap(), Path::new("19700101T000000Z.wav"));
    }
}
