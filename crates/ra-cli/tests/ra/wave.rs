//! `ra wave`: what the picture shows against the sound that went in, and what is said of what can't be drawn.

use crate::support::{Place, noise};

/// Two seconds: silence, then a loud stretch in the left channel alone that is clipped at its end.
fn write_take(place: &Place) {
    place.write_wav("take.wav", (48_000, 2, 96_000), |frame, channel| match (frame, channel) {
        (48_000..72_000, 0) => 0.5 * if frame % 2 == 0 { 1.0 } else { -1.0 },
        (95_900.., 0) => 1.0,
        _ => 0.0,
    });
}

const SIDECAR: &str = r#"{ "schema": 1, "start": { "time": "2026-11-21T10:15:30.25Z" }, "gaps": [
    { "at_frame": 7, "in_file_frame": 24000, "n_frames": 12000, "reason": "device-lost" } ] }"#;

#[test]
fn the_picture_lies_beside_the_sound_and_shows_gaps_and_clipping() {
    let place = Place::new();
    write_take(&place);
    place.write("take.wav.json", SIDECAR);
    let outcome = place.ra("wave take.wav").expect_code(0);
    assert_eq!(
        outcome.stdout,
        "take.wav.svg: 0:02.000, 48000 Hz stereo, peak 0.0 dBFS, RMS -12.0 dBFS, 100 samples clipped, 1 gap, 0.250 s \
         missing, from 2026-11-21T10:15:30Z\n"
    );
    assert_eq!(outcome.stderr, "");
    assert_eq!(place.names(), ["take.wav", "take.wav.json", "take.wav.svg"]);
    let svg = std::fs::read_to_string(place.path("take.wav.svg")).unwrap();
    for part in ["take.wav", "0.250 s missing: device-lost", "class=\"clip\"", "prefers-color-scheme:dark", ">0:01.0<"]
    {
        assert!(svg.contains(part), "{part}");
    }
    assert_eq!(svg.matches("<path class=\"peak\"").count(), 2);
}

#[test]
fn the_outline_is_the_sounds() {
    let place = Place::new();
    write_take(&place);
    let json = place.ra("wave take.wav --json --width 1076").expect_code(0).stdout;
    assert_eq!(place.names(), ["take.wav"], "data alone leaves no picture");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["schema"], &json["n_columns"], &json["n_frames"]), (&1.into(), &1000.into(), &96_000.into()));
    let value = |channel: usize, key: &str, column: usize| json["channels"][channel][key][column].as_f64().unwrap();
    for column in (0..495).chain(760..995) {
        assert_eq!(value(0, "max_lin", column), 0.0, "{column}");
    }
    for column in 505..745 {
        assert_eq!((value(0, "min_lin", column), value(0, "max_lin", column)), (-0.5, 0.5), "{column}");
        assert!((value(0, "columns_rms_lin", column) - 0.5).abs() < 1e-6);
        assert_eq!(value(1, "max_lin", column), 0.0);
    }
    assert_eq!(value(0, "max_lin", 999), 1.0);
    assert_eq!(json["channels"][0]["clipped_samples"], 100);
    assert_eq!(json["channels"][1]["peak_lin"], 0.0);
}

#[test]
fn a_png_has_the_size_that_was_asked_for_and_its_colours() {
    let place = Place::new();
    write_take(&place);
    for (options, ground) in [("", [252, 252, 250]), ("--theme dark --scale db --force", [19, 22, 27])] {
        place.ra(&format!("wave take.wav -o a.PNG --width 640 --height 300 {options}")).expect_code(0);
        let file = std::fs::File::open(place.path("a.PNG")).unwrap();
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (640, 300, png::ColorType::Rgb));
        assert_eq!(pixels[..3], ground);
        let n_colours = pixels.chunks_exact(3).collect::<std::collections::BTreeSet<_>>().len();
        assert!(n_colours > 8, "{n_colours}");
    }
}

#[test]
fn nothing_is_replaced_unless_told_and_nothing_is_left_by_a_failure() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 1, 1_000), noise(1));
    place.ra("wave a.wav").expect_code(0);
    let refused = place.ra("wave a.wav").expect_code(2);
    assert!(
        refused.stderr.contains("a.wav.svg: exists, expected a name that is free, or --force"),
        "{}",
        refused.stderr
    );
    place.ra("wave a.wav --force").expect_code(0);

    place.write("text.wav", "this is no sound");
    place.write("empty.flac", "");
    for (line, says) in [
        ("wave missing.wav", "missing.wav"),
        ("wave text.wav", "text.wav"),
        ("wave empty.flac", "empty.flac"),
        ("wave a.wav -o a.jpg", "a.jpg: expected a name that ends in .svg or .png"),
        ("wave a.wav -o no/a.svg", "there is no directory no"),
        ("wave a.wav -o b.svg --width 10", "--width 10, expected 200 to 16384"),
        ("wave a.wav -o b.svg --height 20", "--height 20, expected 126 to 16384 pixels for 1 channels"),
    ] {
        let outcome = place.ra(line).expect_code(2);
        assert!(outcome.stderr.contains(says), "{line}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
    }
    assert_eq!(place.names(), ["a.wav", "a.wav.svg", "empty.flac", "text.wav"]);
}

#[test]
fn odd_sounds_are_drawn_and_told() {
    let place = Place::new();
    place.write_wav("nan.wav", (48_000, 1, 100), |frame, _| if frame == 50 { f32::NAN } else { 0.25 });
    let outcome = place.ra("wave nan.wav").expect_code(0);
    assert!(outcome.stderr.contains("1 samples are no numbers, and are drawn as silence"), "{}", outcome.stderr);
    place.write_wav("none.wav", (48_000, 2, 0), |_, _| 0.0);
    assert!(place.ra("wave none.wav").expect_code(0).stdout.contains("0:00.000, 48000 Hz stereo, peak silent"));
    place.write_wav("one.wav", (48_000, 1, 1), |_, _| 0.25);
    place.write("one.wav.json", "{}");
    let outcome = place.ra("wave one.wav -o one.png").expect_code(0);
    assert!(outcome.stderr.contains("one.wav.json: missing field"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("its gaps are not drawn"));
}
