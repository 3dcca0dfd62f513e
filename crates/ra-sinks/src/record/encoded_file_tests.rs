//! FLAC and Opus files on a disk in memory: finished, and on a disk that fails. Read by programs that are not ours.

use std::io::{Cursor, ErrorKind};

use ogg::PacketReader;
use ra_core::{FramePosition, StreamSpec};

use super::{
    config::SampleFormat,
    container::{FileFormat, FrameCounts},
    encoded_bench::{
        Judge, ORIGIN, Recording, decode, extension, judges_of, quantised, sound, try_create, try_create_by,
    },
    encoded_file::create_with_dear_silence,
    faulty_storage::FaultyDisk,
};

#[test]
fn flac_gives_back_every_sample_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    for (hz, channels, sample_format) in [
        (48_000, 2, SampleFormat::S24),
        (44_100, 1, SampleFormat::S16),
        (8_000, 2, SampleFormat::S16),
        (192_000, 2, SampleFormat::S24),
        (48_000, 3, SampleFormat::S24),
        (96_000, 8, SampleFormat::S24),
        (44_101, 6, SampleFormat::S16),
    ] {
        let disk = FaultyDisk::default();
        let spec = StreamSpec::new(hz, channels).unwrap();
        let mut recording = try_create(disk.clone(), FileFormat::Flac, sample_format, spec).unwrap();
        let mut expected = Vec::new();
        // Quiet, silent, and noise beyond full scale, whose sides need a bit more than the samples.
        let loud: Vec<f32> =
            sound(0..20_000, channels).iter().enumerate().map(|(i, s)| s * 1e4 * [1.0, -1.0][i % 2]).collect();
        for samples in [sound(0..9_001, channels), loud, sound(5..30, channels)] {
            let n_clipped = recording.file.append(FramePosition(recording.position), &samples).unwrap();
            assert_eq!(n_clipped > 1000, samples.iter().any(|s| s.abs() > 1.0), "{n_clipped} clipped");
            expected.extend(quantised(sample_format, recording.position, channels, &samples));
            recording.position += spec.frames(samples.len()) as u64;
            recording.file.append_silence(777).unwrap();
            expected.extend(vec![0.0; 777 * usize::from(channels)]);
            recording.position += 777;
        }
        recording.file.close().unwrap();
        let n_frames = recording.position - ORIGIN;
        assert_eq!(recording.file.counts(), FrameCounts { taken_frames: n_frames, published_frames: n_frames });
        for (judge, read) in decode(dir.path(), FileFormat::Flac, &disk.bytes()) {
            assert!(read == expected, "{judge:?}: other samples at {hz} Hz, {channels} channels, {sample_format}");
        }
    }
}

/// The sum over the samples, little end first, stands in the file as soon as it is complete, and not before.
#[test]
fn a_finished_flac_file_has_the_sum_of_its_samples() {
    let disk = FaultyDisk::default();
    let spec = StreamSpec::new(48_000, 2).unwrap();
    let mut recording = try_create(disk.clone(), FileFormat::Flac, SampleFormat::S16, spec).unwrap();
    recording.write(10_000).unwrap();
    recording.flush().unwrap();
    assert_eq!(disk.bytes()[26..42], [0; 16]);
    recording.file.close().unwrap();
    let samples = quantised(SampleFormat::S16, ORIGIN, 2, &sound(ORIGIN..ORIGIN + 10_000, 2));
    let bytes: Vec<u8> = samples.iter().flat_map(|s| ((s * 32_768.0) as i16).to_le_bytes()).collect();
    assert_eq!(disk.bytes()[26..42], md5::compute(bytes).0);
}

#[test]
fn a_file_is_as_long_as_what_was_written_to_the_frame() {
    let dir = tempfile::tempdir().unwrap();
    for format in [FileFormat::Flac, FileFormat::Opus] {
        for n_frames in [0, 1, 2, 15, 16, 17, 311, 312, 313, 647, 648, 649, 960, 2303, 2304, 2305, 2879, 12_345] {
            let disk = FaultyDisk::default();
            let mut recording = Recording::on(disk.clone(), format, 48_000, 2);
            recording.write(n_frames).unwrap();
            recording.file.close().unwrap();
            assert_eq!(recording.file.counts().published_frames, n_frames);
            for (judge, read) in decode(dir.path(), format, &disk.bytes()) {
                assert_eq!(read.len() as u64 / 2, n_frames, "{judge:?}, {format:?}");
            }
        }
    }
}

/// What the rates of the two sides make of a length: the nearest number of frames.
#[test]
fn an_opus_file_of_any_rate_is_as_long_as_its_time() {
    let dir = tempfile::tempdir().unwrap();
    for (hz, channels) in [(44_100, 2), (16_000, 1), (96_000, 2), (24_000, 2), (22_050, 1), (192_000, 4)] {
        let disk = FaultyDisk::default();
        let mut recording = Recording::on(disk.clone(), FileFormat::Opus, hz, channels);
        for n_frames in [1, 4_000, 10_001, 128] {
            recording.write(n_frames).unwrap();
            recording.flush().unwrap();
        }
        recording.file.close().unwrap();
        let n_frames = recording.position - ORIGIN;
        assert_eq!(recording.file.counts().published_frames, n_frames);
        let expected = (n_frames as f64 * 48_000.0 / f64::from(hz)).round() as usize;
        let path = dir.path().join("copy.opus");
        std::fs::write(&path, disk.bytes()).unwrap();
        for judge in judges_of("opus") {
            // libsndfile decodes at that of Opus's rates that is next above the one that the header remembers.
            let rates = [8_000, 12_000, 16_000, 24_000, 48_000];
            let rate = rates.into_iter().find(|&r| r >= hz && judge == Judge::Sndfile).unwrap_or(48_000);
            let expected = expected * rate as usize / 48_000;
            assert_eq!(judge.decode(&path).len() / usize::from(channels), expected, "{judge:?} at {hz} Hz");
        }
    }
}

/// The packets and granule positions of an Ogg file, without the serial number, which is random.
fn packets(bytes: Vec<u8>) -> Vec<(Vec<u8>, u64)> {
    let mut reader = PacketReader::new(Cursor::new(bytes));
    std::iter::from_fn(|| reader.read_packet().unwrap()).map(|p| (p.data.clone(), p.absgp_page())).collect()
}

fn undisturbed(format: FileFormat) -> Vec<u8> {
    let disk = FaultyDisk::default();
    let mut recording = Recording::on(disk.clone(), format, 48_000, 1);
    for _ in 0..60 {
        recording.write(300).unwrap();
    }
    recording.file.close().unwrap();
    disk.bytes()
}

/// A disk that is full from byte `room` on, at hundreds of places: what is in the file is whole and told, and when there
/// is room again the file becomes what it would have been.
#[test]
fn a_disk_that_fills_up_anywhere_leaves_whole_pages_and_loses_nothing_taken() {
    for format in [FileFormat::Flac, FileFormat::Opus] {
        let whole = undisturbed(format);
        let whole_packets = if format == FileFormat::Opus { packets(whole.clone()) } else { Vec::new() };
        let mut n_errors = 0;
        let disk = FaultyDisk::default();
        drop(Recording::on(disk.clone(), format, 48_000, 1));
        let beginning = disk.bytes().len() as u64;
        let step = if format == FileFormat::Flac { 61 } else { 7 };
        for room in (beginning..whole.len() as u64).step_by(step) {
            let disk = FaultyDisk::default();
            let mut recording = Recording::on(disk.clone(), format, 48_000, 1);
            disk.with(|d| (d.room_bytes, d.most_per_write) = (Some(room), Some(1 + room as usize % 500)));
            for _ in 0..60 {
                recording.write(300).expect("the buffer has room");
                n_errors += u32::from(recording.flush().is_err());
                let (bytes, told) = (disk.bytes(), recording.file.counts().published_frames);
                if format == FileFormat::Flac {
                    let head = u64::from_be_bytes(bytes[18..26].try_into().unwrap()) & ((1 << 36) - 1);
                    assert_eq!(head, told);
                    // Nothing but whole frames stands there, in their final places.
                    assert!(told == 0 || whole[beginning as usize..].starts_with(&bytes[beginning as usize..]));
                } else if told > 0 {
                    let read = packets(bytes);
                    assert!(whole_packets.starts_with(&read), "{} packets", read.len());
                    assert_eq!(read.last().unwrap().1 - 312, told);
                }
            }
            disk.with(|d| (d.room_bytes, d.most_per_write) = (None, None));
            recording.file.close().expect("there is room again");
            assert_eq!(recording.file.counts().published_frames, 60 * 300);
            if format == FileFormat::Flac {
                assert!(disk.bytes() == whole, "another file with room for {room} bytes");
            } else {
                assert!(packets(disk.bytes()) == whole_packets, "another file with room for {room} bytes");
            }
        }
        assert!(n_errors > 1000, "{n_errors} times the disk was full");
    }
}

#[test]
fn a_disk_that_stays_broken_refuses_blocks_when_the_buffer_is_full_and_keeps_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    for format in [FileFormat::Flac, FileFormat::Opus] {
        let disk = FaultyDisk::default();
        let mut recording = Recording::on(disk.clone(), format, 48_000, 2);
        disk.with(|d| d.is_broken = true);
        let mut n_taken = 0u64;
        while recording.write(4800).is_ok() {
            n_taken += 4800;
            assert!(n_taken < 48_000 * 60, "{format:?}: the buffer takes a minute");
        }
        assert!(n_taken > 48_000, "{format:?}: {n_taken} frames");
        assert_eq!(recording.file.counts(), FrameCounts { taken_frames: n_taken, published_frames: 0 });
        assert!(recording.write(1).is_err() && recording.flush().is_err());
        // A gap is taken as a number, however long it is; what follows it is not, until the gap is in the file.
        recording.file.append_silence(480_000).unwrap();
        assert!(recording.file.close().is_err());
        disk.with(|d| d.is_broken = false);
        let at = ORIGIN + n_taken + 480_000;
        recording.file.append(FramePosition(at), &sound(at..at + 100, 2)).unwrap();
        recording.file.close().unwrap();
        for (judge, read) in decode(dir.path(), format, &disk.bytes()) {
            assert_eq!(read.len() as u64 / 2, n_taken + 480_100, "{judge:?}");
            if format == FileFormat::Flac {
                let silence = &read[2 * n_taken as usize..2 * (n_taken as usize + 480_000)];
                assert!(silence.iter().all(|s| *s == 0.0), "a gap is digital silence, without dither");
                assert!(
                    read[..2 * n_taken as usize]
                        == quantised(SampleFormat::S24, ORIGIN, 2, &sound(ORIGIN..ORIGIN + n_taken, 2))
                );
            }
        }
    }
}

#[test]
fn an_hour_of_silence_is_exact_and_small() {
    const HOUR: u64 = 3600 * 48_000;
    let disk = FaultyDisk::default();
    let mut recording = Recording::on(disk.clone(), FileFormat::Flac, 48_000, 2);
    recording.write(1000).unwrap();
    recording.file.append_silence(HOUR).unwrap();
    assert_eq!(recording.file.counts().taken_frames, HOUR + 1000);
    recording.file.close().unwrap();
    assert!(disk.bytes().len() < 2_000_000, "{} bytes", disk.bytes().len());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hour").with_extension(extension(FileFormat::Flac));
    std::fs::write(&path, disk.bytes()).unwrap();
    for judge in judges_of("flac") {
        assert_eq!(judge.count_frames(&path), HOUR + 1000, "{judge:?}");
    }
    assert_eq!(recording.file.append_silence(u64::MAX).unwrap_err().kind(), ErrorKind::FileTooLarge);
}

/// A day of silence is worked off in parts, each of which costs a fraction of a second; sound that comes meanwhile waits for
/// another time, and is no fault of the disk.
#[test]
fn silence_of_a_long_outage_is_worked_off_in_parts() {
    const HOUR: u64 = 3600 * 48_000;
    for format in [FileFormat::Flac, FileFormat::Opus] {
        let disk = FaultyDisk::default();
        let mut recording = Recording::on(disk.clone(), format, 48_000, 2);
        recording.write(1000).unwrap();
        recording.file.append_silence(5 * HOUR).unwrap();
        let mut published = 0;
        for n in 1..=2 {
            assert_eq!(recording.write(1).unwrap_err().kind(), ErrorKind::ResourceBusy);
            recording.position -= 1;
            recording.file.publish().unwrap();
            let now = recording.file.counts().published_frames;
            assert!(now - published <= 2 * HOUR + 1000 && now > published, "{format:?}: call {n}");
            published = now;
        }
        recording.write(1000).expect("nothing is owed any more");
        recording.file.close().unwrap();
        let n_frames = 2000 + 5 * HOUR;
        assert_eq!(recording.file.counts(), FrameCounts { taken_frames: n_frames, published_frames: n_frames });
        assert!(disk.bytes().len() < 9_000_000, "{} bytes", disk.bytes().len());
        if format == FileFormat::Opus {
            assert_eq!(packets(disk.bytes()).last().unwrap().1 - 312, n_frames);
        } else {
            assert_eq!(disk.bytes()[26..42], [0; 16], "the sum is given up");
        }
    }
}

#[test]
fn silence_that_costs_what_sound_does_is_worked_off_in_smaller_parts_and_left_out_at_an_end() {
    const SECOND: u64 = 48_000;
    let create = |disk: &FaultyDisk| {
        let spec = StreamSpec::new(48_000, 1).unwrap();
        let create = create_with_dear_silence;
        try_create_by(create, disk.clone(), FileFormat::Opus, SampleFormat::F32, spec).unwrap()
    };
    let disk = FaultyDisk::default();
    let mut recording = create(&disk);
    recording.write(1000).unwrap();
    recording.file.append_silence(16 * SECOND).unwrap();
    for n in 1..=3 {
        assert_eq!(recording.write(1).unwrap_err().kind(), ErrorKind::ResourceBusy);
        assert!(disk.with(|d| d.bytes.len()) < 1000 + n * 5 * 1000, "five seconds of silence are pages of 40 bytes");
    }
    recording.write(1000).expect("the last second and the sound");
    recording.file.append_silence(100 * SECOND).unwrap();
    recording.file.close().expect("so much is written at the end");
    assert_eq!(recording.file.counts().published_frames, 2000 + 116 * SECOND);

    let mut recording = create(&disk);
    recording.write(1000).unwrap();
    recording.file.append_silence(400 * SECOND).unwrap();
    assert_eq!(recording.file.close().unwrap_err().kind(), ErrorKind::TimedOut);
    let FrameCounts { taken_frames, published_frames } = recording.file.counts();
    assert_eq!(taken_frames, 1000 + 400 * SECOND);
    assert!((299 * SECOND..=301 * SECOND).contains(&published_frames), "{published_frames}");
}

/// Silence that is made once and repeated is what silence is that was encoded, and what follows it is at its place.
#[test]
fn sound_behind_repeated_silence_is_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for (format, hz, channels) in [
        (FileFormat::Flac, 48_000, 2),
        (FileFormat::Flac, 44_100, 3),
        (FileFormat::Opus, 48_000, 2),
        (FileFormat::Opus, 44_100, 1),
        (FileFormat::Opus, 44_101, 1),
        (FileFormat::Opus, 8_000, 6),
    ] {
        let disk = FaultyDisk::default();
        let mut recording = Recording::on(disk.clone(), format, hz, channels);
        let (before, gap, after) = (u64::from(hz) + 77, 60 * u64::from(hz) + 1234, 2 * u64::from(hz));
        recording.write(before).unwrap();
        recording.file.append_silence(gap).unwrap();
        recording.position += gap;
        recording.flush().unwrap();
        recording.write(after).unwrap();
        recording.file.close().unwrap();
        assert!(disk.bytes().len() < 2_000_000, "{} bytes", disk.bytes().len());
        let rate = if format == FileFormat::Opus { 48_000 } else { u64::from(hz) };
        let seconds =
            |frames: u64| (frames as f64 * rate as f64 / f64::from(hz)).round() as usize * usize::from(channels);
        for (judge, read) in decode(dir.path(), format, &disk.bytes()) {
            if format == FileFormat::Opus && judge == Judge::Sndfile && hz == 8_000 {
                continue; // it decodes at 8 kHz
            }
            let what = format!("{judge:?}, {format:?}, {hz} Hz");
            assert_eq!(read.len(), seconds(before + gap + after), "{what}");
            let silence = &read[seconds(before + u64::from(hz))..seconds(before + gap) - 5000 * usize::from(channels)];
            let loudest = silence.iter().fold(0.0f32, |most, s| most.max(s.abs()));
            assert!(loudest < if format == FileFormat::Flac { 1e-9 } else { 1e-4 }, "{what}: {loudest} in silence");
            if rate == u64::from(hz) {
                let truth = sound(ORIGIN + before + gap..ORIGIN + before + gap + after, channels);
                let tail = &read[seconds(before + gap)..];
                let noise: f64 = tail.iter().zip(&truth).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
                let power: f64 = truth.iter().map(|s| f64::from(*s).powi(2)).sum();
                let noise_db = 10.0 * (noise / power).log10();
                assert!(noise_db < if format == FileFormat::Flac { -100.0 } else { -20.0 }, "{what}: {noise_db} dB");
            }
        }
    }
}

#[test]
fn what_a_format_can_not_carry_is_refused_before_anything_is_written() {
    let refused = |format, sample_format, hz, channels: u16| {
        let disk = FaultyDisk::default();
        let spec = StreamSpec::new(hz, channels).unwrap();
        let error = try_create(disk.clone(), format, sample_format, spec).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(disk.bytes().is_empty());
        error.to_string()
    };
    let (flac, opus) = (FileFormat::Flac, FileFormat::Opus);
    assert_eq!(refused(flac, SampleFormat::S24, 48_000, 9), "FLAC: 9 channels, expected at most 8");
    assert_eq!(refused(flac, SampleFormat::F32, 48_000, 2), "FLAC keeps no f32, expected \"s24\" or \"s16\"");
    assert_eq!(
        refused(flac, SampleFormat::S16, 96_001, 2),
        "FLAC: 96001 Hz, expected at most 65534 Hz, or a multiple of 10 Hz up to 655340 Hz"
    );
    assert_eq!(refused(opus, SampleFormat::F32, 48_000, 9), "Opus: 9 channels, expected at most 8");
    #[cfg(not(feature = "mp3"))]
    assert_eq!(
        refused(FileFormat::Mp3, SampleFormat::F32, 48_000, 2),
        "MP3 is not built in: the feature \"mp3\" of ra-sinks brings it"
    );
}
