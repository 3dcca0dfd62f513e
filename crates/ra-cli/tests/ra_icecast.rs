//! `ra` with a real icecast2: a station by its config file alone, a title from a file's tags, a password that nobody sees.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ra_engine::sinks::icecast_testing::{Ears, IcecastServer, ServerPlan, decode_errors, missing_tools, tags_of};

const VARIABLE: &str = "RA_TEST_ICECAST_PASSWORD";

fn server() -> Option<IcecastServer> {
    let missing = missing_tools();
    if missing.is_empty() {
        return Some(IcecastServer::start(ServerPlan::default()));
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} are not installed", missing.join(", "));
    println!("skipped: {} are not installed", missing.join(", "));
    None
}

/// A second of a tone with a title.
fn write_tagged(path: &Path) {
    let sound = ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=frequency=997:duration=20:sample_rate=48000"];
    let tags = ["-metadata", "title=Hoppípolla ❤", "-metadata", "artist=Sigur Rós"];
    assert!(Command::new("ffmpeg").args(sound).args(tags).arg(path).status().unwrap().success());
}

fn config(server: &IcecastServer, password: &str) -> String {
    format!(
        "[[source]]\nname = \"bed\"\nkind = \"file\"\npath = \"bed.flac\"\nloop = true\n\
         [[sink]]\nname = \"air\"\nkind = \"icecast\"\nurl = \"{}\"\n{password}\nbitrate_kbps = 96\n\
         station = {{ name = \"Radio é\", genre = \"Test\" }}\nmetadata = {{ title = \"Studio 1\" }}\n\
         metadata_from = \"source:bed\"\n",
        server.url("/live.ogg")
    )
}

fn ra(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ra"));
    command
        .current_dir(dir)
        .args(args)
        .env_remove("RA_LOG")
        .env(VARIABLE, IcecastServer::PASSWORD)
        .stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_station_runs_by_its_config_and_shows_its_password_to_nobody_but_the_server() {
    let Some(server) = server() else { return };
    let dir = tempfile::tempdir().unwrap();
    write_tagged(&dir.path().join("bed.flac"));
    std::fs::write(dir.path().join("ra.toml"), config(&server, &format!("password_env = \"{VARIABLE}\""))).unwrap();
    let check = ra(dir.path(), &["check", "ra.toml", "-vvv"]).output().unwrap();
    assert!(check.status.success(), "{}", text(&check));
    assert!(text(&check).contains("/live.ogg (opus 96 kbit/s) from main"), "{}", text(&check));
    assert!(!server.log().contains("source"), "check connects nothing");

    let run = ["run", "ra.toml", "--for", "8s", "--summary", "s.json", "-vvv"];
    let run = ra(dir.path(), &run).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !server.has_source("/live.ogg") {
        assert!(begun.elapsed() < Duration::from_secs(30), "not on the air: {}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(server.status().contains("\"server_name\":\"Radio é\""), "{}", server.status());
    let expected = ["TITLE=Hoppípolla ❤".to_owned(), "ARTIST=Sigur Rós".to_owned()];
    let (heard, is_there) = Ears::until(server.address(), "/live.ogg", Duration::from_secs(30), |heard| {
        tags_of(&heard.bytes).last().is_some_and(|tags| tags[..] == expected) && heard.bytes.len() > 30_000
    });
    assert!(is_there, "{:?}", tags_of(&heard.bytes));
    assert_eq!(decode_errors(&heard.bytes), "");
    let run = run.wait_with_output().unwrap();
    assert!(run.status.success(), "{}", text(&run));
    let summary = std::fs::read_to_string(dir.path().join("s.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let sink = &json["sinks"][0];
    assert_eq!((sink["state"].as_str(), sink["dropped_frames"].as_u64()), (Some("ok"), Some(0)), "{sink}");
    assert!(sink["notes"][0].as_str().unwrap().contains("1 connections"), "{sink}");
    let help = ra(dir.path(), &["run", "--help"]).output().unwrap();
    for shown in [text(&check), text(&run), text(&help), summary] {
        assert!(!shown.contains(IcecastServer::PASSWORD), "the password is shown");
    }
}

#[test]
fn a_password_file_is_read_and_a_wrong_one_fails_the_run_in_words() {
    let Some(server) = server() else { return };
    let dir = tempfile::tempdir().unwrap();
    write_tagged(&dir.path().join("bed.flac"));
    std::fs::write(dir.path().join("secret"), "not-the-password\n").unwrap();
    std::fs::write(dir.path().join("ra.toml"), config(&server, "password_file = \"secret\"")).unwrap();
    let run = ra(dir.path(), &["run", "ra.toml", "--for", "2s", "--summary", "s.json"]).output().unwrap();
    let said = text(&run);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("everybody on this machine can read this password"), "{said}");
    assert!(
        said.contains("sink \"air\" failed: ") && said.contains("401: the server refuses the user or the password"),
        "{said}"
    );
    assert!(!said.contains("not-the-password"), "{said}");
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("s.json")).unwrap()).unwrap();
    let sink = &json["sinks"][0];
    assert_eq!(sink["produced_frames"], sink["dropped_frames"], "{sink}");
}
