//! The log on stderr: one line a message, with the time since the start. Never called from the audio thread, and never
//! waits: what people see of it is written by a thread of its own.

use std::time::Instant;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::screen;

/// Which messages of which target are shown; the longest matching prefix decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFilter {
    default: LevelFilter,
    targets: Vec<(String, LevelFilter)>,
}

/// Why a filter is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("RA_LOG: {part:?}, expected LEVEL or TARGET=LEVEL, LEVEL being off, error, warn, info, debug or trace")]
pub(crate) struct LogFilterError {
    part: String,
}

impl LogFilter {
    /// What `-q` and `-v` stand for. The command itself says what happens by default; the crates below it from warnings on.
    pub(crate) fn from_verbosity(quiet: u8, verbose: u8) -> Self {
        let (cli, ours, others) = match i16::from(verbose) - i16::from(quiet) {
            ..=-2 => (LevelFilter::Off, LevelFilter::Off, LevelFilter::Off),
            -1 => (LevelFilter::Error, LevelFilter::Error, LevelFilter::Error),
            0 => (LevelFilter::Info, LevelFilter::Warn, LevelFilter::Warn),
            1 => (LevelFilter::Info, LevelFilter::Info, LevelFilter::Warn),
            2 => (LevelFilter::Debug, LevelFilter::Debug, LevelFilter::Info),
            _ => (LevelFilter::Trace, LevelFilter::Trace, LevelFilter::Trace),
        };
        let mut targets = vec![("ra_".to_owned(), ours), ("ra_cli".to_owned(), cli)];
        if verbose < 2 {
            // The client library calls every connection that is closed, and be it on purpose, an error.
            targets.push(("pulseaudio::client::reactor".to_owned(), LevelFilter::Off));
            // libjack has a dozen for every look for a server that is not there; what matters of them comes back as an error.
            targets.push(("jack::logging".to_owned(), LevelFilter::Off));
        }
        if verbose < 1 {
            // What matters of what it finds in a file comes back as an error or a remark of the file source.
            targets.push(("symphonia".to_owned(), LevelFilter::Off));
        }
        Self { default: others, targets }
    }

    /// Parses `debug`, or `ra_engine=debug,warn`.
    ///
    /// # Errors
    /// [`LogFilterError`] names the part that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, LogFilterError> {
        let mut filter = Self { default: LevelFilter::Off, targets: Vec::new() };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let error = || LogFilterError { part: part.to_owned() };
            match part.split_once('=') {
                Some((target, level)) if !target.trim().is_empty() => {
                    let level = level.trim().parse().map_err(|_| error())?;
                    filter.targets.push((target.trim().to_owned(), level));
                }
                Some(_) => return Err(error()),
                None => filter.default = part.parse().map_err(|_| error())?,
            }
        }
        Ok(filter)
    }

    fn level_of(&self, target: &str) -> LevelFilter {
        let matching = self.targets.iter().filter(|(prefix, _)| target.starts_with(prefix.as_str()));
        matching.max_by_key(|(prefix, _)| prefix.len()).map_or(self.default, |&(_, level)| level)
    }

    fn most(&self) -> LevelFilter {
        self.targets.iter().map(|&(_, level)| level).chain([self.default]).max().unwrap_or(LevelFilter::Off)
    }
}

struct StderrLog {
    filter: LogFilter,
    start: Instant,
}

impl Log for StderrLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.filter.level_of(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            screen::print_log(&format_line(self.start.elapsed().as_secs_f64(), record));
        }
    }

    fn flush(&self) {
        screen::flush();
    }
}

fn format_line(elapsed_s: f64, record: &Record<'_>) -> String {
    let level = match record.level() {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    // A message of several lines stays one message: what follows is indented.
    let text = record.args().to_string().replace('\n', "\n    ");
    format!("[{elapsed_s:9.3}] {level}: {} ({})", text, record.target())
}

/// Makes the log write to stderr. Does nothing where a log is there already.
pub(crate) fn start_log(filter: LogFilter) {
    let most = filter.most();
    if log::set_boxed_logger(Box::new(StderrLog { filter, start: Instant::now() })).is_ok() {
        log::set_max_level(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_open_and_close_the_log() {
        let own = |quiet, verbose| LogFilter::from_verbosity(quiet, verbose).level_of("ra_engine::rt");
        assert_eq!(own(0, 0), LevelFilter::Warn);
        assert_eq!(own(0, 1), LevelFilter::Info);
        assert_eq!(own(0, 2), LevelFilter::Debug);
        assert_eq!(own(0, 9), LevelFilter::Trace);
        assert_eq!(own(1, 0), LevelFilter::Error);
        assert_eq!(own(9, 0), LevelFilter::Off);
        assert_eq!(LogFilter::from_verbosity(0, 0).level_of("ra_cli::run"), LevelFilter::Info);
        assert_eq!(LogFilter::from_verbosity(0, 0).level_of("symphonia"), LevelFilter::Off);
        assert_eq!(LogFilter::from_verbosity(0, 1).level_of("symphonia"), LevelFilter::Warn);
        assert_eq!(LogFilter::from_verbosity(0, 0).level_of("pulseaudio::client::reactor"), LevelFilter::Off);
        assert_eq!(LogFilter::from_verbosity(0, 3).level_of("pulseaudio::client::reactor"), LevelFilter::Trace);
        assert_eq!(LogFilter::from_verbosity(0, 0).level_of("jack::logging"), LevelFilter::Off);
    }

    #[test]
    fn filters_are_read_and_the_longest_prefix_decides() {
        let filter = LogFilter::parse("warn, ra_engine=debug,ra_engine::rt=off").unwrap();
        assert_eq!(filter.level_of("cpal"), LevelFilter::Warn);
        assert_eq!(filter.level_of("ra_engine::control"), LevelFilter::Debug);
        assert_eq!(filter.level_of("ra_engine::rt::mixer"), LevelFilter::Off);
        assert_eq!(filter.most(), LevelFilter::Debug);
        for bad in ["loud", "=debug", "ra_engine=loud", "a=b=c"] {
            assert!(LogFilter::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_is_one_line_with_its_indented_rest() {
        let record = Record::builder().args(format_args!("a\nb")).level(Level::Warn).target("ra_cli").build().clone();
        assert_eq!(format_line(1.5, &record), "[    1.500] warning: a\n    b (ra_cli)");
    }
}
