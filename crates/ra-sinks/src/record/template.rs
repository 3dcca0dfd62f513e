//! Names of recordings: a path with placeholders, checked once, and the candidates that it stands for. Opens no file.

use std::path::{Component, Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use ra_core::SinkError;

use super::container::FileFormat;

/// How many names are tried before it is said that all are taken. Later files begin behind the latest one: their numbers
/// have no such bound.
const MOST_CANDIDATES: u32 = 1_000_000;
/// The longest name of a file or directory that common file systems take, in bytes.
const MOST_NAME_BYTES: usize = 255;
/// The longest path, in bytes, the NUL behind it included.
const MOST_PATH_BYTES: usize = 4096;
/// What is put behind a recording's name at most: its sidecar's, while that is written.
const LONGEST_SUFFIX: &str = ".json.tmp";

/// A path that may hold `{name}`, `{time}`, `{date}` and `{index}`.
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
    Date,
    Index,
}

/// Which file of a recorder a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nth {
    /// The first: a fixed name is that or none.
    First,
    /// A later one: a fixed name gets `-2`, `-3` … too.
    Later {
        /// The number to begin with.
        from: u32,
    },
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
        let components = components.collect::<Result<Vec<_>, String>>().map_err(error)?;
        let first_placeholder = components.iter().position(Part::has_placeholders).unwrap_or(components.len());
        if components[first_placeholder..].iter().any(|part| part.is_parent()) {
            return Err(error("\"..\" behind a placeholder, expected directories that are named".into()));
        }
        Ok(Self { source: source.into(), components })
    }

    /// What the extension says.
    pub(crate) fn file_format(&self) -> Option<FileFormat> {
        FileFormat::from_extension(self.source.extension()?.to_str()?)
    }

    /// The directory in which everything that it stands for lies; empty for the working directory.
    pub(crate) fn root(&self) -> PathBuf {
        self.root_parts().iter().map(Part::literal).collect()
    }

    /// The same below another directory.
    pub(crate) fn moved_to(&self, directory: &Path) -> Self {
        let below = &self.components[self.root_parts().len()..];
        let components = std::iter::once(Part::Literal(directory.to_owned())).chain(below.iter().cloned()).collect();
        Self { source: self.source.clone(), components }
    }

    /// The parts before the first placeholder, the file's own name never among them.
    fn root_parts(&self) -> &[Part] {
        let file = self.components.len() - 1;
        let end = self.components.iter().position(Part::has_placeholders).unwrap_or(file);
        &self.components[..end.min(file)]
    }

    /// Whether a sink called `name` can have files of these names: nothing outside its directory, and nothing that file
    /// systems refuse.
    pub(crate) fn check(&self, name: &str) -> Result<(), SinkError> {
        if self.has(&Piece::Name) {
            check_name(name).map_err(|message| setting(&self.source, message))?;
        }
        let longest = self.expand(name, &Moment::default(), u32::MAX);
        let longest = if self.has(&Piece::Index) { longest } else { with_suffix(&longest, u32::MAX) };
        let mut n_path_bytes = LONGEST_SUFFIX.len();
        for (component, is_last) in
            longest.components().rev().zip(std::iter::once(true).chain(std::iter::repeat(false)))
        {
            let suffix = if is_last { LONGEST_SUFFIX.len() } else { 0 };
            let n_bytes = component.as_os_str().as_encoded_bytes().len();
            n_path_bytes += n_bytes + 1;
            if n_bytes + suffix > MOST_NAME_BYTES {
                let most = MOST_NAME_BYTES - suffix;
                let message =
                    format!("a name of {n_bytes} bytes, expected at most {most}, with the number that it may get");
                return Err(setting(&self.source, message));
            }
        }
        if n_path_bytes > MOST_PATH_BYTES {
            let message = format!("a path of {n_path_bytes} bytes, expected at most {MOST_PATH_BYTES}");
            return Err(setting(&self.source, message));
        }
        Ok(())
    }

    /// The numbers and paths to try, in order, for a sink called `name` whose first frame was captured at `unix_ns`.
    pub(crate) fn candidates(
        &self,
        name: &str,
        unix_ns: i128,
        nth: Nth,
    ) -> Result<impl Iterator<Item = (u32, PathBuf)>, SinkError> {
        let moment = if self.is_dated() { Moment::of(&self.source, unix_ns)? } else { Moment::default() };
        if self.has(&Piece::Name) {
            check_name(name).map_err(|message| setting(&self.source, message))?;
        }
        let has_index = self.has(&Piece::Index);
        let numbers = match nth {
            Nth::First if self.is_fixed() => 1..=1,
            Nth::First => 1..=MOST_CANDIDATES,
            Nth::Later { from } => from.max(1)..=from.saturating_add(MOST_CANDIDATES),
        };
        Ok(numbers.map(move |n| {
            let path = self.expand(name, &moment, n);
            (n, if has_index || n == 1 { path } else { with_suffix(&path, n) })
        }))
    }

    /// Whether what it stands for depends on the time.
    pub(crate) fn is_dated(&self) -> bool {
        self.has(&Piece::Time) || self.has(&Piece::Date)
    }

    /// Whether there is one candidate only.
    pub(crate) fn is_fixed(&self) -> bool {
        !self.is_dated() && !self.has(&Piece::Index)
    }

    fn has(&self, piece: &Piece) -> bool {
        self.components.iter().any(|part| matches!(part, Part::Pieces(pieces) if pieces.contains(piece)))
    }

    fn expand(&self, name: &str, moment: &Moment, index: u32) -> PathBuf {
        let expand_piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Name => name.to_owned(),
            Piece::Time => moment.time.clone(),
            Piece::Date => moment.date.clone(),
            Piece::Index => format!("{index:04}"),
        };
        let expand_part = |part: &Part| match part {
            Part::Literal(path) => path.clone(),
            Part::Pieces(pieces) => pieces.iter().map(expand_piece).collect::<String>().into(),
        };
        self.components.iter().map(expand_part).collect()
    }
}

impl Part {
    fn has_placeholders(&self) -> bool {
        matches!(self, Part::Pieces(pieces) if pieces.iter().any(|piece| !matches!(piece, Piece::Text(_))))
    }

    fn is_parent(&self) -> bool {
        matches!(self, Part::Literal(path) if path.as_os_str() == "..")
    }

    /// Of a part without placeholders.
    fn literal(&self) -> PathBuf {
        match self {
            Part::Literal(path) => path.clone(),
            Part::Pieces(pieces) => {
                let text = |piece: &Piece| if let Piece::Text(text) = piece { text.clone() } else { String::new() };
                pieces.iter().map(text).collect::<String>().into()
            }
        }
    }
}

/// What stands for a time.
struct Moment {
    time: String,
    date: String,
}

impl Default for Moment {
    /// As long as any.
    fn default() -> Self {
        Self { time: "00000000T000000Z".into(), date: "00000000".into() }
    }
}

impl Moment {
    /// `20261121T101530Z`: ISO 8601 in its basic form, which sorts by time and holds no colon.
    fn of(source: &Path, unix_ns: i128) -> Result<Self, SinkError> {
        let out_of_range = |e: jiff::Error| setting(source, format!("the time {unix_ns} ns since 1970: {e}"));
        let t = Timestamp::from_nanosecond(unix_ns).map_err(out_of_range)?.to_zoned(TimeZone::UTC);
        let date = format!("{:04}{:02}{:02}", t.year(), t.month(), t.day());
        Ok(Self { time: format!("{date}T{:02}{:02}{:02}Z", t.hour(), t.minute(), t.second()), date })
    }
}

fn check_extension(file_name: &Path) -> Result<(), String> {
    let expected = "expected .wav, .flac, .opus, .ogg or .mp3";
    let Some(extension) = file_name.extension() else { return Err(format!("no extension, {expected}")) };
    match extension.to_str().and_then(FileFormat::from_extension) {
        Some(_) => Ok(()),
        None => Err(format!("recordings to .{} are not supported, {expected}", extension.display())),
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
            _ => {
                return Err(format!(
                    "a single \"{brace}\", expected {{name}}, {{time}}, {{date}}, {{index}}, {{{{ or }}}}"
                ));
            }
        };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(match key {
            "name" => Piece::Name,
            "time" => Piece::Time,
            "date" => Piece::Date,
            "index" => Piece::Index,
            _ => return Err(format!("{{{key}}}, expected {{name}}, {{time}}, {{date}} or {{index}}")),
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
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty()
        || name == "."
        || name == ".."
        || name.contains(|c: char| c == '/' || c == '\\' || c.is_control())
    {
        return Err(format!("{{name}} is {name:?}, expected a name without path separators and control characters"));
    }
    Ok(())
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
        let paths = template.candidates(name, UNIX_NS, Nth::First).unwrap().take(count);
        paths.map(|(_, p)| p.to_str().unwrap().to_owned()).collect()
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
        assert_eq!(expand("{date}/a.flac", "", 2), ["20261121/a.flac", "20261121/a-2.flac"]);
    }

    #[test]
    fn bad_templates_say_what_is_expected() {
        for (template, says) in [
            ("out/{nmae}.wav", "{nmae}, expected {name}, {time}, {date} or {index}"),
            ("out/{name.wav", "a single \"{\""),
            ("out/name}.wav", "a single \"}\""),
            ("out/{name}", "no extension, expected .wav, .flac, .opus, .ogg or .mp3"),
            ("take.aiff", "recordings to .aiff are not supported, expected .wav"),
            ("out/{name}/../a.wav", "\"..\" behind a placeholder"),
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
            let error = template.candidates(name, UNIX_NS, Nth::First).err().unwrap();
            assert!(matches!(error, SinkError::Setting { .. }), "{error}");
            assert!(template.check(name).is_err());
        }
        assert!(template.candidates("..a", UNIX_NS, Nth::First).is_ok() && template.check("..a").is_ok());
    }

    #[test]
    fn a_time_outside_the_calendar_is_refused() {
        let template = PathTemplate::parse(Path::new("{time}.wav")).unwrap();
        assert!(template.candidates("a", i128::MAX, Nth::First).is_err());
        let first = template.candidates("a", 0, Nth::First).unwrap().next().unwrap();
        assert_eq!(first, (1, "19700101T000000Z.wav".into()));
    }

    #[test]
    fn names_that_file_systems_refuse_are_refused_before() {
        // 255 less `.json.tmp`, less `-4294967295.wav`.
        let check = |template: String, name: &str| PathTemplate::parse(Path::new(&template)).unwrap().check(name);
        assert!(check("{name}.wav".into(), &"x".repeat(255 - 9 - 15)).is_ok());
        let error = check("{name}.wav".into(), &"x".repeat(255 - 9 - 14)).unwrap_err();
        assert!(error.to_string().contains("a name of 247 bytes, expected at most 246"), "{error}");
        assert!(check(format!("{}/a.wav", "ü".repeat(127)), "").is_ok());
        assert!(check(format!("{}/a.wav", "ü".repeat(128)), "").is_err());
        assert!(check(format!("{}a.wav", "d/".repeat(2100)), "").unwrap_err().to_string().contains("a path of 42"));
    }

    #[test]
    fn a_later_file_gets_a_number_where_the_name_is_fixed() {
        let later = |template: &str, from| {
            let template = PathTemplate::parse(Path::new(template)).unwrap();
            let paths = template.candidates("a", UNIX_NS, Nth::Later { from }).unwrap().take(2);
            paths.map(|(n, p)| (n, p.to_str().unwrap().to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(later("a.wav", 1), [(1, "a.wav".into()), (2, "a-2.wav".into())]);
        assert_eq!(later("{index}.wav", 7), [(7, "0007.wav".into()), (8, "0008.wav".into())]);
        let million = 1_000_000;
        assert_eq!(
            later("{index}.wav", million),
            [(million, "1000000.wav".into()), (million + 1, "1000001.wav".into())]
        );
        assert_eq!(later("{index}.wav", u32::MAX), [(u32::MAX, "4294967295.wav".into())]);
    }

    #[test]
    fn the_root_is_what_all_names_have_in_common_and_can_be_moved() {
        for (template, root, moved) in [
            ("out/{name}-{time}.wav", "out", "/b/a-20261121T101530Z.wav"),
            ("/rec/x/{date}/{name}.wav", "/rec/x", "/b/20261121/a.wav"),
            ("{{x}}/a.wav", "{x}", "/b/a.wav"),
            ("a.wav", "", "/b/a.wav"),
            ("../{index}.wav", "..", "/b/0001.wav"),
        ] {
            let template = PathTemplate::parse(Path::new(template)).unwrap();
            assert_eq!(template.root(), Path::new(root));
            let (_, path) =
                template.moved_to(Path::new("/b")).candidates("a", UNIX_NS, Nth::First).unwrap().next().unwrap();
            assert_eq!(path, Path::new(moved));
        }
    }
}
