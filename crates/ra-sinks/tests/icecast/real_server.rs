//! With a real icecast2, and ffmpeg as the listener's decoder.

use std::process::Command;
use std::time::{Duration, Instant};

use ra_core::{Metadata, SinkCommand};
use ra_sinks::icecast_testing::{Ears, Heard, IcecastServer, Proxy, ServerPlan, decode_errors, missing_tools, tags_of};
use ra_sinks::{IcecastConfig, StreamCodec};

use super::player::{Player, TONE_DBFS, TONE_HZ, config};

/// A server, unless there is none here; a failure on CI.
fn server() -> Option<IcecastServer> {
    server_with("")
}

/// The same with elements of its configuration.
fn server_with(xml: &str) -> Option<IcecastServer> {
    let missing = missing_tools();
    if missing.is_empty() {
        return Some(IcecastServer::start(ServerPlan { xml: xml.to_owned(), ..ServerPlan::default() }));
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} are not installed", missing.join(", "));
    println!("skipped: {} are not installed", missing.join(", "));
    None
}

fn config_for(server: &IcecastServer, mount: &str) -> IcecastConfig {
    config(&server.url(mount), IcecastServer::PASSWORD)
}

fn title(text: &str) -> Metadata {
    Metadata { title: Some(text.to_owned()), artist: Some("Sigur Rós".to_owned()), ..Metadata::default() }
}

/// Listens for some bytes of the stream.
fn listen(server: &IcecastServer, mount: &str, n_bytes: usize) -> Heard {
    let (heard, is_enough) =
        Ears::until(server.address(), mount, Duration::from_secs(30), |heard| heard.bytes.len() >= n_bytes);
    assert!(is_enough, "{} bytes of {mount}: {}", heard.bytes.len(), heard.head);
    heard
}

/// Frequency in Hz and level in dBFS of what ffmpeg decodes from a stream, without its first half second.
fn tone_of(stream: &[u8]) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let (coded, raw) = (folder.path().join("coded"), folder.path().join("raw"));
    std::fs::write(&coded, stream).unwrap();
    let ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(&coded)
        .args(["-ar", "48000", "-f", "f32le"])
        .arg(&raw)
        .output()
        .unwrap();
    assert!(ffmpeg.status.success(), "{}", String::from_utf8_lossy(&ffmpeg.stderr));
    let bytes = std::fs::read(&raw).unwrap();
    // The left one of two channels.
    let left = bytes.chunks_exact(8).map(|frame| f64::from(f32::from_le_bytes(frame[..4].try_into().unwrap())));
    let samples: Vec<f64> = left.skip(24_000).collect();
    assert!(samples.len() > 48_000, "{} samples", samples.len());
    let rising: Vec<f64> = samples
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] <= 0.0 && pair[1] > 0.0)
        .map(|(at, pair)| at as f64 - pair[0] / (pair[1] - pair[0]))
        .collect();
    let n_periods = (rising.len() - 1) as f64;
    let hz = n_periods * 48_000.0 / (rising[rising.len() - 1] - rising[0]);
    let mean_square = samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64;
    (hz, 10.0 * (2.0 * mean_square).log10())
}

fn check_tone(stream: &[u8]) {
    check_tone_at(stream, TONE_DBFS);
}

fn check_tone_at(stream: &[u8], expected_dbfs: f64) {
    let (hz, dbfs) = tone_of(stream);
    assert!((hz - TONE_HZ).abs() < 0.5, "{hz} Hz");
    assert!((dbfs - expected_dbfs).abs() < 0.3, "{dbfs} dBFS");
}

#[test]
fn what_goes_in_is_heard_in_opus_and_in_flac() {
    let Some(server) = server() else { return };
    for (codec, mount, n_bytes) in [(StreamCodec::Opus, "/live.ogg", 50_000), (StreamCodec::Flac, "/live.oga", 400_000)]
    {
        let mut config = config_for(&server, mount);
        config.codec = codec;
        config.station.name = Some("Grüße ❤".to_owned());
        config.station.description = Some("a tone".to_owned());
        config.metadata = title("Hoppípolla");
        let player = Player::start(config);
        player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 0);
        let heard = listen(&server, mount, n_bytes);
        let status = server.status();
        let told = [
            "\"server_name\":\"Grüße ❤\"",
            "\"ice-samplerate\":48000",
            "\"ice-channels\":2",
            "\"server_type\":\"application/ogg\"",
        ];
        assert!(told.iter().all(|text| status.contains(text)), "{status}");
        assert_eq!(decode_errors(&heard.bytes), "");
        assert_eq!(tags_of(&heard.bytes), [["TITLE=Hoppípolla", "ARTIST=Sigur Rós"]]);
        check_tone(&heard.bytes);
        let (report, account) = player.finish();
        report.unwrap();
        assert_eq!((account.dropped_frames, account.delivered_frames), (0, account.produced_frames));
    }
}

#[test]
#[cfg(feature = "mp3")]
fn what_goes_in_is_heard_in_mp3_and_its_title_is_told_by_url() {
    // Else Icecast tells titles of MP3 in Latin 1, whatever it was told them in.
    let utf_8 = "<mount type=\"normal\"><mount-name>/live.mp3</mount-name><charset>UTF8</charset></mount>";
    let Some(mut server) = server_with(utf_8) else { return };
    let mut config = config_for(&server, "/live.mp3");
    config.codec = StreamCodec::Mp3;
    config.metadata = title("Hoppípolla");
    let player = Player::start(config);
    // What the server tells of its streams comes a moment behind what it was told.
    let is_told = |server: &IcecastServer, title: &str| server.status().contains(&format!("\"title\":\"{title}\""));
    player.wait_until("titled", |_, counts| counts.metadata_updates == 1);
    player.wait_until("told of", |_, _| is_told(&server, "Sigur Rós - Hoppípolla"));
    let heard = listen(&server, "/live.mp3", 50_000);
    // At this bit rate LAME makes room for its own overshoot: it scales by 0.95.
    check_tone_at(&heard.bytes, TONE_DBFS + 20.0 * 0.95_f64.log10());
    player.command(SinkCommand::SetMetadata(title("日本 & 100 %")));
    player.wait_until("titled", |_, counts| counts.metadata_updates == 2);
    player.wait_until("told of", |_, _| is_told(&server, "Sigur Rós - 日本 & 100 %"));
    // A server that comes back is told again.
    server.kill();
    player.trouble();
    server.restart();
    player.wait_until("titled", |_, counts| counts.metadata_updates == 3);
    player.wait_until("told of", |_, _| is_told(&server, "Sigur Rós - 日本 & 100 %"));
    player.finish().0.unwrap();
}

#[test]
fn a_title_by_command_reaches_a_listener_without_a_hole() {
    let Some(server) = server() else { return };
    let mut config = config_for(&server, "/live.ogg");
    config.metadata = title("first");
    let player = Player::start(config);
    player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 48_000);
    let ears = Ears::one(server.address(), "/live.ogg");
    player.play_on(48_000);
    player.command(SinkCommand::SetMetadata(title("second ❤")));
    player.play_on(3 * 48_000);
    let heard = ears.close().remove(0);
    assert_eq!(decode_errors(&heard.bytes), "");
    assert_eq!(
        tags_of(&heard.bytes).iter().map(|tags| tags[0].as_str()).collect::<Vec<_>>(),
        ["TITLE=first", "TITLE=second ❤"]
    );
    check_tone(&heard.bytes);
    let (report, account) = player.finish();
    report.unwrap();
    assert_eq!(account.dropped_frames, 0, "{account}");
}

#[test]
fn a_wrong_password_and_a_mount_in_use_are_told_and_the_mount_is_taken_when_it_is_free() {
    let Some(server) = server() else { return };
    let wrong = Player::start(config(&server.url("/live.ogg"), "wrong"));
    assert!(wrong.trouble().contains("401: the server refuses the user or the password"), "{}", wrong.trouble());
    let first = Player::start(config_for(&server, "/live.ogg"));
    first.wait_until("streaming", |_, counts| counts.acknowledged_frames > 0);
    let second = Player::start(config_for(&server, "/live.ogg"));
    assert!(second.trouble().contains("403: somebody else is on the mount"), "{}", second.trouble());
    first.finish().0.unwrap();
    second.wait_until("streaming", |known, counts| counts.acknowledged_frames > 0 && known.trouble.is_none());
}

#[test]
fn it_comes_back_with_its_title_after_a_restart_and_out_of_a_black_hole() {
    let Some(mut server) = server() else { return };
    let proxy = Proxy::to(server.address());
    let mut config = config(&proxy.url("/live.ogg"), IcecastServer::PASSWORD);
    config.metadata = title("still here");
    config.stall_ms = 1_500;
    let player = Player::start(config);
    player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 48_000);
    let came_back = |player: &Player, server: &IcecastServer, connections: u64| {
        let begun = Instant::now();
        player.wait_until("back", |known, counts| counts.connections == connections && known.trouble.is_none());
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        let heard = listen(server, "/live.ogg", 30_000);
        assert_eq!(decode_errors(&heard.bytes), "");
        assert_eq!(tags_of(&heard.bytes)[0][0], "TITLE=still here");
    };
    server.kill();
    let trouble = player.trouble();
    assert!(trouble.contains("/live.ogg: the "), "{trouble}");
    server.restart();
    came_back(&player, &server, 2);

    proxy.swallow();
    let trouble = player.trouble();
    assert!(trouble.contains("the server has acknowledged nothing for "), "{trouble}");
    // The server has to notice as well: until then its mount is taken.
    player.wait_until("freed", |_, _| !server.has_source("/live.ogg"));
    proxy.open();
    came_back(&player, &server, 3);
    let (report, account) = player.finish();
    report.unwrap();
    assert!(account.dropped_frames > 48_000, "{account}");
    assert_eq!(server.log().matches("panic").count(), 0);
}
