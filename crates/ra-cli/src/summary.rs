//! What a run leaves behind: the JSON summary and the account on stdout. Runs nothing.

use std::io::Write;
use std::path::Path;

use ra_engine::EngineConfig;
use ra_engine::core::{RealtimeClass, RealtimeGrant, SourceState, Stats};
use serde::Serialize;

use crate::Failure;
use crate::meters::{sink_state, source_state};

/// The version of the summary's shape.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Summary<'a> {
    schema: u32,
    #[serde(flatten)]
    stats: &'a Stats,
}

/// The summary as a JSON document.
///
/// # Errors
/// [`Failure::Running`] where a number can't be said in JSON.
pub(crate) fn to_json(stats: &Stats) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(&Summary { schema: SCHEMA, stats });
    json.map(|json| json + "\n").map_err(|e| Failure::Running(format!("the summary: {e}")))
}

/// Why a file is not written over.
pub(crate) const NOT_A_SUMMARY: &str = "exists, is no earlier summary, and is not written over";

/// Whether a summary may be written there: nothing is there yet, an earlier summary, or something that is no file.
pub(crate) fn may_replace(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {}
        _ => return true,
    }
    let Ok(text) = std::fs::read(path) else { return false };
    let json: Result<serde_json::Value, _> = serde_json::from_slice(&text);
    json.is_ok_and(|json| json.get("schema").is_some() && json.get("engine").is_some() && json.get("sinks").is_some())
}

/// Writes a file so that whoever looks sees the old one or the new one, never half of it.
///
/// # Errors
/// [`Failure::Running`] names the file and says what the system said.
pub(crate) fn write_atomically(path: &Path, text: &str) -> Result<(), Failure> {
    let failure = |e: std::io::Error| Failure::Running(format!("{}: {e}", path.display()));
    // It may have come into being during the run: as a recording.
    if !may_replace(path) {
        return Err(Failure::Running(format!("{} {NOT_A_SUMMARY}", path.display())));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::File::create(&part).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&part, path)).map_err(|e| {
        // Best effort: the failure that is reported is the first one.
        let _ = std::fs::remove_file(&part);
        failure(e)
    })
}

/// What went wrong for good: one line for each, naming the sink and its files, or the source.
pub(crate) fn failures(stats: &Stats) -> Vec<String> {
    use ra_engine::core::SinkState;
    let mut failures: Vec<_> = stats.engine.failure.iter().cloned().collect();
    for source in stats.sources.iter().filter(|source| source.state == SourceState::Failed) {
        let reason = source.reason.as_deref().unwrap_or("no reason given");
        failures.push(format!("source {:?} ({}) failed: {reason}", source.name, source.description));
    }
    for sink in stats.sinks.iter().filter(|sink| matches!(sink.state, SinkState::Failed | SinkState::Panicked)) {
        let reason = sink.reason.as_deref().unwrap_or("no reason given");
        let files: Vec<_> = sink.files.iter().map(|file| file.display().to_string()).collect();
        let files = if files.is_empty() { String::new() } else { format!(" ({})", files.join(", ")) };
        failures.push(format!("sink {:?}{files} {}: {reason}", sink.name, sink_state(sink.state)));
    }
    let sources = stats.sources.iter().map(|source| ("source", &source.name, &source.account));
    let sinks = stats.sinks.iter().map(|sink| ("sink", &sink.name, &sink.account));
    for (kind, name, account) in sources.chain(sinks).filter(|(_, _, account)| !account.is_balanced()) {
        failures.push(format!("the account of {kind} {name:?} does not balance: {account}"));
    }
    failures
}

/// The account for people: what was recorded where, and where every frame is.
pub(crate) fn account(stats: &Stats, engine: &EngineConfig) -> String {
    let seconds = stats.engine.blocks as f64 * engine.block_frames as f64 / f64::from(engine.sample_rate.hz());
    let mut text = format!(
        "ran {seconds:.1} s: {} blocks of {} frames at {}, {} late, {} xruns\nreal-time class: {}\n\n",
        stats.engine.blocks,
        engine.block_frames,
        engine.main_spec(),
        stats.engine.late_blocks,
        stats.engine.xruns,
        grant(&stats.engine.realtime),
    );
    let mut rows =
        vec![["source", "state", "produced", "delivered", "dropped", "queued", "gaps", "drift"].map(str::to_owned)];
    for source in &stats.sources {
        let drift = source.drift_ppm.map_or("-".to_owned(), |ppm| format!("{ppm:+.1} ppm"));
        let counts = counts(&source.account);
        rows.push(row(&source.name, source_state(source.state), counts, source.gaps.len(), drift));
    }
    if !stats.sinks.is_empty() {
        rows.push(["sink", "state", "produced", "delivered", "dropped", "queued", "gaps", ""].map(str::to_owned));
    }
    for sink in &stats.sinks {
        let counts = counts(&sink.account);
        rows.push(row(&sink.name, sink_state(sink.state), counts, sink.gaps.len(), String::new()));
    }
    text.push_str(&table(&rows, 2));
    text.push_str(&mishaps(stats));
    let of_sources = stats.sources.iter().flat_map(|source| source.notes.iter().map(move |note| (&source.name, note)));
    let of_sinks = stats.sinks.iter().flat_map(|sink| sink.notes.iter().map(move |note| (&sink.name, note)));
    let notes = of_sources.chain(of_sinks);
    for (name, note) in notes {
        text.push_str(&format!("{name}: {note}\n"));
    }
    let files: Vec<_> = stats.sinks.iter().flat_map(|sink| &sink.files).collect();
    if !files.is_empty() {
        text.push_str("\nfiles:\n");
        for sink in stats.sinks.iter().filter(|sink| sink.files_omitted > 0) {
            text.push_str(&format!("  {} of {:?} before these\n", sink.files_omitted, sink.name));
        }
        for file in files {
            text.push_str(&format!("  {}\n", file.display()));
        }
    }
    text
}

/// What happened to sources and clocks, a line for each that something happened to.
fn mishaps(stats: &Stats) -> String {
    let times = |n: u64, what: &str| (n > 0).then(|| format!("{what} {n} {}", if n == 1 { "time" } else { "times" }));
    let mut text = String::new();
    for source in &stats.sources {
        let told: Vec<String> = [
            times(source.losses, "lost"),
            times(source.reconnects, "opened again"),
            times(source.failed_opens, "opened in vain"),
            times(source.hung_calls, "a call into its device left behind"),
            (source.device_errors > 0).then(|| format!("{} errors of its device", source.device_errors)),
            (source.state == SourceState::Lost).then(|| {
                let reason = source.reason.as_deref().unwrap_or("no reason given");
                format!("lost since {:.1} s: {reason}", source.since_ms / 1e3)
            }),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !told.is_empty() {
            text.push_str(&format!("{}: {}\n", source.name, told.join(", ")));
        }
    }
    let engine = &stats.engine;
    if let Some(suspended) = times(engine.suspends, "suspended") {
        let seconds = engine.suspended_ms / 1e3;
        text.push_str(&format!("the machine was {suspended}, {seconds:.1} s in all: nothing was mixed meanwhile\n"));
    }
    if let Some(set) = times(engine.clock_steps, "set") {
        let seconds = engine.clock_stepped_ms / 1e3;
        text.push_str(&format!("the time of day was {set}, {seconds:+.3} s in all: the mix did not notice\n"));
    }
    if engine.lost_events > 0 {
        text.push_str(&format!(
            "{} gaps or other events of the mixer are in no list: nobody came for them in time\n",
            engine.lost_events
        ));
    }
    text
}

/// A class in words, with the reason for what was refused.
pub(crate) fn grant(grant: &RealtimeGrant) -> String {
    let class = match grant.class {
        RealtimeClass::Ordinary => "ordinary".to_owned(),
        RealtimeClass::Fifo => format!("fifo, priority {}", grant.priority),
        RealtimeClass::RoundRobin => format!("round-robin, priority {}", grant.priority),
        RealtimeClass::Platform => "the platform's own for audio".to_owned(),
        RealtimeClass::None => "none: no thread".to_owned(),
        _ => "unknown".to_owned(),
    };
    let memory = if grant.memory_locked { ", memory locked" } else { "" };
    let reason = grant.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{class}{memory}{reason}")
}

fn counts(account: &ra_engine::core::FrameAccount) -> [u64; 4] {
    [account.produced_frames, account.delivered_frames, account.dropped_frames, account.queued_frames]
}

fn row(name: &str, state: &str, counts: [u64; 4], n_gaps: usize, drift: String) -> [String; 8] {
    let [produced, delivered, dropped, queued] = counts.map(|count| count.to_string());
    [name.to_owned(), state.to_owned(), produced, delivered, dropped, queued, n_gaps.to_string(), drift]
}

/// Rows with their columns one below the other: the first `n_left` to the left, the rest to the right.
pub(crate) fn table<const N: usize>(rows: &[[String; N]], n_left: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < n_left { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_engine::core::{EngineStats, FrameAccount, SinkState, SinkStats, SourceState, SourceStats};

    fn stats() -> Stats {
        let account = FrameAccount { produced_frames: 1280, delivered_frames: 1280, ..FrameAccount::default() };
        let realtime = RealtimeGrant { class: RealtimeClass::Fifo, priority: 70, memory_locked: true, reason: None };
        Stats {
            engine: EngineStats { blocks: 10, late_blocks: 1, xruns: 2, realtime, ..EngineStats::default() },
            sources: vec![SourceStats {
                name: "tone".into(),
                account,
                state: SourceState::Live,
                ..SourceStats::default()
            }],
            sinks: vec![SinkStats {
                name: "rec".into(),
                account,
                state: SinkState::Ok,
                files: vec!["out/rec.wav".into()],
                notes: vec!["3 samples clipped".into()],
                ..SinkStats::default()
            }],
            ..Stats::default()
        }
    }

    #[test]
    fn the_summary_has_the_documented_shape() {
        let json: serde_json::Value = serde_json::from_str(&to_json(&stats()).unwrap()).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["engine"]["blocks"], 10);
        assert_eq!(json["engine"]["realtime"]["class"], "fifo");
        assert_eq!(json["engine"]["realtime"]["memory_locked"], true);
        for row in [&json["sources"][0], &json["sinks"][0]] {
            for key in ["produced_frames", "delivered_frames"] {
                assert_eq!(row[key], 1280, "{key}");
            }
            for key in ["dropped_frames", "queued_frames"] {
                assert_eq!(row[key], 0, "{key}");
            }
        }
        assert_eq!(json["sources"][0]["state"], "live");
        assert!(json["sources"][0]["drift_ppm"].is_null() && json["sources"][0]["gaps"].is_array());
        assert_eq!(json["sinks"][0]["files"][0], "out/rec.wav");
    }

    #[test]
    fn the_account_is_a_table() {
        let text = account(&stats(), &EngineConfig::default());
        assert_eq!(
            text,
            "ran 0.0 s: 10 blocks of 128 frames at 48000 Hz stereo, 1 late, 2 xruns\n\
             real-time class: fifo, priority 70, memory locked\n\
             \n\
             source  state  produced  delivered  dropped  queued  gaps  drift\n\
             tone    live       1280       1280        0       0     0      -\n\
             sink    state  produced  delivered  dropped  queued  gaps\n\
             rec     ok         1280       1280        0       0     0\n\
             rec: 3 samples clipped\n\
             \n\
             files:\n  out/rec.wav\n"
        );
    }

    #[test]
    fn what_happened_to_sources_and_clocks_is_told() {
        let mut stats = stats();
        assert_eq!(mishaps(&stats), "");
        let source = &mut stats.sources[0];
        (source.losses, source.reconnects, source.failed_opens, source.hung_calls) = (2, 1, 40, 1);
        (source.state, source.since_ms, source.device_errors) = (SourceState::Lost, 12_345.0, 600_000);
        source.reason = Some("unplugged".into());
        (stats.engine.suspends, stats.engine.suspended_ms) = (1, 61_000.0);
        (stats.engine.clock_steps, stats.engine.clock_stepped_ms) = (2, -1_500.0);
        stats.engine.lost_events = 3;
        assert_eq!(
            mishaps(&stats),
            "tone: lost 2 times, opened again 1 time, opened in vain 40 times, a call into its device left behind 1 time, \
             600000 errors of its device, lost since 12.3 s: unplugged\n\
             the machine was suspended 1 time, 61.0 s in all: nothing was mixed meanwhile\n\
             the time of day was set 2 times, -1.500 s in all: the mix did not notice\n\
             3 gaps or other events of the mixer are in no list: nobody came for them in time\n"
        );
    }

    #[test]
    fn what_failed_for_good_is_named() {
        let mut stats = stats();
        assert!(failures(&stats).is_empty());
        stats.sinks[0].state = SinkState::Failed;
        stats.sinks[0].reason = Some("no space left on device".into());
        stats.sources[0].account.dropped_frames = 1;
        assert_eq!(
            failures(&stats),
            [
                "sink \"rec\" (out/rec.wav) failed: no space left on device",
                "the account of source \"tone\" does not balance: produced 1280 = delivered 1280 + dropped 1 + queued 0",
            ]
        );
        stats.sources[0].account.dropped_frames = 0;
        stats.sources[0].state = SourceState::Failed;
        stats.sinks[0].state = SinkState::Panicked;
        assert_eq!(
            failures(&stats),
            [
                "source \"tone\" () failed: no reason given",
                "sink \"rec\" (out/rec.wav) panicked: no space left on device",
            ]
        );
    }

    #[test]
    fn files_are_replaced_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary.json");
        let old = r#"{ "schema": 1, "engine": {}, "sinks": [] }"#;
        write_atomically(&path, old).unwrap();
        write_atomically(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        let failure = write_atomically(&path, old).unwrap_err();
        assert!(failure.to_string().ends_with(NOT_A_SUMMARY), "what is no summary is somebody's: {failure}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        let into_nothing = dir.path().join("missing/summary.json");
        let failure = write_atomically(&into_nothing, "x").unwrap_err();
        assert!(failure.to_string().contains("summary.json: "), "{failure}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1); // no parts left behind
    }
}
