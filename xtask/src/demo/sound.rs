//! A file of real sound: recorded speech where it is installed, spoken by a synthesiser where that is, and else a chord,
//! said to be one.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

/// Speech that comes with alsa-utils.
const SPEECH_DIR: &str = "/usr/share/sounds/alsa";
const SPEECH: [&str; 2] = ["Front_Center.wav", "Side_Left.wav"];

/// A file, and what is heard in it.
#[derive(Clone, Debug)]
pub(super) struct Sound {
    pub(super) path: PathBuf,
    pub(super) what: String,
}

/// Finds or makes a file of sound; `which` (0 or 1) are two different ones.
pub(super) fn find(dir: &Path, which: usize) -> Result<Sound> {
    let which = which % SPEECH.len();
    let recorded = Path::new(SPEECH_DIR).join(SPEECH[which]);
    if recorded.is_file() {
        let what = format!("recorded speech, {}", recorded.display());
        return Ok(Sound { path: recorded, what });
    }
    let spoken = dir.join(format!("spoken-{which}.wav"));
    if speak(&spoken, which) {
        return Ok(Sound { what: format!("speech by espeak-ng, {}", spoken.display()), path: spoken });
    }
    let path = dir.join(format!("chord-{which}.wav"));
    std::fs::write(&path, chord(which)).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Sound { what: format!("a synthetic chord, for want of speech (alsa-utils), {}", path.display()), path })
}

fn speak(path: &Path, which: usize) -> bool {
    let text = ["This is the first voice of the demonstration.", "And this is the second voice, from the next room."];
    let mut command = Command::new("espeak-ng");
    command.arg("-w").arg(path).arg(text[which]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_done = command.status().is_ok_and(|status| status.success());
    is_done && path.metadata().is_ok_and(|metadata| metadata.len() > 1_000)
}

/// Two seconds of a chord at −18 dBFS, mono, 16 bit, 48 kHz, that loops without a step: whole periods of each tone.
fn chord(which: usize) -> Vec<u8> {
    const RATE_HZ: u32 = 48_000;
    let tones_hz = [[220.0, 277.0, 330.0], [196.0, 247.0, 294.0]][which];
    let n_frames = 2 * RATE_HZ;
    let data_bytes = n_frames * 2;
    let mut file = Vec::with_capacity(44 + data_bytes as usize);
    file.extend(b"RIFF");
    file.extend((36 + data_bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    file.extend([RATE_HZ, 2 * RATE_HZ].map(u32::to_le_bytes).concat());
    file.extend([2_u16, 16].map(u16::to_le_bytes).concat());
    file.extend(b"data");
    file.extend(data_bytes.to_le_bytes());
    for frame in 0..n_frames {
        let turns = |hz: f64| std::f64::consts::TAU * hz * f64::from(frame) / f64::from(RATE_HZ);
        let sum: f64 = tones_hz.iter().map(|hz| turns(*hz).sin()).sum();
        file.extend(((sum / 3.0 * 0.125 * 32_767.0) as i16).to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::wav::Wav;

    #[test]
    fn the_chord_is_a_valid_file_at_its_level() {
        let path = std::env::temp_dir().join(format!("ra-xtask-chord-{}.wav", std::process::id()));
        std::fs::write(&path, chord(1)).unwrap();
        let wav = Wav::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((wav.channels, wav.sample_rate_hz, wav.n_frames), (1, 48_000, 96_000));
        // Three sines of a third of 0.125 each: RMS 0.125 / 3 * sqrt(3 / 2).
        let expected_dbfs = 20.0 * (0.125 / 3.0 * 1.5_f64.sqrt()).log10();
        assert!((wav.rms_dbfs() - expected_dbfs).abs() < 0.1, "{} {expected_dbfs}", wav.rms_dbfs());
    }
}
