//! What it costs to read a block from the fan-out, and to pass one through the input ring, beside the bare copy.

use std::time::Duration;

use anyhow::{Result, ensure};
use ra_core::PeriodInput;
use ra_queue::{InputConfig, input_ring};
use serde::Serialize;

use crate::contestants::{Contestant, N_BLOCKS, N_FRAMES, N_SAMPLES};
use crate::timing::{Timing, time_alone};

/// One operation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CopyRow {
    pub(crate) operation: String,
    #[serde(flatten)]
    pub(crate) timing: Timing,
}

fn row(operation: impl Into<String>, timing: Timing) -> CopyRow {
    CopyRow { operation: operation.into(), timing }
}

/// Reading a block of 2 KiB out of a ring of as many, by every contestant; the first row is memcpy.
pub(crate) fn reads(budget: Duration) -> Result<Vec<CopyRow>> {
    let memory = vec![0.5_f32; N_BLOCKS * N_SAMPLES];
    let mut out = vec![0.0_f32; N_SAMPLES];
    let mut at = 0;
    let copy = || {
        std::hint::black_box(&mut out).copy_from_slice(&memory[at * N_SAMPLES..][..N_SAMPLES]);
        at = (at + 1) % N_BLOCKS;
    };
    let mut rows = vec![row("memcpy", time_alone(budget, copy, || ()))];
    for contestant in Contestant::ALL {
        let (writer, mut readers) = contestant.make(1)?;
        let writer = std::cell::RefCell::new(writer);
        let mut seq = 0;
        let mut out = vec![0.0_f32; N_SAMPLES];
        // Half a ring ahead at every moment, so that what is read has left the nearest cache, as in real use.
        let mut publish = |n: usize| {
            for _ in 0..n {
                writer.borrow_mut().publish(seq, &memory[..N_SAMPLES]);
                seq += 1;
            }
        };
        publish(N_BLOCKS / 2);
        let mut n_missed = 0_u64;
        let read = || n_missed += u64::from(!readers[0].poll(std::hint::black_box(&mut out)));
        let timing = time_alone(budget, read, || publish(16));
        ensure!(n_missed == 0, "{}: {n_missed} reads found nothing", contestant.name());
        rows.push(row(contestant.name(), timing));
    }
    Ok(rows)
}

/// A delivery through the input ring, written and read, with its stamp and its account, beside bare rtrb slices.
pub(crate) fn inputs(budget: Duration) -> Result<Vec<CopyRow>> {
    let samples = vec![0.25_f32; N_SAMPLES];
    let mut rows = Vec::new();

    let (mut producer, mut consumer) = rtrb::RingBuffer::<f32>::new(N_BLOCKS * N_SAMPLES);
    let mut out = vec![0.0_f32; N_SAMPLES];
    let pass = || {
        let (written, _) = producer.push_partial_slice(std::hint::black_box(&samples));
        std::hint::black_box(written.len());
        let (read, _) = consumer.pop_partial_slice(std::hint::black_box(&mut out));
        std::hint::black_box(read.len());
    };
    rows.push(row("rtrb slices: write + read", time_alone(budget, pass, || ())));

    let config = InputConfig { capacity_frames: N_BLOCKS * N_FRAMES, ..InputConfig::default() };
    let (mut writer, mut reader, monitor) = input_ring(&config)?;
    let mut n_stamps = 0_u64;
    let pass = || {
        std::hint::black_box(writer.push(n_stamps, std::hint::black_box(&samples)));
        reader.poll_stamps(&mut |_| n_stamps += 1);
        std::hint::black_box(reader.read(std::hint::black_box(&mut out)));
    };
    rows.push(row("input ring: push + stamp + read", time_alone(budget, pass, || ())));
    let account = monitor.account();
    ensure!(account.is_balanced() && account.dropped_frames == 0, "{account}");

    let (mut producer, mut consumer) = rtrb::RingBuffer::<f32>::new(N_BLOCKS * N_SAMPLES);
    let write = || {
        let (written, _) = producer.push_partial_slice(std::hint::black_box(&samples));
        std::hint::black_box(written.len());
    };
    let drain = || {
        if let Ok(chunk) = consumer.read_chunk(consumer.slots()) {
            chunk.commit_all();
        }
    };
    rows.push(row("rtrb slice write", time_alone(budget, write, drain)));

    let (mut writer, mut reader, _) = input_ring(&config)?;
    let write = || {
        std::hint::black_box(writer.push(0, std::hint::black_box(&samples)));
    };
    let drain = || {
        reader.poll_stamps(&mut |_| ());
        reader.discard(usize::MAX);
    };
    rows.push(row("input ring push", time_alone(budget, write, drain)));
    Ok(rows)
}
