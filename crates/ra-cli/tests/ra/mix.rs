//! `ra mix`: the sound that comes out against the sum in double precision, and what is said of what can't be mixed.

use crate::support::{Place, noise, sine};

#[test]
fn the_mix_is_the_sum_to_the_length_of_the_longest() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 2, 10_000), noise(1));
    place.write_wav("b.wav", (48_000, 2, 7_777), noise(2));
    place.write_wav("m.wav", (48_000, 1, 12_345), noise(3));
    let outcome = place.ra("mix a.wav b.wav m.wav -o out.wav --gain 2=-6 --gain 3=3.5").expect_code(0);
    assert_eq!(outcome.stdout, "out.wav: 12345 frames (0.257 s), 48000 Hz stereo, f32\n");
    assert_eq!(outcome.stderr, "");
    assert_eq!(place.names(), ["a.wav", "b.wav", "m.wav", "out.wav"]); // no sidecar

    let mixed = place.read_wav("out.wav");
    assert_eq!((mixed.hz, mixed.n_channels, mixed.n_frames()), (48_000, 2, 12_345));
    let gain_lin = |db: f64| 10f64.powf(db / 20.0);
    let mut worst: f64 = 0.0;
    for frame in 0..12_345 {
        for channel in 0..2 {
            let part = |seed, n_frames, channel| {
                if frame < n_frames { f64::from(noise(seed)(frame, channel)) } else { 0.0 }
            };
            let a = part(1, 10_000, channel);
            let b = part(2, 7_777, channel) * gain_lin(-6.0);
            let mono = part(3, 12_345, 0) * gain_lin(3.5); // unity law: both sides alike
            worst = worst.max((f64::from(mixed.samples[frame * 2 + channel]) - (a + b + mono)).abs());
        }
    }
    assert!(worst <= 1e-6, "{worst}");
}

#[test]
fn one_file_comes_out_bit_for_bit() {
    let place = Place::new();
    place.write_wav("a.wav", (44_100, 2, 5_001), noise(9));
    place.ra("mix a.wav -o out.wav").expect_code(0);
    let (original, mixed) = (place.read_wav("a.wav"), place.read_wav("out.wav"));
    assert_eq!(mixed.hz, 44_100);
    assert_eq!(mixed.samples, original.samples);
}

#[test]
fn the_output_has_the_most_channels_of_any_input() {
    let place = Place::new();
    place.write_wav("mono.wav", (48_000, 1, 100), noise(1));
    place.write_wav("stereo.wav", (48_000, 2, 100), noise(2));
    place.write_wav("six.wav", (48_000, 6, 100), noise(3));
    for (inputs, n_channels) in
        [("mono.wav mono.wav", 1), ("mono.wav stereo.wav", 2), ("stereo.wav six.wav mono.wav", 6)]
    {
        place.ra(&format!("mix {inputs} -o {n_channels}.wav")).expect_code(0);
        assert_eq!(place.read_wav(&format!("{n_channels}.wav")).n_channels, n_channels, "{inputs}");
    }
    // Twice the same mono file: exactly twice the sample.
    let twice = place.read_wav("1.wav");
    for (frame, sample) in twice.samples.iter().enumerate() {
        assert_eq!(*sample, 2.0 * noise(1)(frame, 0));
    }
}

#[test]
fn rates_that_differ_stay_aligned() {
    let place = Place::new();
    // The same sound at three rates: resampled to one, each is the same sine in the same phase.
    let seconds = 2;
    for hz in [48_000, 44_100, 96_000] {
        place.write_wav(&format!("{hz}.wav"), (hz, 1, hz as usize * seconds), sine(997.0, hz));
    }
    place.ra("mix 48000.wav 44100.wav 96000.wav -o out.wav").expect_code(0);
    let mixed = place.read_wav("out.wav");
    assert_eq!((mixed.hz, mixed.n_channels, mixed.n_frames()), (48_000, 1, 96_000));
    let expected = sine(997.0, 48_000);
    let (mut error, mut power) = (0.0, 0.0);
    // The ends of a sine that begins and stops at once ring in any resampler.
    for frame in 4_800..91_200 {
        let truth = 3.0 * f64::from(expected(frame, 0));
        error += (f64::from(mixed.samples[frame]) - truth).powi(2);
        power += truth.powi(2);
    }
    let error_db = 10.0 * (error / power).log10();
    assert!(error_db < -100.0, "{error_db} dB");
}

#[test]
fn the_rate_can_be_chosen() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 2, 48_000), sine(1000.0, 48_000));
    let outcome = place.ra("mix a.wav -o out.wav --rate 44100 --format s24").expect_code(0);
    assert_eq!(outcome.stdout, "out.wav: 44100 frames (1.000 s), 44100 Hz stereo, s24\n");
    let mixed = place.read_wav("out.wav");
    assert_eq!((mixed.hz, mixed.n_frames()), (44_100, 44_100));
    let amplitude = mixed.tone_amplitude(1000.0, 1, 4_410..39_690);
    assert!((20.0 * (amplitude / 0.25).log10()).abs() < 0.01, "{amplitude}");
}

#[test]
fn peaks_over_full_scale_are_kept_in_float_and_told_in_whole_numbers() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 1, 1_000), |frame, _| if frame % 10 == 0 { 0.75 } else { 0.0 });
    let float = place.ra("mix a.wav a.wav -o f.wav").expect_code(0);
    assert_eq!(float.stderr, "");
    assert_eq!(place.read_wav("f.wav").samples[10], 1.5);
    let whole = place.ra("mix a.wav a.wav -o s.wav --format s16").expect_code(0);
    assert!(whole.stderr.contains("s.wav: 100 samples clipped"), "{}", whole.stderr);
}

#[test]
fn what_can_not_be_mixed_is_named_and_nothing_is_written() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 1, 100), noise(1));
    place.write("text.wav", "this is no sound");
    place.write("empty.wav", "");
    place.write("there.wav", "precious");
    let before = place.names();
    for (line, says) in [
        ("mix missing.wav a.wav gone.wav -o out.wav", "gone.wav: No such file"),
        ("mix missing.wav a.wav -o out.wav", "missing.wav: No such file"),
        ("mix text.wav -o out.wav", "text.wav: "),
        ("mix empty.wav -o out.wav", "empty.wav: "),
        ("mix . -o out.wav", ".: "),
        ("mix a.wav -o out.wav --gain 3=-6", "--gain 3=-6: expected an input from 1 to 1"),
        ("mix a.wav -o out.wav --gain 1=-6 --gain 1=2", "input 1 has two gains"),
        ("mix a.wav -o out.wav --rate 0", "a sample rate of 0 Hz, expected 1000 to 768000 Hz"),
        ("mix a.wav -o out.wav --rate 10000000", "a sample rate of 10000000 Hz, expected 1000 to 768000 Hz"),
        ("mix a.wav -o there.wav", "there.wav: exists, expected a name that is free, or --force to replace it"),
        ("mix a.wav -o a.wav --force", "a.wav: is an input too"),
        ("mix a.wav -o no/out.wav", "there is no directory no"),
        ("mix a.wav -o out.mp3", "out.mp3: expected a name that ends in .wav"),
    ] {
        let outcome = place.ra(line).expect_code(2);
        assert!(outcome.stderr.contains(says), "{line}: {}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
        assert_eq!(place.names(), before, "{line}");
    }
    assert_eq!(std::fs::read_to_string(place.path("there.wav")).unwrap(), "precious");
    place.ra("mix a.wav -o there.wav --force").expect_code(0);
    assert_eq!(place.read_wav("there.wav").n_frames(), 100);
    assert_eq!(place.names(), before);
}

#[test]
fn names_with_braces_are_names() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 1, 100), noise(1));
    place.ra("mix a.wav -o {time}.wav").expect_code(0);
    assert_eq!(place.names(), ["a.wav", "{time}.wav"]);
}

#[test]
fn numbers_that_are_none_become_silence_and_are_told() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 1, 100), |frame, _| [0.5, f32::NAN, f32::INFINITY][frame % 3]);
    let outcome = place.ra("mix a.wav -o out.wav").expect_code(0);
    assert!(outcome.stderr.contains("a.wav: 66 samples are no numbers, and are silent"), "{}", outcome.stderr);
    let mixed = place.read_wav("out.wav");
    assert!(mixed.samples.iter().enumerate().all(|(frame, &x)| x == if frame % 3 == 0 { 0.5 } else { 0.0 }));
}

#[test]
fn a_file_that_lies_about_its_length_is_mixed_as_far_as_it_goes() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 2, 1_000), noise(4));
    let bytes = std::fs::read(place.path("a.wav")).unwrap();
    std::fs::write(place.path("short.wav"), &bytes[..bytes.len() - 8 * 100 - 3]).unwrap();
    let outcome = place.ra("mix short.wav -o out.wav").expect_code(0);
    assert!(outcome.stderr.contains("short.wav"), "{}", outcome.stderr);
    assert_eq!(place.read_wav("out.wav").n_frames(), 899);
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_can_not_be_written_is_a_failure_that_names_it() {
    let place = Place::new();
    place.write_wav("a.wav", (48_000, 2, 1_000), noise(4));
    let outcome = place.ra("mix a.wav -o /proc/out.wav");
    assert!(matches!(outcome.code, Some(1 | 2)), "{outcome:?}");
    assert!(outcome.stderr.contains("/proc/out.wav"), "{}", outcome.stderr);
    assert!(outcome.stdout.is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_mix_leaves_what_was_there() {
    use std::process::Stdio;

    let place = Place::new();
    place.write_wav("a.wav", (96_000, 2, 96_000 * 30), noise(1));
    place.write("out.wav", "precious");
    let mut command = place.command("mix a.wav -o out.wav --rate 44100 --force");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The part file appears behind the signal handlers.
    while place.names().len() == 2 && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    for signal in ["-STOP", "-INT", "-CONT"] {
        // Where it is done already there is nobody to be signalled.
        let _ =
            std::process::Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status();
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(place.names(), ["a.wav", "out.wav"]);
    match output.status.code() {
        Some(1) => {
            assert!(stderr.contains("interrupted; out.wav stays as it was"), "{stderr}");
            assert_eq!(std::fs::read_to_string(place.path("out.wav")).unwrap(), "precious");
        }
        // A machine that mixes 30 s before a signal arrives.
        Some(0) => assert_eq!(place.read_wav("out.wav").n_frames(), 44_100 * 30),
        other => panic!("{other:?}: {stderr}"),
    }
}
