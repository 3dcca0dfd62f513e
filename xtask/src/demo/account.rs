//! What came of a run, from its summary and its files: told in a few lines, and checked.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::wav::Wav;

/// The summary of a run, with what was found in the files that it names.
pub(super) struct Account {
    summary: Value,
    recordings: Vec<Recording>,
}

struct Recording {
    sink: String,
    path: PathBuf,
    /// What was found, or why nothing was.
    wav: Result<Wav>,
}

/// The account of one source or sink.
struct Row<'a> {
    name: &'a str,
    state: &'a str,
    produced: u64,
    delivered: u64,
    dropped: u64,
    queued: u64,
}

impl Account {
    /// Reads a summary and the WAV files that it names.
    ///
    /// # Errors
    /// It is not JSON of schema 1, or lacks a list or a count.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let summary: Value = serde_json::from_str(text).context("no JSON")?;
        ensure!(summary["schema"] == 1, "schema is {}, expected 1", summary["schema"]);
        for list in ["sources", "sinks"] {
            for row in summary[list].as_array().with_context(|| format!("no list of {list}"))? {
                Row::parse(row).with_context(|| format!("{list}: {}", row["name"]))?;
            }
        }
        let mut recordings = Vec::new();
        for sink in summary["sinks"].as_array().into_iter().flatten() {
            for file in sink["files"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let path = PathBuf::from(file);
                let sink = sink["name"].as_str().unwrap_or_default().to_owned();
                recordings.push(Recording { sink, wav: Wav::read(&path), path });
            }
        }
        Ok(Self { summary, recordings })
    }

    /// The files that were recorded.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.recordings.iter().map(|recording| recording.path.as_path())
    }

    /// Everything that is not as it should be after a run of `length`.
    pub(super) fn problems(&self, length: Duration) -> Vec<String> {
        let mut problems = Vec::new();
        let mut note = |is_well: bool, problem: String| {
            if !is_well {
                problems.push(problem);
            }
        };
        note(self.summary["engine"]["blocks"].as_u64() > Some(0), "no block was mixed".to_owned());
        for (list, good) in [("sources", &["live", "ended"][..]), ("sinks", &["ok"])] {
            let rows: Vec<Row<'_>> = self.rows(list).collect();
            note(!rows.is_empty(), format!("no {list}"));
            for row in rows {
                let Row { name, state, produced, delivered, dropped, queued } = row;
                note(good.contains(&state), format!("{name} is {state}, expected {}", good.join(" or ")));
                note(produced == delivered + dropped + queued, format!("{name} does not balance: {row}"));
                note(queued == 0, format!("{name} left {queued} frames queued"));
                note(delivered > 0, format!("{name} delivered nothing"));
            }
        }
        note(!self.recordings.is_empty(), "nothing was recorded".to_owned());
        for Recording { sink, path, wav } in &self.recordings {
            match wav {
                Err(error) => note(false, format!("the recording of {sink}: {error:#}")),
                Ok(wav) => {
                    let file = path.display();
                    // Opening the sources takes a part of the time; half of it never does.
                    let is_long = wav.seconds() >= length.as_secs_f64() / 2.0;
                    note(is_long, format!("{file} lasts {:.2} s of {} s", wav.seconds(), length.as_secs_f64()));
                    note(wav.rms_dbfs() > -60.0, format!("{file} is silent: {:.1} dBFS", wav.rms_dbfs()));
                    note(wav.peak_lin < 8.0, format!("{file} is far beyond full scale: {}", wav.peak_lin));
                    let delivered = self.rows("sinks").find(|row| row.name == sink).map_or(0, |row| row.delivered);
                    let is_whole = wav.n_frames >= delivered;
                    note(is_whole, format!("{file} holds {} frames of {delivered} delivered", wav.n_frames));
                }
            }
        }
        problems
    }

    /// The account for people. `shown` shortens a path.
    pub(super) fn told(&self, shown: impl Fn(&Path) -> String) -> String {
        let mut text = String::new();
        let mut say = |line: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{line}");
        };
        for Recording { sink, path, wav } in &self.recordings {
            match wav {
                Err(error) => say(format_args!("recorded {sink}: {}: {error:#}", shown(path))),
                Ok(wav) => say(format_args!(
                    "recorded {sink}: {}, {:.2} s, {}, {} Hz, {}, peak {:.1} dBFS, RMS {:.1} dBFS",
                    shown(path),
                    wav.seconds(),
                    if wav.channels == 1 { "mono".to_owned() } else { format!("{} channels", wav.channels) },
                    wav.sample_rate_hz,
                    wav.format,
                    20.0 * wav.peak_lin.log10(),
                    wav.rms_dbfs(),
                )),
            }
        }
        for (list, what) in [("sources", "source"), ("sinks", "sink")] {
            self.rows(list).for_each(|row| say(format_args!("{what} {}: {row}, {}", row.name, row.state)));
        }
        let engine = &self.summary["engine"];
        let count = |key: &str| engine[key].as_u64().unwrap_or(0);
        say(format_args!("mixer: {} blocks, {} late, {} xruns", count("blocks"), count("late_blocks"), count("xruns")));
        let realtime = &engine["realtime"];
        let class = realtime["class"].as_str().unwrap_or("unknown");
        let locked = if realtime["memory_locked"] == true { "locked" } else { "not locked" };
        let reason = realtime["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
        say(format_args!("real-time class: {class}, priority {}, memory {locked}{reason}", realtime["priority"]));
        text
    }

    fn rows(&self, list: &str) -> impl Iterator<Item = Row<'_>> {
        let rows = self.summary[list].as_array().into_iter().flatten();
        // Those that do not parse were refused at the start.
        rows.filter_map(|row| Row::parse(row).ok())
    }
}

impl<'a> Row<'a> {
    fn parse(row: &'a Value) -> Result<Self> {
        let count = |key: &str| row[key].as_u64().with_context(|| format!("{key} is {}, expected a count", row[key]));
        Ok(Self {
            name: row["name"].as_str().context("no name")?,
            state: row["state"].as_str().context("no state")?,
            produced: count("produced_frames")?,
            delivered: count("delivered_frames")?,
            dropped: count("dropped_frames")?,
            queued: count("queued_frames")?,
        })
    }
}

impl std::fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { produced, delivered, dropped, queued, .. } = self;
        write!(f, "produced {produced} = delivered {delivered} + dropped {dropped} + queued {queued} frames")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn row(name: &str, state: &str, counts: [u64; 4]) -> Value {
        let [produced, delivered, dropped, queued] = counts;
        json!({ "name": name, "state": state, "produced_frames": produced, "delivered_frames": delivered,
                "dropped_frames": dropped, "queued_frames": queued, "files": [] })
    }

    fn account(sources: Value, sinks: Value) -> Account {
        let summary = json!({ "schema": 1, "sources": sources, "sinks": sinks,
            "engine": { "blocks": 3, "late_blocks": 1, "xruns": 2, "realtime":
                { "class": "fifo", "priority": 70, "memory_locked": true, "reason": null } } });
        Account::parse(&summary.to_string()).unwrap()
    }

    fn good_wav() -> Wav {
        let bytes: Vec<u8> = (0..96_000).flat_map(|n| (((n % 100) * 100) as i16).to_le_bytes()).collect();
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\0\0\0\x04\0\x10\0data".to_vec();
        file.extend((bytes.len() as u32).to_le_bytes());
        file.extend(bytes);
        let path = std::env::temp_dir().join(format!("ra-xtask-account-{:?}.wav", std::thread::current().id()));
        std::fs::write(&path, file).unwrap();
        let wav = Wav::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        wav
    }

    fn good() -> Account {
        let mut account =
            account(json!([row("mic", "live", [9, 8, 1, 0])]), json!([row("mix", "ok", [48_000, 48_000, 0, 0])]));
        account.recordings.push(Recording { sink: "mix".to_owned(), path: "mix.wav".into(), wav: Ok(good_wav()) });
        account
    }

    #[test]
    fn a_good_run_has_no_problem_and_is_told() {
        let account = good();
        assert_eq!(account.problems(SECOND), [""; 0]);
        let text = account.told(|path| path.display().to_string());
        for part in [
            "recorded mix: mix.wav, 1.00 s, 2 channels, 48000 Hz, s16",
            "source mic: produced 9 = delivered 8 + dropped 1 + queued 0 frames, live",
            "mixer: 3 blocks, 1 late, 2 xruns",
            "real-time class: fifo, priority 70, memory locked",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn each_problem_is_found() {
        let sinks = || json!([row("mix", "ok", [1, 1, 0, 0])]);
        let expect = |account: Account, part: &str| {
            let problems = account.problems(SECOND);
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part:?} is not in {problems:?}");
        };
        expect(account(json!([row("mic", "live", [9, 8, 0, 0])]), sinks()), "mic does not balance");
        expect(account(json!([row("mic", "live", [9, 8, 0, 1])]), sinks()), "mic left 1 frames queued");
        expect(account(json!([row("mic", "lost", [9, 9, 0, 0])]), sinks()), "mic is lost, expected live or ended");
        expect(account(json!([row("mic", "live", [0, 0, 0, 0])]), sinks()), "mic delivered nothing");
        expect(account(json!([]), sinks()), "no sources");
        expect(account(json!([row("mic", "live", [9, 9, 0, 0])]), sinks()), "nothing was recorded");

        let with = |change: fn(&mut Wav)| {
            let mut account = good();
            if let Ok(wav) = &mut account.recordings[0].wav {
                change(wav);
            }
            account
        };
        expect(with(|wav| wav.n_frames = 100), "mix.wav lasts 0.00 s of 1 s");
        expect(with(|wav| wav.n_frames = 47_999), "holds 47999 frames of 48000 delivered");
        expect(with(|wav| wav.peak_lin = 9.0), "far beyond full scale");
        let mut missing = good();
        missing.recordings[0].wav = Wav::read(Path::new("/no/such/file.wav"));
        expect(missing, "the recording of mix: cannot read /no/such/file.wav");
    }

    #[test]
    fn a_summary_that_lacks_something_is_refused() {
        let refused = |summary: Value| Account::parse(&summary.to_string()).err().map(|error| format!("{error:#}"));
        assert_eq!(refused(json!({ "schema": 2 })).as_deref(), Some("schema is 2, expected 1"));
        assert_eq!(refused(json!({ "schema": 1 })).as_deref(), Some("no list of sources"));
        let no_count = json!({ "schema": 1, "sources": [{ "name": "a", "state": "live" }], "sinks": [] });
        let error = refused(no_count).unwrap();
        assert!(error.contains("produced_frames is null, expected a count"), "{error}");
    }
}
