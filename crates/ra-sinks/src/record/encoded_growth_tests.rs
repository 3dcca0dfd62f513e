//! FLAC and Opus files at every moment of their growth: after every write, and within it.

use std::{
    io,
    sync::{Arc, Mutex},
};

use super::{
    container::FileFormat,
    encoded_bench::{Recording, decode},
    storage::Storage,
};

/// A disk that keeps every write that was made to it.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<Write>>>);

/// Where, and what.
type Write = (u64, Vec<u8>);

impl Journal {
    /// The file after the first `n_writes` writes and `n_bytes` bytes of the next.
    fn after(&self, n_writes: usize, n_bytes: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let writes = self.0.lock().unwrap();
        let torn = writes.get(n_writes).map(|(at, bytes)| (*at, bytes[..n_bytes.min(bytes.len())].to_vec()));
        for (at, bytes) in writes[..n_writes].iter().chain(torn.as_ref()) {
            let (at, end) = (*at as usize, *at as usize + bytes.len());
            if !bytes.is_empty() {
                file.resize(file.len().max(end), 0);
                file[at..end].copy_from_slice(bytes);
            }
        }
        file
    }

    fn n_writes(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn offset_of_write(&self, n: usize) -> u64 {
        self.0.lock().unwrap()[n].0
    }

    fn len_of_write(&self, n: usize) -> usize {
        self.0.lock().unwrap()[n].1.len()
    }
}

impl Storage for Journal {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push((offset, bytes.to_vec()));
        Ok(bytes.len())
    }

    /// A recording that nothing disturbs cuts nothing: it is made longer, by zeros.
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let n_writes = self.n_writes();
        let before = self.after(n_writes, 0).len() as u64;
        self.write_at(before, &vec![0; (len - before) as usize]).map(drop)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn check_reachable(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Killed between any two writes, and within a write at any byte: the file opens, and holds a prefix of the truth that
/// lacks what the last publish did not have.
fn killed_anywhere(format: FileFormat, hz: u32, channels: u16) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::default();
    let mut recording = Recording::on(journal.clone(), format, hz, channels);
    let n_beginning = journal.n_writes();
    let mut published = vec![(n_beginning, 0)];
    for block in 0..180u64 {
        recording.write(128).unwrap();
        if block == 60 {
            recording.file.append_silence(1000).unwrap();
            recording.position += 1000;
        }
        // Several FLAC frames, and many pages, go into the file at once.
        if block % 60 == 59 {
            recording.flush().unwrap();
            published.push((journal.n_writes(), recording.file.counts().published_frames));
        }
    }
    recording.file.close().unwrap();
    let whole = decode(dir.path(), format, &journal.after(journal.n_writes(), 0));

    // Everywhere in a small file would be thousands of judgements: every write, torn at one of its bytes in turn.
    let mut seed = 1u64;
    for n_writes in n_beginning..journal.n_writes() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let len = journal.len_of_write(n_writes);
        // Behind the beginning of the file, where the writes are below a page's size and no kill tears them.
        let is_torn = journal.offset_of_write(n_writes) > 4096;
        let torn_at = if is_torn { (seed >> 33) as usize % len } else { 0 };
        let bytes = journal.after(n_writes, torn_at);
        let least = published.iter().rev().find(|(at, _)| *at <= n_writes).map_or(0, |(_, frames)| *frames);
        for ((judge, read), (_, all)) in decode(dir.path(), format, &bytes).into_iter().zip(&whole) {
            let n_frames = (read.len() / usize::from(channels)) as u64;
            assert!(n_frames >= least, "{judge:?}: {n_frames} of {least} frames, write {n_writes} torn at {torn_at}");
            assert!(all.starts_with(&read), "{judge:?}: other sound, write {n_writes} torn at {torn_at} of {len}");
        }
    }
}

#[test]
fn a_flac_file_opens_at_every_moment() {
    killed_anywhere(FileFormat::Flac, 48_000, 2);
}

#[test]
fn an_opus_file_opens_at_every_moment() {
    killed_anywhere(FileFormat::Opus, 48_000, 2);
}
